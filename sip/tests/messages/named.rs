//! The traits that bite, each with its own assertion, on our message and on the RFC's.

use bytes::Bytes;
use sip::{Fault, HeaderName, Limits, NameAddr, ParseError, Reply, Uri, Via};

use crate::support::{Stream, parse, request, response};
use crate::{own, rfc4475};

/// Both messages with a trait.
fn both(own: &str, rfc: &str) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(own::read(own)).chain(rfc4475::read(rfc))
}

fn fault(bytes: &[u8]) -> Option<Fault> {
    sip::check_request(&request(bytes), &Limits::default()).err()
}

fn unchanged(bytes: &[u8]) {
    assert_eq!(&parse(bytes).unwrap().to_bytes()[..], bytes);
}

#[test]
fn bare_cookie_is_no_transaction_id() {
    for bytes in both("bare_cookie.sip", "badbranch.dat") {
        let request = request(&bytes);
        let via = request.headers.first(HeaderName::Via).unwrap();
        assert_eq!(Via::parse(via).unwrap().branch(), Some(&b"z9hG4bK"[..]));
        // RFC 2543 matching, by more than the branch that all such requests share.
        assert!(sip::ServerKey::of(&request).unwrap().legacy.is_some());
    }
}

#[test]
fn second_request_in_a_datagram_is_cut_off() {
    for bytes in both("two_requests.sip", "dblreq.dat") {
        let first = request(&bytes);
        assert_eq!(first.method_bytes(), b"REGISTER");
        assert_eq!(first.headers.body(), b"");
        let sent = first.to_bytes();
        assert!(bytes.starts_with(&sent) && sent.len() < bytes.len());
        assert!(memchr::memmem::find(&sent, b"INVITE").is_none());
    }
}

#[test]
fn second_request_on_a_stream_is_a_message() {
    let stream = Stream::of(&own::read("two_requests.sip"));
    let methods: Vec<Vec<u8>> = stream
        .messages()
        .map(|bytes| request(bytes).method_bytes().to_vec())
        .collect();
    assert_eq!(methods, [b"REGISTER".to_vec(), b"INVITE".to_vec()]);
}

#[test]
fn length_beyond_the_datagram_is_refused() {
    for bytes in both("length_too_large.sip", "clerr.dat") {
        assert_eq!(parse(&bytes).unwrap_err(), ParseError::Truncated);
        assert_eq!(ParseError::Truncated.status().0, 400);
        assert_eq!(Stream::of(&bytes).messages().count(), 0);
    }
}

#[test]
fn negative_length_is_refused() {
    for bytes in both("length_negative.sip", "ncl.dat") {
        assert_eq!(parse(&bytes).unwrap_err(), ParseError::ContentLength);
        assert_eq!(Stream::of(&bytes).error, Some(ParseError::ContentLength));
    }
}

#[test]
fn two_lengths_are_refused() {
    for bytes in both("doubled_length.sip", "mcl01.dat") {
        assert_eq!(parse(&bytes).unwrap_err(), ParseError::ContentLength);
        assert_eq!(Stream::of(&bytes).error, Some(ParseError::ContentLength));
    }
}

#[test]
fn cseq_over_32_bits_is_refused() {
    for bytes in both("cseq_too_large.sip", "scalar02.dat") {
        assert_eq!(fault(&bytes), Some(Fault::Malformed(HeaderName::CSeq)));
    }
}

#[test]
fn response_with_cseq_over_32_bits_is_dropped() {
    for bytes in both("response_cseq_too_large.sip", "scalarlg.dat") {
        let fault = sip::check_response(&response(&bytes), &Limits::default());
        assert_eq!(fault, Err(Fault::Malformed(HeaderName::CSeq)));
    }
}

#[test]
fn status_over_three_digits_is_dropped() {
    for bytes in both("huge_status.sip", "bigcode.dat") {
        assert_eq!(parse(&bytes).unwrap_err(), ParseError::StatusCode);
        assert!(sip::salvage(Bytes::from(bytes), &Limits::default()).is_none());
    }
}

#[test]
fn missing_headers_are_answered_with_what_is_there() {
    for bytes in both("missing_headers.sip", "insuf.dat") {
        let request = request(&bytes);
        let fault = sip::check_request(&request, &Limits::default()).unwrap_err();
        assert!(matches!(fault, Fault::Missing(_)), "{fault:?}");
        let reply = Reply::new(&request, 400, "Bad Request")
            .to_tag(b"t")
            .build();
        assert_eq!(reply.headers.first(HeaderName::To), None);
        assert_eq!(reply.headers.first(HeaderName::From), None);
        assert_eq!(reply.headers.first(HeaderName::CallId), None);
        assert!(reply.headers.first(HeaderName::Via).is_some());
    }
}

#[test]
fn doubled_headers_are_refused_and_answered_once_each() {
    for bytes in both("doubled_headers.sip", "multi01.dat") {
        assert!(matches!(fault(&bytes), Some(Fault::Duplicate(_))));
        let reply = Reply::new(&request(&bytes), 400, "Bad Request").build();
        for id in [
            HeaderName::To,
            HeaderName::From,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            assert_eq!(reply.headers.all(id).count(), 1);
        }
    }
}

