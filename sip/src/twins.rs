//! What the quick readers take, the grammar takes too, and reads it alike.

use bytes::Bytes;
use proptest::prelude::*;

use crate::check::{are_plain, read_request, read_response};
use crate::headers::Rows;
use crate::host::host_ip;
use crate::list::elements;
use crate::params::{any_param, plain_param};
use crate::parse::{quick_section, read_section, read_start_line};
use crate::transaction::plain_branch;
use crate::{
    CSeq, HeaderName, Limits, Message, NameAddr, Params, Uri, Via, check_request, check_response,
    parse,
};

const VIAS: &[&str] = &[
    "SIP/2.0/UDP 198.51.100.17:5060;branch=z9hG4bK7a91c0de4f;rport",
    "SIP/2.0/TCP host-1.example_x ; branch=z9hG4bK;alias;ttl=1",
    "SIP / 2.0 / TLS [2001:db8::9]:5061;received=[2001:db8::1];rport=1",
    "SIP/2.0/UDP a,SIP/2.0/UDP b;branch=\"q,;\"",
    "SIP/2.0/UDP 203.0.113.7:5060;x=<;branch=a>;Branch=b;rport=5060;branch=c",
];

const ADDRESSES: &[&str] = &[
    "\"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17;user=phone>;tag=9c41d07e",
    "<sips:h:5061;lr;t=Zm9v>",
    "A. Bell <sip:a@b>;q=\"a;b\";x=<y>;z",
    "sip:a@b;tag=1",
    "\"\\\"x\\\\\" <sip:a@b?c=d>, <tel:+1-2>",
];

const URIS: &[&str] = &[
    "sip:+14155550123@edge.hookswitch.example:5060;user=phone",
    "sips:al%20ice:pw@[2001:db8::1]:5061;transport=tcp;lr?a=b",
    "sip:h;maddr=1.2.3.4;x==",
    "sip:a;b?c@h:1",
    "tel:+1-201;phone-context=x",
];

const CSEQS: &[&str] = &["20417 INVITE", "1  ACK", "4294967296 BYE", "007 a-b"];

/// Bytes at which a reader decides something.
const TURNS: &[u8] = b" \t\r\n\0\x7f\x80\"\\<>()[]{}@,;:=?/%&+-._~!'*`a0zZ9";

