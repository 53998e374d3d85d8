//! Requests that follow from another: the ACK of a non-2xx response, and CANCEL.

use bytes::Bytes;

use crate::ascii::{is_value_byte, push_number};
use crate::headers::unfold;
use crate::{CSeq, HeaderName, Limits, MESSAGE_BYTES_MAX, Message, Request, Response, parse};

/// The ACK of a final response other than 2xx to the INVITE `request` (RFC 3261 §17.1.1.3).
///
/// [`Layer`](crate::Layer) builds and repeats it by itself.
pub fn ack_for(request: &Request, response: &Response) -> Bytes {
    ack_with_to(request, response.headers.first(HeaderName::To))
}

/// The CANCEL of the INVITE `request`, with a Reason (RFC 3326) if there is one (RFC 3261 §9.1).
///
/// [`Layer::cancel`](crate::Layer::cancel) builds it by itself, and waits for the moment to send it.
pub fn cancel_for(request: &Request, reason: Option<&[u8]>) -> Bytes {
    let mut out = begin(request, b"CANCEL");
    push_first(&mut out, request, HeaderName::To);
    if let Some(reason) = reason {
        push_header(&mut out, b"Reason", reason);
    }
    finish(out)
}

/// As [`ack_for`], from the bytes of an INVITE that was sent and the To value of its response.
pub(super) fn ack_for_wire(invite: &Bytes, to: &[u8]) -> Option<Bytes> {
    Some(ack_with_to(&reread(invite)?, Some(to)))
}

/// As [`cancel_for`], from the bytes of an INVITE that was sent.
pub(super) fn cancel_for_wire(invite: &Bytes, reason: Option<&[u8]>) -> Option<Bytes> {
    Some(cancel_for(&reread(invite)?, reason))
}

fn ack_with_to(request: &Request, to: Option<&[u8]>) -> Bytes {
    let mut out = begin(request, b"ACK");
    match to {
        Some(to) => push_header(&mut out, b"To", to),
        None => push_first(&mut out, request, HeaderName::To),
    }
    finish(out)
}

/// What the two have in common with their INVITE: Request-URI, top Via, Route, From, Call-ID and
/// the number of CSeq.
fn begin(request: &Request, method: &[u8]) -> Vec<u8> {
    let headers = &request.headers;
    let mut out = Vec::with_capacity(512);
    for part in [method, b" ", request.uri_bytes(), b" SIP/2.0\r\n"] {
        out.extend_from_slice(part);
    }
    if let Some(via) = headers.list(HeaderName::Via).next() {
        push_header(&mut out, b"Via", via);
    }
    for route in headers.all(HeaderName::Route) {
        push_header(&mut out, b"Route", route);
    }
    push_header(&mut out, b"Max-Forwards", b"70");
    push_first(&mut out, request, HeaderName::From);
    push_first(&mut out, request, HeaderName::CallId);
    if let Some(Ok(cseq)) = headers.first(HeaderName::CSeq).map(CSeq::parse) {
        out.extend_from_slice(b"CSeq: ");
        push_number(&mut out, u64::from(cseq.number));
        for part in [b" ", method, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out
}

fn finish(mut out: Vec<u8>) -> Bytes {
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    Bytes::from(out)
}

fn push_first(out: &mut Vec<u8>, request: &Request, id: HeaderName) {
    if let Some(value) = request.headers.first(id) {
        push_header(out, id.as_str().as_bytes(), value);
    }
}

/// Writes one header line; a value that would break the line is left out.
fn push_header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let value = unfold(value);
    if !value.iter().all(|&byte| is_value_byte(byte)) {
        return;
    }
    for part in [name, b": ", &value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Reads a request of our own again. It was within the limits when it was made.
fn reread(wire: &Bytes) -> Option<Request> {
    let limits = Limits {
        message_bytes: MESSAGE_BYTES_MAX,
        header_section_bytes: MESSAGE_BYTES_MAX,
        header_bytes: MESSAGE_BYTES_MAX,
        headers: MESSAGE_BYTES_MAX,
        via_values: MESSAGE_BYTES_MAX,
        uri_bytes: MESSAGE_BYTES_MAX,
        method_bytes: MESSAGE_BYTES_MAX,
        body_bytes: MESSAGE_BYTES_MAX,
    };
    match parse(wire.clone(), &limits) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}
