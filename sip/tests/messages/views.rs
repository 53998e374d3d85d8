//! The typed views on the corpus, and the sizes that the design counts on.

use sip::{CSeq, HeaderName, Headers, Message, Method, NameAddr, Transport, Via};

use crate::corpus;
use crate::support::{parse, request, response};

#[test]
fn corpus_is_valid() {
    let large = corpus::invite_identity();
    let samples = corpus::SAMPLES.iter().map(|sample| sample.bytes);
    for bytes in samples.chain([&*large]) {
        let limits = sip::Limits::default();
        let message = parse(bytes).unwrap();
        match &message {
            Message::Request(request) => sip::check_request(request, &limits).unwrap(),
            Message::Response(response) => sip::check_response(response, &limits).unwrap(),
        }
        assert_eq!(&message.to_bytes()[..], bytes);
    }
}

#[test]
fn carrier_invite_is_read() {
    let invite = request(corpus::INVITE_1K);
    assert_eq!(invite.method(), Method::Invite);
    assert_eq!(invite.headers.len(), 16);
    let uri = invite.uri().unwrap();
    assert_eq!(uri.user, Some(&b"+14155550123"[..]));
    assert_eq!(
        (uri.host, uri.port),
        (&b"edge.hookswitch.example"[..], Some(5060))
    );
    let via = Via::parse(invite.headers.first(HeaderName::Via).unwrap()).unwrap();
    assert_eq!(Transport::of(via.transport), Some(Transport::Udp));
    assert_eq!(
        (via.sent_by, via.rport()),
        (&b"198.51.100.17:5060"[..], Some(None))
    );
    let from = NameAddr::parse(invite.headers.first(HeaderName::From).unwrap()).unwrap();
    assert_eq!(from.display, Some(&b"\"WIRELESS CALLER\""[..]));
    assert_eq!(from.tag(), Some(&b"9c41d07e"[..]));
    let cseq = CSeq::parse(invite.headers.first(HeaderName::CSeq).unwrap()).unwrap();
    assert_eq!((cseq.number, cseq.method_id()), (20417, Method::Invite));
    assert_eq!(invite.headers.list(HeaderName::Allow).count(), 8);
    assert_eq!(
        invite.headers.named(b"x-carrier-trunk").next(),
        Some(&b"nyc-04/17"[..])
    );
    assert!(invite.headers.body().starts_with(b"v=0\r\n"));
}

#[test]
fn compact_names_are_the_long_ones() {
    let bye = request(corpus::BYE);
    for id in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        assert!(bye.headers.first(id).is_some(), "{id:?}");
    }
    assert_eq!(bye.headers.named(b"Via").count(), 1);
    assert_eq!(bye.headers.list(HeaderName::Route).count(), 2);
}

#[test]
fn response_loses_its_first_via() {
    let mut ok = response(corpus::OK_RECORD_ROUTES);
    assert_eq!(ok.headers.list(HeaderName::RecordRoute).count(), 3);
    assert!(ok.headers.pop_first(HeaderName::Via).unwrap());
    let via = Via::parse(ok.headers.first(HeaderName::Via).unwrap()).unwrap();
    assert_eq!(via.transport, b"TCP");
    ok.set_status(183, b"Session Progress").unwrap();
    assert!(ok.is_provisional());
    let again = response(&ok.to_bytes());
    assert_eq!(
        (again.status(), again.reason()),
        (183, &b"Session Progress"[..])
    );
    assert_eq!(again.headers.body(), ok.headers.body());
}

#[test]
fn status_line_without_the_last_space_is_sent_with_it() {
    let bytes = b"SIP/2.0 200\r\nX-A: 1\r\n\r\n";
    assert_eq!(
        &response(bytes).to_bytes()[..],
        b"SIP/2.0 200 \r\nX-A: 1\r\n\r\n"
    );
}

#[test]
fn first_element_goes_and_folds_with_it() {
    for (values, rest) in [
        (&["a"][..], &[][..]),
        (&["a, b"], &["b"]),
        (&["a,\r\n b,\r\n\tc"], &["b, c"]),
        (&["\"x, y\" <sip:a,b@c>;q=\"1,2\", <sip:d>"], &["<sip:d>"]),
        (&[",a,, b"], &["b"]),
        (&["a", "b"], &["b"]),
        (&[", ,", "a, b"], &["b"]),
    ] {
        let rows: String = values
            .iter()
            .map(|value| format!("Route: {value}\r\n"))
            .collect();
        let text = format!("ACK sip:a@b SIP/2.0\r\n{rows}X-A: 1\r\n\r\n");
        let mut ack = request(text.as_bytes());
        assert!(ack.headers.pop_first(HeaderName::Route).unwrap());
        let left: Vec<&[u8]> = ack.headers.all(HeaderName::Route).collect();
        let rest: Vec<&[u8]> = rest.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(left, rest, "{values:?}");
        assert_eq!(ack.headers.named(b"X-A").count(), 1);
    }
    let mut none = request(b"ACK sip:a@b SIP/2.0\r\nX-A: 1\r\n\r\n");
    assert!(!none.headers.pop_first(HeaderName::Route).unwrap());
}

#[test]
fn first_element_is_replaced_alone() {
    for (value, changed) in [
        ("a", "new"),
        ("a, b", "new, b"),
        ("a,\r\n b", "new, b"),
        ("\"x, y\" <sip:a>, <sip:b>", "new, <sip:b>"),
        (",,a, b", "new, b"),
    ] {
        let text = format!("ACK sip:a@b SIP/2.0\r\nv: {value}\r\n\r\n");
        let mut ack = request(text.as_bytes());
        ack.headers.replace_first(HeaderName::Via, b"new").unwrap();
        let expected = format!("ACK sip:a@b SIP/2.0\r\nv: {changed}\r\n\r\n");
        assert_eq!(&ack.to_bytes()[..], expected.as_bytes());
    }
}

/// Messages are moved and cloned by value: what they weigh is part of the design.
#[test]
fn sizes() {
    let (headers, message) = (size_of::<Headers>(), size_of::<Message>());
    println!("Headers: {headers} bytes, Message: {message} bytes");
    assert!(headers <= 1152, "{headers}");
    assert!(message <= 1216, "{message}");
    assert!(size_of::<sip::ParseError>() == 1 && size_of::<sip::Fault>() <= 2);
}
