//! What identifies a transaction (RFC 3261 §17.1.3 and §17.2.3).
//!
//! A key is matched by the fingerprint of its bytes. Branch and sent-by are compared exactly: a retransmission, the ACK of
//! a non-2xx response and a CANCEL all come from the element that wrote the first request, with the
//! same Via.

use crate::ascii::split_once;
use crate::{CSeq, HeaderName, NameAddr, Request, Response, Via};

use super::fingerprint::{Fingerprint, Printer};

/// Identifies a server transaction.
#[derive(Clone, Copy, Debug)]
pub struct ServerKey<'a> {
    /// Branch of the top Via.
    pub branch: &'a [u8],
    /// `host[:port]` of the top Via.
    pub sent_by: &'a [u8],
    /// Method of the request line.
    pub method: &'a [u8],
    /// Set where the branch lacks the magic cookie: then these count, and the branch does not.
    pub legacy: Option<Legacy<'a>>,
}

/// Identifies a transaction of an RFC 2543 element, which has no unique branch.
#[derive(Clone, Copy, Debug)]
pub struct Legacy<'a> {
    /// The Request-URI.
    pub uri: &'a [u8],
    /// Tag of To, or empty.
    pub to_tag: &'a [u8],
    /// Tag of From, or empty.
    pub from_tag: &'a [u8],
    /// The Call-ID.
    pub call_id: &'a [u8],
    /// The number of CSeq.
    pub cseq: u32,
    /// The whole top Via value.
    pub via: &'a [u8],
}

/// Identifies a client transaction.
#[derive(Clone, Copy, Debug)]
pub struct ClientKey<'a> {
    /// Branch of our Via.
    pub branch: &'a [u8],
    /// Method of CSeq.
    pub method: &'a [u8],
}

impl<'a> ServerKey<'a> {
    /// The key of `request`; `None` where the headers that make it are missing or malformed.
    pub fn of(request: &'a Request) -> Option<Self> {
        let value = request.headers.top(HeaderName::Via)?;
        let via = Via::parse(value).ok()?;
        let branch = via.branch().unwrap_or_default();
        let method = request.method_bytes();
        Self::with_cookie(branch, via.sent_by, method).or_else(|| {
            Some(Self {
                branch,
                sent_by: via.sent_by,
                method,
                legacy: Some(Legacy::of(request, value)?),
            })
        })
    }

    /// The key of a request with this branch and sent-by in its top Via; `None` where the branch is
    /// that of an RFC 2543 element, whose requests [`ServerKey::of`] tells by more.
    pub fn with_cookie(branch: &'a [u8], sent_by: &'a [u8], method: &'a [u8]) -> Option<Self> {
        has_cookie(branch).then_some(Self {
            branch,
            sent_by,
            method,
            legacy: None,
        })
    }

    /// What identifies the transaction of this key, as if its method were `method`.
    #[inline]
    pub(super) fn print(&self, method: &[u8], printer: &Printer) -> Fingerprint {
        match &self.legacy {
            None => printer.of([self.branch, self.sent_by, method]),
            Some(legacy) => printer.of([
                legacy.uri,
                legacy.to_tag,
                legacy.from_tag,
                legacy.call_id,
                &legacy.cseq.to_be_bytes(),
                legacy.via,
                method,
            ]),
        }
    }

    /// The key of the initial INVITE that this ACK may belong to although it has a To tag, which
    /// the INVITE of an RFC 2543 element had not (RFC 3261 §17.2.3).
    pub(super) fn without_to_tag(&self) -> Option<Self> {
        let legacy = self.legacy.filter(|legacy| !legacy.to_tag.is_empty())?;
        Some(Self {
            legacy: Some(Legacy {
                to_tag: b"",
                ..legacy
            }),
            ..*self
        })
    }
}

impl<'a> Legacy<'a> {
    fn of(request: &'a Request, via: &'a [u8]) -> Option<Self> {
        let headers = &request.headers;
        let tag = |id| {
            let value = NameAddr::parse(headers.first(id)?).ok()?;
            Some(value.tag().unwrap_or_default())
        };
        Some(Self {
            uri: request.uri_bytes(),
            to_tag: tag(HeaderName::To)?,
            from_tag: tag(HeaderName::From)?,
            call_id: headers.first(HeaderName::CallId)?,
            cseq: CSeq::parse(headers.first(HeaderName::CSeq)?).ok()?.number,
            via,
        })
    }
}

impl<'a> ClientKey<'a> {
    /// The key of the transaction that `response` answers, if its Via and CSeq can be read. Of a
    /// response that [`check_response`](crate::check_response) does not let through it may be wrong.
    pub fn of(response: &'a Response) -> Option<Self> {
        let headers = &response.headers;
        let via = headers.first(HeaderName::Via)?;
        let branch = match plain_branch(via) {
            Some(branch) => branch,
            None => Via::parse(headers.top(HeaderName::Via)?).ok()?.branch()?,
        };
        let cseq = CSeq::parse(headers.first(HeaderName::CSeq)?).ok()?;
        Some(Self {
            branch,
            method: cseq.method,
        })
    }

    #[inline]
    pub(super) fn print(&self, printer: &Printer) -> Fingerprint {
        printer.of([self.branch, self.method])
    }
}

/// The branch of a Via row that is known to be valid, where it is one element without quotes,
/// brackets and white space around the parameters.
pub(crate) fn plain_branch(via: &[u8]) -> Option<&[u8]> {
    if memchr::memchr3(b',', b'"', b'<', via).is_some() {
        return None;
    }
    let mut rest = via;
    loop {
        rest = split_once(rest, b';').1?;
        if matches!(rest, [] | [..=b' ', ..]) {
            return None;
        }
        let (name, value) = rest.split_at_checked(BRANCH.len())?;
        if name == BRANCH || name.eq_ignore_ascii_case(BRANCH) {
            let (branch, _) = split_once(value.strip_prefix(b"=")?, b';');
            let whole = matches!(branch, [first, .., last] if *first > b' ' && *last > b' ');
            return whole.then_some(branch);
        }
    }
}

/// Whether `branch` is unique by promise (RFC 3261 §8.1.1.7): the cookie, and something after it.
fn has_cookie(branch: &[u8]) -> bool {
    branch.len() > COOKIE.len()
        && branch
            .get(..COOKIE.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(COOKIE))
}

const COOKIE: &[u8] = b"z9hG4bK";
const BRANCH: &[u8] = b"branch";
