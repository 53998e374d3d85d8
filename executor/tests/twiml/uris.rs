//! The URI of a `<Sip>`, with the header fields that it carries.

use executor::twiml::sip_uri::{SipUri, SipUriError};

#[test]
fn acceptance_21_sip_uri_headers_are_decoded_once() {
    let uri = SipUri::parse(" sip:bob@example.com?X-A=a%3D1%3Bb%2C%3Cc%3E&x-b=1+2%2520&User-To-User=04%3Bencoding%3Dhex&Remote-Party-ID=%3Csip:x%40y%3E&X-A=again ").unwrap();
    let headers: Vec<_> = uri
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(
        headers,
        [
            "X-A: a=1;b,<c>",
            "x-b: 1+2%20",
            "User-To-User: 04;encoding=hex",
            "Remote-Party-ID: <sip:x@y>",
            "X-A: again",
        ]
    );
    assert_eq!(uri.refused, []);
}

#[test]
fn acceptance_22_other_headers_are_refused() {
    for (pair, code) in [
        ("Diversion=x", 13252),
        ("P-Asserted-Identity=x", 13252),
        ("From=x", 13252),
        ("Route=x", 13252),
        ("body=x", 13252),
        ("x-foo%3Dbar", 13252),
        ("x-foo", 13252),
        ("X-=x", 13252),
        ("X-a%20b=x", 13252),
        ("X-a%0d%0aVia=x", 13252),
        ("x-hookswitch-trunk=a", 13252),
        ("X-Hookswitch-Call-Sid=a", 13252),
        ("X-%48ookswitch-Call-Sid=a", 13252),
        ("X-a=b%0d%0aEvil:1", 13253),
        ("X-a=%00", 13253),
        ("X-a=%7f", 13253),
        ("X-a=%zz", 13253),
        ("X-a=%ff", 13253),
        ("X-a=%4", 13253),
    ] {
        let uri = SipUri::parse(&format!("sip:a@b.test?{pair}&X-ok=1")).unwrap();
        assert_eq!(uri.headers, [("X-ok".to_owned(), "1".to_owned())], "{pair}");
        assert_eq!(uri.refused.len(), 1, "{pair}");
        assert_eq!(uri.refused[0].code.number(), code, "{pair}");
    }
}

#[test]
fn acceptance_23_the_header_part_ends_before_1024() {
    let uri = |bytes: usize| format!("sip:a@b.test?X-a={}", "x".repeat(bytes - 4));
    assert!(SipUri::parse(&uri(1023)).is_ok());
    assert_eq!(SipUri::parse(&uri(1024)), Err(SipUriError::HeadersLong));
    assert_eq!(SipUriError::HeadersLong.code().number(), 21227);
    let address = |bytes: usize| format!("sip:{}@b.test", "a".repeat(bytes - 11));
    assert!(SipUri::parse(&address(254)).is_ok());
    assert_eq!(SipUri::parse(&address(255)), Err(SipUriError::AddressLong));
}

#[test]
fn addresses_are_cleaned_or_refused() {
    for (text, address) in [
        ("kate@example.com", "sip:kate@example.com"),
        (
            "\n SIP:kate@example.com:5080 \n",
            "sip:kate@example.com:5080",
        ),
        (
            "sips:kate@example.com;transport=udp",
            "sip:kate@example.com;transport=tls",
        ),
        (
            "sip:a@b.test;transport=TCP;region=ie1;edge=dublin;user=phone",
            "sip:a@b.test;transport=tcp;user=phone",
        ),
        ("sip:a@b.test;maddr=10.0.0.1;lr;ttl=1", "sip:a@b.test"),
        (
            "sip:+1%20555@[2001:db8::1]:5060",
            "sip:+1%20555@[2001:db8::1]:5060",
        ),
        ("sip:u:p@b.test", "sip:u:p@b.test"),
        ("b.test", "sip:b.test"),
    ] {
        assert_eq!(
            SipUri::parse(text).map(|uri| uri.address),
            Ok(address.to_owned()),
            "{text}"
        );
    }
    for text in [
        "",
        "sip:",
        "sip:@b.test",
        "sip:a@",
        "sip:a@b c",
        "sip:a@b:0",
        "sip:a@b:99999",
        "sip:a@[::1",
        "sip:a@b..c",
        "tel:+1555",
        "http://b.test/",
        "sip:a%0d@b.test",
        "sip:a@b.test;transport=ws",
        "sip:a@b\r\nVia: x",
        "sip:a\"@b",
        "sip:ä@b.test",
        "sip:a@b.test:",
        "sip:a@b.test;x=%0a",
        "sip:a@[::1]x",
    ] {
        assert!(SipUri::parse(text).is_err(), "{text:?}");
    }
}
