//! Bounds on one message, each by name.

/// What a message may be at most; over a bound it is refused with the status that [`crate::ParseError::status`] gives.
///
/// The defaults admit every valid message of RFC 4475 (`longreq` has a 379-byte URI and 34 Via
/// values) and all that was seen in captured traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message, at most 65,535 (the index holds 16-bit offsets).
    pub message_bytes: usize,
    /// Bytes of start line and headers.
    pub header_section_bytes: usize,
    /// Bytes of one header line, folds included.
    pub header_bytes: usize,
    /// Header rows.
    pub headers: usize,
    /// Via values.
    pub via_values: usize,
    /// Bytes of the Request-URI.
    pub uri_bytes: usize,
    /// Bytes of the method.
    pub method_bytes: usize,
    /// Bytes of the body.
    pub body_bytes: usize,
}

impl Limits {
    /// No bound but that of the index: for what was within its limits before.
    pub const WIDEST: Self = Self {
        message_bytes: MESSAGE_BYTES_MAX,
        header_section_bytes: MESSAGE_BYTES_MAX,
        header_bytes: MESSAGE_BYTES_MAX,
        headers: MESSAGE_BYTES_MAX,
        via_values: MESSAGE_BYTES_MAX,
        uri_bytes: MESSAGE_BYTES_MAX,
        method_bytes: MESSAGE_BYTES_MAX,
        body_bytes: MESSAGE_BYTES_MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: MESSAGE_BYTES_MAX,
            header_section_bytes: 16 * 1024,
            header_bytes: 8 * 1024,
            headers: 128,
            via_values: 70,
            uri_bytes: 1024,
            method_bytes: 64,
            body_bytes: 48 * 1024,
        }
    }
}

/// The largest message that the index can describe.
pub const MESSAGE_BYTES_MAX: usize = u16::MAX as usize;
