//! Errors of the wire path: small, `Copy`, without text.

use crate::HeaderName;

/// Why bytes are no message that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// The body is larger than its limit.
    BodyTooLarge,
    /// Content-Length is not one plain decimal number.
    ContentLength,
    /// A control byte, a bare CR or a bare LF where a line should go on.
    ControlByte,
    /// No byte but line ends: a keep-alive (RFC 5626 §4.4.1), not a message.
    Empty,
    /// A header line has no colon, or its name is not a token followed by the colon.
    HeaderName,
    /// One header is longer than its limit.
    HeaderTooLarge,
    /// More header rows than the limit.
    HeadersTooMany,
    /// The header section is larger than its limit.
    HeaderSectionTooLarge,
    /// The message is larger than the limit or than 65,535 bytes.
    MessageTooLarge,
    /// The method is longer than its limit.
    MethodTooLarge,
    /// The start line is neither a Request-Line nor a Status-Line.
    StartLine,
    /// A status code outside 100–699.
    StatusCode,
    /// Ends before the empty line, or before Content-Length bytes of body.
    Truncated,
    /// The Request-URI is longer than its limit.
    UriTooLarge,
    /// The version is not SIP/2.0.
    Version,
}

impl ParseError {
    /// The status and reason that answer a request with this fault.
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::BodyTooLarge
            | Self::HeaderSectionTooLarge
            | Self::HeaderTooLarge
            | Self::HeadersTooMany
            | Self::MessageTooLarge => (513, "Message Too Large"),
            Self::UriTooLarge => (414, "Request-URI Too Long"),
            Self::Version => (505, "Version Not Supported"),
            _ => (400, "Bad Request"),
        }
    }

    /// A fixed word for logs and metric labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::ContentLength => "content_length",
            Self::ControlByte => "control_byte",
            Self::Empty => "empty",
            Self::HeaderName => "header_name",
            Self::HeaderTooLarge => "header_too_large",
            Self::HeadersTooMany => "headers_too_many",
            Self::HeaderSectionTooLarge => "header_section_too_large",
            Self::MessageTooLarge => "message_too_large",
            Self::MethodTooLarge => "method_too_large",
            Self::StartLine => "start_line",
            Self::StatusCode => "status_code",
            Self::Truncated => "truncated",
            Self::UriTooLarge => "uri_too_large",
            Self::Version => "version",
        }
    }
}

/// Why a typed view could not be read from a header value or URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewError {
    /// A host name, IPv4 or bracketed IPv6 address was expected.
    Host,
    /// A number was expected, or it is out of range.
    Number,
    /// A `;name=value` parameter is malformed.
    Param,
    /// A port outside 1–65535.
    Port,
    /// A quoted string has no end.
    Quote,
    /// The URI has no scheme or a malformed one.
    Scheme,
    /// The value does not follow its grammar.
    Syntax,
}

/// Why an edit was refused; the message is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EditError {
    /// There is no row with this index.
    Index,
    /// The name is not a token.
    Name,
    /// The edits would hold more than 65,535 bytes, a header more than 8 KiB, or the message more
    /// rows than its limit and 64 of ours.
    TooLarge,
    /// The value holds a control byte (CR, LF and NUL among them), or is a Content-Length that is
    /// not the body's or not the only one.
    Value,
}

/// A header that breaks the rules that a proxy depends on (RFC 3261 §16.3, §8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A header that may stand once stands twice.
    Duplicate(HeaderName),
    /// The value does not follow its grammar.
    Malformed(HeaderName),
    /// CSeq names another method than the start line.
    MethodMismatch,
    /// A mandatory header is not there.
    Missing(HeaderName),
    /// The Request-URI does not follow the grammar of its scheme.
    RequestUri,
    /// More Via values than the limit.
    ViaTooMany,
}

impl Fault {
    /// The header at fault, or [`HeaderName::Other`] where it is the start line.
    pub fn header(self) -> HeaderName {
        match self {
            Self::Duplicate(name) | Self::Malformed(name) | Self::Missing(name) => name,
            Self::MethodMismatch => HeaderName::CSeq,
            Self::ViaTooMany => HeaderName::Via,
            Self::RequestUri => HeaderName::Other,
        }
    }

    /// A fixed word for logs and metric labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Duplicate(_) => "duplicate_header",
            Self::Malformed(_) => "malformed_header",
            Self::MethodMismatch => "method_mismatch",
            Self::Missing(_) => "missing_header",
            Self::RequestUri => "request_uri",
            Self::ViaTooMany => "via_too_many",
        }
    }
}
