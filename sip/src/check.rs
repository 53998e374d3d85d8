//! What a proxy needs to be true of a message before it acts on it (RFC 3261 §16.3 step 1, §8.1.1).

use crate::ascii::{has_blank, number};
use crate::list::elements;
use crate::{CSeq, Fault, HeaderName, Headers, Limits, NameAddr, Request, Response, Uri, Via};

/// Checks the Request-URI and the headers that routing and transactions depend on.
///
/// # Errors
///
/// The first fault found; it is answered 400.
pub fn check_request(request: &Request, limits: &Limits) -> Result<(), Fault> {
    let plain = Uri::plain(request.uri_bytes()).is_some()
        && are_plain(&request.headers, Some(request.method_bytes()), limits);
    match plain {
        true => Ok(()),
        false => read_request(request, limits),
    }
}

/// Whether all that [`read_request`] or, without a method, [`read_response`] looks at has the shape that
/// nearly all senders give it, which is valid; one pass over the rows.
#[inline]
pub(crate) fn are_plain(headers: &Headers, method: Option<&[u8]>, limits: &Limits) -> bool {
    let mut seen = 0u64;
    let mut vias = 0;
    for row in headers.rows.iter() {
        let bit = 1 << (row.id as u8);
        if seen & bit & SINGLE != 0 {
            return false;
        }
        seen |= bit;
        let value = || headers.value_of(row);
        let plain = match row.id {
            HeaderName::Via => {
                vias += 1;
                Via::plain(value()).is_some()
            }
            HeaderName::From | HeaderName::To => NameAddr::plain(value()).is_some(),
            HeaderName::CallId => !value().is_empty() && !has_blank(value()),
            HeaderName::CSeq => CSeq::plain(value())
                .is_some_and(|cseq| method.is_none_or(|method| cseq.method == method)),
            HeaderName::MaxForwards if method.is_some() => number(value()).is_some(),
            HeaderName::Route | HeaderName::RecordRoute if method.is_some() => {
                is_plain_route(value()) || elements(value()).all(is_plain_route)
            }
            _ => true,
        };
        if !plain {
            return false;
        }
    }
    seen & MANDATORY == MANDATORY && vias <= limits.via_values
}

fn is_plain_route(value: &[u8]) -> bool {
    NameAddr::plain(value).is_some_and(|value| Uri::plain(value.uri).is_some())
}

/// One bit for each header that may stand once.
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
const SINGLE: u64 = {
    let mut map = 0;
    let mut at = 0;
    while at < HeaderName::ALL.len() {
        if HeaderName::ALL[at].is_single() {
            map |= 1 << (HeaderName::ALL[at] as u8);
        }
        at += 1;
    }
    map
};

/// One bit for each header without which a message is not acted on.
const MANDATORY: u64 = 1 << (HeaderName::Via as u8)
    | 1 << (HeaderName::From as u8)
    | 1 << (HeaderName::To as u8)
    | 1 << (HeaderName::CallId as u8)
    | 1 << (HeaderName::CSeq as u8);

/// The same by the grammar of each header.
pub(crate) fn read_request(request: &Request, limits: &Limits) -> Result<(), Fault> {
    check_common(&request.headers, limits)?;
    let cseq = single(&request.headers, HeaderName::CSeq)?;
    let cseq = CSeq::parse(cseq).map_err(|_| Fault::Malformed(HeaderName::CSeq))?;
    if cseq.method != request.method_bytes() {
        return Err(Fault::MethodMismatch);
    }
    Uri::parse(request.uri_bytes()).map_err(|_| Fault::RequestUri)?;
    if let Some(value) = request.headers.first(HeaderName::MaxForwards)
        && number(value).is_none()
    {
        return Err(Fault::Malformed(HeaderName::MaxForwards));
    }
    for id in [HeaderName::Route, HeaderName::RecordRoute] {
        for value in request.headers.list(id) {
            let uri = NameAddr::parse(value).and_then(|value| value.uri());
            uri.map_err(|_| Fault::Malformed(id))?;
        }
    }
    Ok(())
}

/// Checks the headers that matching and forwarding a response depend on.
///
/// # Errors
///
/// The first fault found; such a response is dropped.
pub fn check_response(response: &Response, limits: &Limits) -> Result<(), Fault> {
    match are_plain(&response.headers, None, limits) {
        true => Ok(()),
        false => read_response(response, limits),
    }
}

/// The same by the grammar of each header.
pub(crate) fn read_response(response: &Response, limits: &Limits) -> Result<(), Fault> {
    check_common(&response.headers, limits)?;
    let cseq = single(&response.headers, HeaderName::CSeq)?;
    CSeq::parse(cseq).map_err(|_| Fault::Malformed(HeaderName::CSeq))?;
    Ok(())
}

fn check_common(headers: &Headers, limits: &Limits) -> Result<(), Fault> {
    let mut seen = 0u64;
    for row in headers.rows.iter() {
        if row.id == HeaderName::Other || !row.id.is_single() {
            continue;
        }
        let bit = 1u64 << (row.id as u8);
        if seen & bit != 0 {
            return Err(Fault::Duplicate(row.id));
        }
        seen |= bit;
    }
    let mut vias = 0;
    for value in headers.list(HeaderName::Via) {
        vias += 1;
        if vias > limits.via_values {
            return Err(Fault::ViaTooMany);
        }
        Via::parse(value).map_err(|_| Fault::Malformed(HeaderName::Via))?;
    }
    if vias == 0 {
        return Err(Fault::Missing(HeaderName::Via));
    }
    for id in [HeaderName::From, HeaderName::To] {
        let value = single(headers, id)?;
        NameAddr::parse(value).map_err(|_| Fault::Malformed(id))?;
    }
    if single(headers, HeaderName::CallId)?
        .iter()
        .any(|byte| *byte <= b' ')
    {
        return Err(Fault::Malformed(HeaderName::CallId));
    }
    Ok(())
}

fn single(headers: &Headers, id: HeaderName) -> Result<&[u8], Fault> {
    match headers.first(id) {
        None => Err(Fault::Missing(id)),
        Some([]) => Err(Fault::Malformed(id)),
        Some(value) => Ok(value),
    }
}

const _: () = assert!(
    (HeaderName::Other as u8) < 64,
    "check_common keeps one bit a known name"
);