/// One of `samples`, with some bytes changed, gone or added.
fn near(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        0..3u8,
        prop::sample::select(TURNS),
    );
    let changes = prop::collection::vec(change, 0..4);
    (prop::sample::select(samples), changes).prop_map(|(sample, changes)| {
        let mut text = sample.as_bytes().to_vec();
        for (at, kind, byte) in changes {
            let at = at.index(text.len() + 1);
            match kind {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        text
    })
}

const LINES: &[&str] = &[
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
    "v:x",
    "X-Foo: a b ",
    "X-Foo:  \t a:b",
    "Content-Length: 3",
    "l:0",
    "Content-Length : 3",
    "Content-Length: 03",
    "Bad Name: 1",
    "NoColon",
    ": empty",
    "Subject:",
    "Subject: ",
    " folded: x",
    "\tfolded",
    "X: \u{1}",
    "X: bare\rCR",
    "X: bare\nLF",
    "P-Asserted-Identity: <sip:a@b>",
    "X-A-Name-That-Is-Longer-Than-One-Block-Of-Sixty-Four-Bytes-With-All-That: 1",
    "",
];

/// Messages of such lines, mostly good ones, and some cut off.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(&["INVITE sip:a@b SIP/2.0", "SIP/2.0 200 OK", "x"][..]);
    let line = prop_oneof![
        30 => prop::sample::select(&LINES[..4]),
        1 => prop::sample::select(LINES),
    ];
    let lines = prop::collection::vec(line, 0..90);
    let cut = prop::option::weighted(0.1, any::<prop::sample::Index>());
    (first, lines, ".{0,80}", cut).prop_map(|(first, lines, body, cut)| {
        let mut text = format!("{first}\r\n{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes();
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        text
    })
}

/// Whether `value` is one element of a list, as it stands.
fn is_one(value: &[u8]) -> bool {
    elements(value).eq([value])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn via(value in near(VIAS)) {
        if let Some(via) = Via::plain(&value) {
            prop_assert_eq!(Via::read(&value), Ok(via));
            prop_assert!(is_one(&value));
        }
    }

    #[test]
    fn address(host in "([0-9]{0,4}|25[0-9]|1[0-9]{2})([.]([0-9]{0,4}|25[0-9]|1[0-9]{2})){2,4}[.a]?") {
        let read: Option<std::net::IpAddr> = host.parse().ok();
        prop_assert_eq!(host_ip(host.as_bytes()), read, "{}", host);
    }

    #[test]
    fn every_address(octets in any::<[u8; 4]>()) {
        let ip = std::net::Ipv4Addr::from(octets);
        prop_assert_eq!(host_ip(ip.to_string().as_bytes()), Some(ip.into()));
    }

    #[test]
    fn branch(value in near(VIAS)) {
        let read = elements(&value).next().and_then(|first| Via::read(first).ok());
        if let (Some(via), Some(branch)) = (read, plain_branch(&value)) {
            prop_assert_eq!(via.branch(), Some(branch));
        }
    }

    #[test]
    fn name_addr(value in near(ADDRESSES)) {
        if let Some(found) = NameAddr::plain(&value) {
            prop_assert_eq!(NameAddr::read(&value), Ok(found));
            prop_assert!(is_one(&value));
        }
    }

    #[test]
    fn uri(value in near(URIS)) {
        if let Some(found) = Uri::plain(&value) {
            prop_assert_eq!(Uri::read(&value), Ok(found));
        }
    }

    #[test]
    fn cseq(value in near(CSEQS)) {
        if let Some(found) = CSeq::plain(&value) {
            prop_assert_eq!(CSeq::read(&value), Ok(found));
        }
    }

    #[test]
    fn params(value in prop_oneof![near(VIAS), near(ADDRESSES)]) {
        let text = value.splitn(2, |&byte| byte == b';').nth(1);
        if let Some(text) = text
            && let Some(found) = plain_param(text)
        {
            prop_assert_eq!(any_param(text), found);
        }
        let params = Params::new(text);
        if params.are_plain() {
            prop_assert_eq!(params.check_each(), Ok(()));
        }
    }

    #[test]
    fn section(bytes in message(), from in 0usize..3) {
        let limits = Limits::default();
        let from = from.min(bytes.len());
        let (mut quick, mut strict) = (Rows::none(), Rows::none());
        let found = quick_section(&bytes, from, &limits, &mut quick);
        prop_assert!(found.is_some() || quick.is_empty());
        if let Some(found) = found {
            match read_section(&bytes, from, &limits, &mut strict) {
                Ok(section) => prop_assert_eq!(&found, &section),
                // The start line is read behind a quick section, and within the other.
                Err(error) => {
                    let line = read_start_line(&bytes, found.first, &limits);
                    prop_assert_eq!(line.err(), Some(error));
                    return Ok(());
                }
            }
            prop_assert_eq!(&*quick, &*strict);
        }
    }

    #[test]
    fn request(
        uri in near(URIS),
        via in prop::collection::vec(near(VIAS), 0..3),
        [from, to] in [near(ADDRESSES), near(ADDRESSES)],
        routes in prop::collection::vec(near(ADDRESSES), 0..3),
        cseq in near(CSEQS),
        forwards in near(&["70", "0"]),
        twice in prop::option::weighted(0.1, prop::sample::select(HeaderName::ALL)),
    ) {
        let mut text = b"Call-ID: a@b\r\nSupported: x\r\n".to_vec();
        let mut add = |name: &str, value: &[u8]| {
            text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        via.iter().for_each(|value| add("Via", value));
        routes.iter().for_each(|value| add("Route", value));
        add("From", &from);
        add("To", &to);
        add("CSeq", &cseq);
        add("Max-Forwards", &forwards);
        if let Some(name) = twice {
            add(name.as_str(), b"1");
        }
        text.extend_from_slice(b"\r\n");
        let limits = Limits { via_values: 2, ..Limits::default() };
        let request = [b"INVITE ", &uri[..], b" SIP/2.0\r\n", &text].concat();
        if let Ok(Message::Request(request)) = parse(Bytes::from(request), &limits) {
            let verdict = read_request(&request, &limits);
            prop_assert_eq!(check_request(&request, &limits), verdict);
        }
        let response = [b"SIP/2.0 200 OK\r\n", &text[..]].concat();
        if let Ok(Message::Response(response)) = parse(Bytes::from(response), &limits) {
            let verdict = read_response(&response, &limits);
            prop_assert_eq!(check_response(&response, &limits), verdict);
        }
    }
}

/// The quick readers are for what is common: here they must not pass.
#[test]
fn common_shapes_are_taken() {
    let message = format!(
        "OPTIONS sip:a@b SIP/2.0\r\n{}\r\n",
        "Via: x\r\nX-A: y\r\n".repeat(39)
    );
    let limits = Limits::default();
    let mut rows = Rows::none();
    assert!(quick_section(message.as_bytes(), 0, &limits, &mut rows).is_some());
    assert_eq!(rows.len(), 78);
    assert!(Via::plain(VIAS[0].as_bytes()).is_some());
    assert_eq!(
        plain_branch(VIAS[0].as_bytes()),
        Some(&b"z9hG4bK7a91c0de4f"[..])
    );
    assert!(NameAddr::plain(ADDRESSES[0].as_bytes()).is_some());
    assert!(NameAddr::plain(ADDRESSES[1].as_bytes()).is_some());
    assert!(NameAddr::plain(b"Bell <sip:a@b>;tag=1").is_some());
    assert!(Uri::plain(URIS[0].as_bytes()).is_some());
    assert!(CSeq::plain(CSEQS[0].as_bytes()).is_some());
    let request = concat!(
        "BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\n",
        "Route: <sip:a;lr>, <sip:b:5060;lr;t=1>\r\nf: <sip:a@b>;tag=1\r\nt: Bob <sip:b@c>\r\n",
        "i: 1\r\nCSeq: 2 BYE\r\nMax-Forwards: 70\r\n\r\n",
    );
    let Ok(Message::Request(request)) = parse(request.into(), &limits) else {
        panic!("a request");
    };
    assert!(are_plain(&request.headers, Some(b"BYE"), &limits));
}
