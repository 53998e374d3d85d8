//! What templates and conditions can see.

use std::borrow::Cow;

use sip::{HeaderName, Headers, NameAddr, Request, Response, Uri};
use smallvec::SmallVec;

use crate::Context;

/// The message of a hook and its exchange, for reading.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) message: Message<'a>,
    pub(crate) cx: &'a Context,
    pub(crate) captures: &'a Captures,
}

/// The message of a hook.
#[derive(Clone, Copy)]
pub(crate) enum Message<'a> {
    Request(&'a Request),
    Response(&'a Response),
}

/// What the groups of the last `match` caught; group 0 is the whole match.
pub(crate) type Captures = SmallVec<[SmallVec<[u8; 24]>; 4]>;

impl<'a> Scope<'a> {
    pub(crate) fn headers(&self) -> &'a Headers {
        match self.message {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The Request-URI; a response has none.
    pub(crate) fn ruri(&self) -> &'a [u8] {
        match self.message {
            Message::Request(request) => request.uri_bytes(),
            Message::Response(_) => b"",
        }
    }

    /// The Request-URI, parsed.
    pub(crate) fn ruri_view(&self) -> Option<Uri<'a>> {
        Uri::parse(self.ruri()).ok()
    }

    /// The URI of From or To.
    pub(crate) fn party(&self, id: HeaderName) -> Option<Uri<'a>> {
        NameAddr::parse(self.headers().first(id)?).ok()?.uri().ok()
    }

    /// The method as written; of a response that of its CSeq.
    pub(crate) fn method(&self) -> &'a [u8] {
        match self.message {
            Message::Request(request) => request.method_bytes(),
            Message::Response(response) => {
                let cseq = response.headers.first(HeaderName::CSeq);
                let method = cseq.and_then(|value| sip::CSeq::parse(value).ok());
                method.map_or(self.cx.facts.method.as_str().as_bytes(), |cseq| cseq.method)
            }
        }
    }

    /// The value of the first row with `id`, or with `name` where that is not known by number;
    /// empty where there is none.
    pub(crate) fn header(&self, id: HeaderName, name: &str) -> Cow<'a, [u8]> {
        let mut rows = self.headers().iter();
        let row = rows.find(|header| {
            header.id == id
                && (id != HeaderName::Other || header.name.eq_ignore_ascii_case(name.as_bytes()))
        });
        row.map_or(Cow::Borrowed(b""), |header| header.unfolded())
    }
}
