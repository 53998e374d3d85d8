//! Responses to requests (RFC 3261 §8.2.6), also to requests that lack what they should have.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ascii::is_token;
use crate::{HeaderName, NameAddr, Request, Response};

/// Builds a response: Via, From, To, Call-ID and CSeq as the request has them.
///
/// Whatever of these the request lacks is left out, and of a single header that it has twice the
/// first is taken; nothing is invented and nothing panics.
#[derive(Debug)]
#[must_use = "a reply is sent after `build`"]
pub struct Reply<'a> {
    request: &'a Request,
    response: Response,
    to_tag: Option<&'a [u8]>,
    body: Option<Bytes>,
}

impl<'a> Reply<'a> {
    /// A response with `status` (clamped to 100–699) and `reason`.
    pub fn new(request: &'a Request, status: u16, reason: &str) -> Self {
        let mut response = Response::new(status, reason.as_bytes());
        let (from, to) = (&request.headers, &mut response.headers);
        let mut singles = [None; 5];
        let mut fit = true;
        for row in from.rows.iter() {
            let [sender, callee, call_id, cseq, timestamp] = &mut singles;
            let single = match row.id {
                HeaderName::Via => {
                    fit = fit && to.copy_row(from, row);
                    continue;
                }
                HeaderName::From => sender,
                HeaderName::To => callee,
                HeaderName::CallId => call_id,
                HeaderName::CSeq => cseq,
                HeaderName::Timestamp if status == 100 => timestamp,
                _ => continue,
            };
            single.get_or_insert(row);
        }
        for row in singles.into_iter().flatten() {
            to.copy_row(from, row);
        }
        Self {
            request,
            response,
            to_tag: None,
            body: None,
        }
    }

    /// Puts `tag` on To where the request had none (§8.2.6.2); not on a 100.
    pub fn to_tag(mut self, tag: &'a [u8]) -> Self {
        self.to_tag = Some(tag);
        self
    }

    /// Copies Record-Route, as responses that form a dialog do (§12.1.1).
    pub fn record_route(mut self) -> Self {
        let headers = &mut self.response.headers;
        headers.copy_rows(&self.request.headers, HeaderName::RecordRoute);
        self
    }

    /// Adds a header; one that cannot be written is left out.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        // The value may come from the request: one that cannot stand in a line is not sent.
        let headers = &mut self.response.headers;
        headers.append(name.as_bytes(), value.as_ref()).ok();
        self
    }

    /// Gives the response a body with its type.
    pub fn body(mut self, content_type: &str, body: Bytes) -> Self {
        self = self.header("Content-Type", content_type);
        self.body = Some(body);
        self
    }

    /// The response.
    pub fn build(mut self) -> Response {
        if let Some(tag) = self.to_tag
            && self.response.status() > 100
        {
            self.add_to_tag(tag);
        }
        // Content-Length of a body that fits a message is writable: the error cannot occur.
        let body = self.body.unwrap_or_default();
        self.response.headers.set_body(body).ok();
        self.response
    }

    fn add_to_tag(&mut self, tag: &[u8]) {
        let headers = &mut self.response.headers;
        let Some(index) = headers.rows.iter().position(|row| row.id == HeaderName::To) else {
            return;
        };
        let Some(header) = headers.get(index) else {
            return;
        };
        // A To that cannot be read stays as it was sent.
        if !is_token(tag) || !matches!(NameAddr::parse(header.value), Ok(to) if to.tag().is_none())
        {
            return;
        }
        let mut value: SmallVec<[u8; 256]> = SmallVec::from_slice(&header.unfolded());
        value.extend_from_slice(b";tag=");
        value.extend_from_slice(tag);
        // It fails only on a To of 8 KiB, which then stays as it was sent.
        headers.rewrite(index, None, &value).ok();
    }
}