#[test]
fn unknown_headers_and_folds_are_sent_as_they_came() {
    for bytes in both("odd_spacing.sip", "wsinv.dat") {
        let odd = request(&bytes);
        assert_eq!(odd.headers.list(HeaderName::Via).count(), 3);
        assert!(
            odd.headers
                .first(HeaderName::Subject)
                .is_some_and(<[u8]>::is_empty)
        );
        unchanged(&bytes);
    }
    for file in [
        "wild_tokens.sip",
        "binary_body.sip",
        "escapes.sip",
        "semicolon_user.sip",
    ] {
        unchanged(&own::read(file));
    }
    for file in [
        "intmeth.dat",
        "mpart01.dat",
        "esc01.dat",
        "semiuri.dat",
        "unreason.dat",
    ] {
        if let Some(bytes) = rfc4475::read(file) {
            unchanged(&bytes);
        }
    }
}

#[test]
fn control_bytes_in_quoted_pairs_survive_in_an_answer() {
    for bytes in both("wild_tokens.sip", "intmeth.dat") {
        let request = request(&bytes);
        let received = request.headers.first(HeaderName::To).unwrap();
        let reply = Reply::new(&request, 404, "Not Found").to_tag(b"t1").build();
        let again = response(&reply.to_bytes());
        let to = again.headers.first(HeaderName::To).unwrap();
        assert_eq!(to.strip_suffix(b";tag=t1"), Some(received));
    }
}

#[test]
fn escapes_are_decoded_once_and_not_in_names() {
    for bytes in both("escaped_method.sip", "esc02.dat") {
        let request = request(&bytes);
        assert_eq!(request.method(), sip::Method::Other);
        let escaped = request.headers.named(b"C%6Fntact").next().unwrap();
        assert!(
            request
                .headers
                .all(HeaderName::Contact)
                .all(|value| value != escaped)
        );
    }
    for bytes in both("semicolon_user.sip", "semiuri.dat") {
        let request = request(&bytes);
        let uri = request.uri().unwrap();
        assert_eq!(uri.host, b"example.com");
        assert!(uri.user_decoded().contains(&b'@') && uri.user_decoded().contains(&b';'));
    }
    for bytes in both("escaped_nul.sip", "escnull.dat") {
        let request = request(&bytes);
        let to = NameAddr::parse(request.headers.first(HeaderName::To).unwrap()).unwrap();
        assert!(to.uri().unwrap().user_decoded().contains(&0));
        let contacts: Vec<Uri<'_>> = request
            .headers
            .list(HeaderName::Contact)
            .map(|value| Uri::parse(NameAddr::parse(value).unwrap().uri).unwrap())
            .collect();
        assert!(!contacts[0].equivalent(&contacts[1]));
    }
}

#[test]
fn headers_inside_uris_stay_there() {
    for bytes in both("uri_headers.sip", "escruri.dat") {
        let request = request(&bytes);
        assert_eq!(request.headers.first(HeaderName::Route), None);
        let uri = request.uri().unwrap();
        assert!(uri.headers.is_some() && !uri.without_headers().contains(&b'?'));
    }
    for bytes in both("contact_uri_header.sip", "regescrt.dat") {
        assert_eq!(request(&bytes).headers.first(HeaderName::Route), None);
    }
}

#[test]
fn brackets_decide_whose_a_parameter_is() {
    for bytes in both("contact_param.sip", "cparam01.dat") {
        let request = request(&bytes);
        let contact = NameAddr::parse(request.headers.first(HeaderName::Contact).unwrap()).unwrap();
        assert!(!contact.params.is_empty() && contact.uri().unwrap().params.is_empty());
    }
    for bytes in both("contact_uri_param.sip", "cparam02.dat") {
        let request = request(&bytes);
        let contact = NameAddr::parse(request.headers.first(HeaderName::Contact).unwrap()).unwrap();
        assert!(contact.params.is_empty() && !contact.uri().unwrap().params.is_empty());
    }
}

#[test]
fn datagram_without_length_gets_one_for_a_stream() {
    for bytes in both("old_invite.sip", "inv2543.dat") {
        let mut request = request(&bytes);
        assert!(!request.headers.body().is_empty());
        assert_eq!(Stream::of(&bytes).error, Some(ParseError::ContentLength));
        request.headers.ensure_content_length().unwrap();
        let sent = request.to_bytes();
        assert_eq!(Stream::read([&sent[..]]).messages().next(), Some(&sent));
        request.headers.ensure_content_length().unwrap();
        assert_eq!(request.headers.all(HeaderName::ContentLength).count(), 1);
    }
}

#[test]
fn ipv6_ports_and_addresses() {
    let host_port = |file: &str| {
        let request = request(&own::read(file));
        let uri = request.uri().unwrap();
        (uri.ip().unwrap().to_string(), uri.port)
    };
    assert_eq!(
        host_port("ipv6_port_inside.sip"),
        ("2001:db8::10:5070".into(), None)
    );
    assert_eq!(
        host_port("ipv6_port_outside.sip"),
        ("2001:db8::10".into(), Some(5070))
    );
    assert_eq!(host_port("ipv6_three_colons.sip").0, "2001:db8::c000:201");
    for file in ["ipv6_received_bare.sip", "ipv6_received_brackets.sip"] {
        let request = request(&own::read(file));
        let via = Via::parse(request.headers.first(HeaderName::Via).unwrap()).unwrap();
        assert_eq!(via.received().unwrap().to_string(), "2001:db8::9:255");
    }
}
