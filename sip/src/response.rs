//! Responses.

use bytes::Bytes;

use crate::ascii::is_value_text;
use crate::gather::{Sink, Wire};
use crate::headers::Headers;
use crate::span::{Place, Span, Text};
use crate::{EditError, Slices};

/// A response: status line, headers, body.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) line: StatusLine,
    /// Headers and body.
    pub headers: Headers,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine {
    pub(crate) status: u16,
    pub(crate) reason: Text,
    /// The whole line as received, with CRLF.
    pub(crate) line: Span,
    /// Whether the line is written anew from its parts.
    pub(crate) edited: bool,
}

impl Response {
    /// A response of our own, without headers.
    pub(crate) fn new(status: u16, reason: &[u8]) -> Self {
        let mut response = Self {
            line: StatusLine {
                status: 500,
                reason: Text {
                    place: Place::Scratch,
                    span: Span::default(),
                },
                line: Span::default(),
                edited: true,
            },
            headers: Headers::empty(),
        };
        // A reason that cannot be written leaves an empty phrase, which the grammar allows.
        response.set_status(status, reason).ok();
        response.line.status = status.clamp(100, 699);
        response
    }

    /// The status code, 100–699.
    #[inline]
    pub fn status(&self) -> u16 {
        self.line.status
    }

    /// The reason phrase as written.
    pub fn reason(&self) -> &[u8] {
        let Text { place, span } = self.line.reason;
        self.headers.bytes_of(place, span)
    }

    /// Whether the status is 1xx.
    pub fn is_provisional(&self) -> bool {
        self.line.status < 200
    }

    /// Gives the response another status and reason.
    ///
    /// # Errors
    ///
    /// [`EditError::Value`] on a status outside 100–699 or a control byte in the reason.
    pub fn set_status(&mut self, status: u16, reason: &[u8]) -> Result<(), EditError> {
        if !(100..700).contains(&status) || !is_value_text(reason) {
            return Err(EditError::Value);
        }
        self.line.reason = self.headers.write_text(reason)?;
        self.line.status = status;
        self.line.edited = true;
        Ok(())
    }

    /// The pieces to send, in order.
    pub fn gather<'a>(&'a self, out: &mut Slices<'a>) {
        self.pieces(out);
    }

    /// Appends the response to `out`, for one buffer that is sent or kept whole.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.pieces(out);
    }

    /// Bytes on the wire.
    pub fn wire_len(&self) -> usize {
        self.length()
    }

    /// The response as one buffer.
    pub fn to_bytes(&self) -> Bytes {
        self.copy()
    }
}

impl Wire for Response {
    fn pieces<'a>(&'a self, out: &mut impl Sink<'a>) {
        if self.line.edited {
            for part in [
                b"SIP/2.0 ".as_slice(),
                status_text(self.line.status),
                b" ",
                self.reason(),
                b"\r\n",
            ] {
                out.piece(part);
            }
            self.headers.gather(Span::default(), out);
        } else {
            self.headers.gather(self.line.line, out);
        }
    }
}

/// The three digits of `status`.
fn status_text(status: u16) -> &'static [u8] {
    let at = usize::from(status.clamp(100, 699) - 100) * 3;
    DIGITS.get(at..at + 3).unwrap_or(b"500")
}

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
const DIGITS: [u8; 1800] = {
    let mut table = [0u8; 1800];
    let mut at = 0;
    while at < 600 {
        let status = at + 100;
        table[at * 3] = b'0' + (status / 100) as u8;
        table[at * 3 + 1] = b'0' + (status / 10 % 10) as u8;
        table[at * 3 + 2] = b'0' + (status % 10) as u8;
        at += 1;
    }
    table
};
