//! Requests that follow from another: the ACK of a non-2xx response, and CANCEL.

use bytes::Bytes;

use crate::ascii::{is_value_byte, push_number};
use crate::unfold;
use crate::{CSeq, HeaderName, Limits, Message, Request, Response, Via, parse};

/// The ACK of a final response other than 2xx to the INVITE `request` (RFC 3261 §17.1.1.3).
///
/// [`Layer`](crate::Layer) builds and repeats it by itself.
pub fn ack_for(request: &Request, response: &Response) -> Bytes {
    derive(
        request,
        b"ACK",
        response.headers.first(HeaderName::To),
        None,
    )
}

/// The CANCEL of the INVITE `request`, with a Reason (RFC 3326) if there is one (RFC 3261 §9.1).
///
/// [`Layer::cancel`](crate::Layer::cancel) builds it by itself, and waits for the moment to send it.
pub fn cancel_for(request: &Request, reason: Option<&[u8]>) -> Bytes {
    derive(request, b"CANCEL", None, reason)
}

/// As [`ack_for`], from the bytes of an INVITE that was sent and the To value of its response.
pub(super) fn ack_for_wire(invite: &Bytes, to: &[u8]) -> Option<Bytes> {
    Some(derive(&reread(invite)?, b"ACK", Some(to), None))
}

/// The branch of the top Via of a request of our own.
pub(super) fn branch_of(request: &Request) -> &[u8] {
    let via = request.headers.top(HeaderName::Via);
    let via = via.and_then(|value| Via::parse(value).ok());
    via.and_then(|via| via.branch()).unwrap_or_default()
}

/// Request-URI, top Via, Route, From, Call-ID and the number of CSeq are those of the INVITE; so is
/// To unless another is given.
fn derive(request: &Request, method: &[u8], to: Option<&[u8]>, reason: Option<&[u8]>) -> Bytes {
    let headers = &request.headers;
    let mut out = Vec::with_capacity(512);
    for part in [method, b" ", request.uri_bytes(), b" SIP/2.0\r\n"] {
        out.extend_from_slice(part);
    }
    push_header(&mut out, b"Via", headers.top(HeaderName::Via));
    for route in headers.all(HeaderName::Route) {
        push_header(&mut out, b"Route", Some(route));
    }
    push_header(&mut out, b"Max-Forwards", Some(b"70"));
    push_header(&mut out, b"From", headers.first(HeaderName::From));
    push_header(
        &mut out,
        b"To",
        to.or_else(|| headers.first(HeaderName::To)),
    );
    push_header(&mut out, b"Call-ID", headers.first(HeaderName::CallId));
    if let Some(Ok(cseq)) = headers.first(HeaderName::CSeq).map(CSeq::parse) {
        out.extend_from_slice(b"CSeq: ");
        push_number(&mut out, u64::from(cseq.number));
        for part in [b" ", method, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    push_header(&mut out, b"Reason", reason);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    // It is kept as long as its transaction: without the room that was too much.
    Bytes::from(out.into_boxed_slice())
}

/// Writes one header line; a value that is missing, or would break the line, is left out.
fn push_header(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    let Some(value) = value.map(unfold) else {
        return;
    };
    if !value.iter().all(|&byte| is_value_byte(byte)) {
        return;
    }
    for part in [name, b": ", &value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Reads a request of our own again. It was within the limits when it was made.
pub(super) fn reread(wire: &Bytes) -> Option<Request> {
    match parse(wire.clone(), &Limits::WIDEST) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}
