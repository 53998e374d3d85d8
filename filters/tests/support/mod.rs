//! What the tests of this crate share.

#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.
#![allow(clippy::unwrap_used)]

pub mod events;
pub mod fixture;

use std::sync::Arc;

use bytes::Bytes;
use filters::{Context, Source, Trust};
use sip::{Limits, Message, Method, Request, Response, Transport};

/// A source on the test network.
pub fn source(trust: Trust) -> Source {
    Source {
        address: "192.0.2.9:5060".parse().unwrap(),
        local: "192.0.2.1:5060".parse().unwrap(),
        transport: Transport::Udp,
        listener: Arc::from("public"),
        trust,
    }
}

/// The context of an INVITE from a source with `trust`.
pub fn context(trust: Trust) -> Context {
    Context::new(source(trust), Method::Invite, false)
}

/// Reads a request.
pub fn request(bytes: impl Into<Bytes>) -> Request {
    match sip::parse(bytes.into(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

/// Reads a response.
pub fn response(bytes: impl Into<Bytes>) -> Response {
    match sip::parse(bytes.into(), &Limits::default()) {
        Ok(Message::Response(response)) => response,
        other => panic!("not a response: {other:?}"),
    }
}

/// What is forwarded must read as what the filters saw.
pub fn assert_reads_back(message: &Message) {
    let wire = message.to_bytes();
    let again = sip::parse(wire.clone(), &Limits::default());
    let again = again.unwrap_or_else(|error| panic!("{error:?}: {:?}", filters::escape(&wire)));
    let rows = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let headers = message.headers().iter();
        headers
            .map(|h| (h.name.to_vec(), h.value.to_vec()))
            .collect()
    };
    assert_eq!(rows(message), rows(&again));
    match (message, &again) {
        (Message::Request(a), Message::Request(b)) => {
            assert_eq!(a.method_bytes(), b.method_bytes());
            assert_eq!(a.uri_bytes(), b.uri_bytes());
        }
        (Message::Response(a), Message::Response(b)) => assert_eq!(a.status(), b.status()),
        _ => panic!("a request became a response"),
    }
    assert_eq!(message.headers().body(), again.headers().body());
}
