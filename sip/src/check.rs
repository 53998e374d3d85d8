//! What a proxy needs to be true of a message before it acts on it (RFC 3261 §16.3 step 1, §8.1.1).

use crate::ascii::number;
use crate::{CSeq, Fault, HeaderName, Headers, Limits, NameAddr, Request, Response, Uri, Via};

/// Checks the Request-URI and the headers that routing and transactions depend on.
///
/// # Errors
///
/// The first fault found; it is answered 400.
pub fn check_request(request: &Request, limits: &Limits) -> Result<(), Fault> {
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
    check_common(&response.headers, limits)?;
    let cseq = single(&response.headers, HeaderName::CSeq)?;
    CSeq::parse(cseq).map_err(|_| Fault::Malformed(HeaderName::CSeq))?;
    Ok(())
}

fn check_common(headers: &Headers, limits: &Limits) -> Result<(), Fault> {
    let mut seen = 0u64;
    for row in &headers.rows {
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
