//! Requests.

use bytes::Bytes;

use crate::ascii::{is_token, is_uri_text};
use crate::gather::{Sink, Wire};
use crate::headers::Headers;
use crate::span::{Span, Text};
use crate::{EditError, Method, Slices, Uri, ViewError};

/// A request: start line, headers, body.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) line: RequestLine,
    /// Headers and body.
    pub headers: Headers,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) method_text: Text,
    pub(crate) uri: Text,
    /// The whole line as received, with CRLF.
    pub(crate) line: Span,
    /// Whether the line is written anew from its parts.
    pub(crate) edited: bool,
}

impl Request {
    /// A request of our own, without headers.
    ///
    /// # Errors
    ///
    /// [`EditError::Name`] where `method` is no token, [`EditError::Value`] where `uri` holds a
    /// byte that no URI has.
    pub fn new(method: &[u8], uri: &[u8]) -> Result<Self, EditError> {
        if !is_token(method) {
            return Err(EditError::Name);
        }
        let mut headers = Headers::empty();
        let method_text = headers.write_text(method)?;
        let mut request = Self {
            line: RequestLine {
                method: Method::of(method),
                method_text,
                uri: method_text,
                line: Span::default(),
                edited: true,
            },
            headers,
        };
        request.set_uri(uri)?;
        Ok(request)
    }

    /// The method.
    #[inline]
    pub fn method(&self) -> Method {
        self.line.method
    }

    /// The method as written.
    pub fn method_bytes(&self) -> &[u8] {
        let Text { place, span } = self.line.method_text;
        self.headers.bytes_of(place, span)
    }

    /// The Request-URI as written.
    #[inline]
    pub fn uri_bytes(&self) -> &[u8] {
        let Text { place, span } = self.line.uri;
        self.headers.bytes_of(place, span)
    }

    /// The Request-URI, parsed.
    ///
    /// # Errors
    ///
    /// The rule of RFC 3261 §25.1 that it breaks.
    pub fn uri(&self) -> Result<Uri<'_>, ViewError> {
        Uri::parse(self.uri_bytes())
    }

    /// Puts `uri` in place of the Request-URI.
    ///
    /// # Errors
    ///
    /// [`EditError::Value`] where it is empty or holds a control byte, a space, a quote or an
    /// angle bracket.
    pub fn set_uri(&mut self, uri: &[u8]) -> Result<(), EditError> {
        if !is_uri_text(uri) {
            return Err(EditError::Value);
        }
        self.line.uri = self.headers.write_text(uri)?;
        self.line.edited = true;
        Ok(())
    }

    /// The pieces to send, in order.
    pub fn gather<'a>(&'a self, out: &mut Slices<'a>) {
        self.pieces(out);
    }

    /// Appends the request to `out`, for one buffer that is sent or kept whole.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.pieces(out);
    }

    /// Bytes on the wire.
    pub fn wire_len(&self) -> usize {
        self.length()
    }

    /// The request as one buffer.
    pub fn to_bytes(&self) -> Bytes {
        self.copy()
    }
}

impl Wire for Request {
    fn pieces<'a>(&'a self, out: &mut impl Sink<'a>) {
        if self.line.edited {
            for part in [self.method_bytes(), b" ", self.uri_bytes(), b" SIP/2.0\r\n"] {
                out.piece(part);
            }
            self.headers.gather(Span::default(), out);
        } else {
            self.headers.gather(self.line.line, out);
        }
    }
}
