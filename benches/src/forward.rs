//! What a proxy does to every message that it forwards.

use sip::{EditError, HeaderName, Limits, Message, Request, Response};

use crate::corpus;

/// Via, Record-Route and Max-Forwards, and three X- rules: one header goes, two come.
///
/// # Errors
///
/// None on the corpus.
pub fn forward(request: &mut Request) -> Result<(), EditError> {
    let headers = &mut request.headers;
    headers.prepend(
        b"Record-Route",
        b"<sip:203.0.113.7;lr;t=q1JKLC4pKk1OtUpLTEvMTVWyUjI0MjYxNTO3sFSqBQA>",
    )?;
    headers.prepend(
        b"Via",
        b"SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK0f1e2d3c4b5a69788796a5b4;rport",
    )?;
    headers.set(b"Max-Forwards", b"65")?;
    headers.remove(b"X-Carrier-Trunk");
    headers.append(b"X-Trunk", b"carrier-a")?;
    headers.append(b"X-Tenant", b"acme-0017")
}

/// The topmost Via goes, and three X- rules as for requests.
///
/// # Errors
///
/// None on the corpus.
pub fn forward_response(response: &mut Response) -> Result<(), EditError> {
    let headers = &mut response.headers;
    headers.pop_first(HeaderName::Via)?;
    headers.remove(b"X-Carrier-Trunk");
    headers.append(b"X-Trunk", b"carrier-a")?;
    headers.append(b"X-Tenant", b"acme-0017")
}

/// Either, by what the message is.
///
/// # Errors
///
/// As above.
pub fn forward_message(message: &mut Message) -> Result<(), EditError> {
    match message {
        Message::Request(request) => forward(request),
        Message::Response(response) => forward_response(response),
    }
}

/// Brings this thread to where it is after its first messages, whose storage it uses again: two at
/// a time, both with edits.
///
/// # Panics
///
/// Where the corpus cannot be parsed.
pub fn warm_up() {
    for bytes in [corpus::invite_identity(), corpus::INVITE_1059.to_vec()] {
        let mut first = sip::parse(bytes.into(), &Limits::default()).expect("the corpus is valid");
        forward_message(&mut first).expect("the corpus can be forwarded");
        let second = first.clone();
        drop((first, second));
    }
}
