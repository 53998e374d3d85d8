//! A message of either kind.

use bytes::Bytes;

use crate::request::{Request, RequestLine};
use crate::response::{Response, StatusLine};
use crate::{Headers, Slices};

/// A request or a response.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request (RFC 3261 §7.1).
    Request(Request),
    /// A response (RFC 3261 §7.2).
    Response(Response),
}

impl Message {
    /// The headers of either kind.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The headers of either kind, to edit.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The pieces to send, in order.
    pub fn gather<'a>(&'a self, out: &mut Slices<'a>) {
        match self {
            Self::Request(request) => request.gather(out),
            Self::Response(response) => response.gather(out),
        }
    }

    /// The message as one buffer.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum StartLine {
    Request(RequestLine),
    Status(StatusLine),
}
