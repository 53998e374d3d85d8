//! Ours, and other crates.

use std::hint::black_box;

use bytes::Bytes;

use crate::{Keys, Parser};

pub(crate) const PARSERS: [Parser; 6] = [
    Parser {
        name: "hookswitch",
        version: env!("CARGO_PKG_VERSION"),
        parse: |bytes| ours(bytes).as_ref().is_some_and(seen),
        keys: our_keys,
    },
    Parser {
        name: "hookswitch-checked",
        version: env!("CARGO_PKG_VERSION"),
        parse: |bytes| checked(bytes).as_ref().is_some_and(seen),
        keys: |bytes| checked(bytes).and_then(|_| our_keys(bytes)),
    },
    Parser {
        name: "rsip",
        version: "0.4.0",
        parse: |bytes| rsip(bytes).as_ref().is_some_and(seen),
        keys: rsip_keys,
    },
    Parser {
        name: "rsipstack",
        version: "0.7.14",
        parse: |bytes| rsipstack(bytes).as_ref().is_some_and(seen),
        keys: rsipstack_keys,
    },
    Parser {
        name: "ezk-sip-types",
        version: "0.6.5",
        parse: |bytes| ezk(bytes).as_ref().is_some_and(seen),
        keys: ezk_keys,
    },
    Parser {
        name: "rvoip-sip-core",
        version: "0.4.0",
        parse: |bytes| rvoip(bytes).as_ref().is_some_and(seen),
        keys: rvoip_keys,
    },
];

/// Keeps the compiler from leaving out what nobody reads.
fn seen<T>(message: &T) -> bool {
    black_box(message);
    true
}

/// The buffer is shared as a received one is: the message takes a reference and drops it.
fn ours(bytes: &Bytes) -> Option<sip::Message> {
    sip::parse(bytes.clone(), &sip::Limits::default()).ok()
}

/// With what the proxy reads of every message: Request-URI, every Via, From, To, CSeq, routes.
fn checked(bytes: &Bytes) -> Option<sip::Message> {
    let limits = sip::Limits::default();
    let message = ours(bytes)?;
    let checked = match &message {
        sip::Message::Request(request) => sip::check_request(request, &limits),
        sip::Message::Response(response) => sip::check_response(response, &limits),
    };
    checked.ok().map(|()| message)
}

fn our_keys(bytes: &Bytes) -> Option<Keys> {
    use sip::{CSeq, HeaderName, NameAddr};
    let message = ours(bytes)?;
    let headers = message.headers();
    let from = NameAddr::parse(headers.first(HeaderName::From)?).ok()?;
    let cseq = CSeq::parse(headers.first(HeaderName::CSeq)?).ok()?;
    Some(Keys {
        from_tag: text(from.tag().unwrap_or_default()),
        call_id: text(headers.first(HeaderName::CallId)?),
        cseq: cseq.number,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// nom, a `String` for each value.
fn rsip(bytes: &Bytes) -> Option<rsip::SipMessage> {
    rsip::SipMessage::try_from(&bytes[..]).ok()
}

fn rsip_keys(bytes: &Bytes) -> Option<Keys> {
    use rsip::headers::UntypedHeader;
    use rsip::message::HeadersExt;
    let message = rsip(bytes)?;
    let tag = message.from_header().ok()?.tag().ok()?;
    Some(Keys {
        from_tag: tag.map(|tag| tag.to_string()).unwrap_or_default(),
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: message.cseq_header().ok()?.seq().ok()?,
    })
}

/// Written by hand with memchr, two `String`s for each header.
fn rsipstack(bytes: &Bytes) -> Option<rsipstack::sip::SipMessage> {
    rsipstack::sip::SipMessage::try_from(&bytes[..]).ok()
}

fn rsipstack_keys(bytes: &Bytes) -> Option<Keys> {
    use rsipstack::sip::HeadersExt;
    let message = rsipstack(bytes)?;
    let tag = message.from_header().ok()?.tag().ok()?;
    Some(Keys {
        from_tag: tag.map(|tag| tag.to_string()).unwrap_or_default(),
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: message.cseq_header().ok()?.seq().ok()?,
    })
}

struct Ezk {
    _line: ezk_sip_types::msg::MessageLine,
    headers: ezk_sip_types::Headers,
    _body: Bytes,
}

/// Slices of the source in a map, types on demand.
fn ezk(bytes: &Bytes) -> Option<Ezk> {
    use ezk_sip_types::msg::{Line, MessageLine, PullParser};
    use ezk_sip_types::parse::Parse;
    let mut lines = PullParser::new(bytes, 0);
    let first = std::str::from_utf8(lines.next()?.ok()?).ok()?;
    let (_, line) = MessageLine::parse(bytes)(first).ok()?;
    let mut headers = ezk_sip_types::Headers::new();
    for text in lines.by_ref() {
        let text = std::str::from_utf8(text.ok()?).ok()?;
        let (_, Line { name, value }) = Line::parse(bytes, text).ok()?;
        headers.insert(name, value);
    }
    let body = bytes.slice(lines.head_end()..);
    Some(Ezk {
        _line: line,
        headers,
        _body: body,
    })
}

fn ezk_keys(bytes: &Bytes) -> Option<Keys> {
    use ezk_sip_types::Name;
    use ezk_sip_types::header::typed::{CSeq, CallID, FromTo};
    let message = ezk(bytes)?;
    let from: FromTo = message.headers.get(Name::FROM).ok()?;
    let call_id: CallID = message.headers.get_named().ok()?;
    let cseq: CSeq = message.headers.get_named().ok()?;
    Some(Keys {
        from_tag: from.tag.map(|tag| tag.to_string()).unwrap_or_default(),
        call_id: call_id.0.to_string(),
        cseq: cseq.cseq,
    })
}

/// nom, every header typed at once.
fn rvoip(bytes: &Bytes) -> Option<rvoip_sip_core::Message> {
    rvoip_sip_core::parse_message(bytes).ok()
}

fn rvoip_keys(bytes: &Bytes) -> Option<Keys> {
    use rvoip_sip_core::Message;
    let message = rvoip(bytes)?;
    let cseq = match &message {
        Message::Request(request) => request.cseq()?.sequence(),
        Message::Response(response) => response.cseq()?.sequence(),
    };
    Some(Keys {
        from_tag: message.from()?.tag().unwrap_or_default().to_owned(),
        call_id: message.call_id()?.as_str().to_owned(),
        cseq,
    })
}
