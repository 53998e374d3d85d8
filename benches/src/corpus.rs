//! SIP messages of our own making, shaped like the ones that carriers, PBXs and phones send.
//!
//! Benches measure them and tests start from them, so that a number and a property speak about the
//! same bytes. This file stands alone: tests of other crates include it by its path.

/// One message with the name that its bench has.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The last part of the bench id.
    pub name: &'static str,
    /// The message as it comes off the wire.
    pub bytes: &'static [u8],
}

/// Every message but the large one, which [`invite_identity`] writes.
pub const SAMPLES: [Sample; 7] = [
    Sample {
        name: "invite_1059",
        bytes: INVITE_1059,
    },
    Sample {
        name: "invite_1k",
        bytes: INVITE_1K,
    },
    Sample {
        name: "invite_sdp",
        bytes: INVITE_SDP,
    },
    Sample {
        name: "options_min",
        bytes: OPTIONS_MIN,
    },
    Sample {
        name: "ok_record_routes",
        bytes: OK_RECORD_ROUTES,
    },
    Sample {
        name: "bye",
        bytes: BYE,
    },
    Sample {
        name: "register_digest",
        bytes: REGISTER_DIGEST,
    },
];

/// The INVITE that goals are stated for: 16 headers, two of them Via, and SDP in exactly 1,059 bytes.
pub const INVITE_1059: &[u8] = concat!(
    "INVITE sip:+14155550123@edge.hookswitch.example:5060;transport=udp SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 198.51.100.17:5060;branch=z9hG4bK7a91c0de52;rport\r\n",
    "Via: SIP/2.0/TCP 192.0.2.33:5061;branch=z9hG4bK5d20b6;received=192.0.2.34\r\n",
    "Max-Forwards: 66\r\n",
    "Record-Route: <sip:198.51.100.17;lr;transport=tcp>\r\n",
    "From: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17;user=phone>;tag=9c41d07e\r\n",
    "To: <sip:+14155550123@edge.hookswitch.example;user=phone>\r\n",
    "Call-ID: 81f3c2a87be04d19@198.51.100.17\r\n",
    "CSeq: 20417 INVITE\r\n",
    "Contact: <sip:+12125550188@198.51.100.17:5060;transport=udp>\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS, REFER\r\n",
    "Supported: replaces, 100rel, timer\r\n",
    "Session-Expires: 1800;refresher=uac\r\n",
    "User-Agent: carrier-sbc/9.3.1 (b-001177)\r\n",
    "X-Carrier-Trunk: nyc-04/17\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 239\r\n",
    "\r\n",
    "v=0\r\n",
    "o=carrier 81734 81735 IN IP4 198.51.100.41\r\n",
    "s=call\r\n",
    "c=IN IP4 198.51.100.41\r\n",
    "t=0 0\r\n",
    "m=audio 31842 RTP/AVP 0 8 101\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=rtpmap:8 PCMA/8000\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=fmtp:101 0-15\r\n",
    "a=ptime:20\r\n",
    "a=sendrecv\r\n",
)
.as_bytes();

/// A carrier's INVITE: 16 headers, SDP with two codecs and telephone events, about 1 KB.
pub const INVITE_1K: &[u8] = concat!(
    "INVITE sip:+14155550123@edge.hookswitch.example:5060;user=phone SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 198.51.100.17:5060;branch=z9hG4bK7a91c0de4f;rport\r\n",
    "Record-Route: <sip:198.51.100.17;lr;ftag=9c41d07e>\r\n",
    "Max-Forwards: 66\r\n",
    "From: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17;user=phone>;tag=9c41d07e\r\n",
    "To: <sip:+14155550123@edge.hookswitch.example;user=phone>\r\n",
    "Call-ID: 61f3c2a87be04d19@198.51.100.17\r\n",
    "CSeq: 20417 INVITE\r\n",
    "Contact: <sip:+12125550188@198.51.100.17:5060;transport=udp>\r\n",
    "P-Asserted-Identity: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17>\r\n",
    "Privacy: none\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS\r\n",
    "Supported: 100rel, timer, replaces\r\n",
    "Session-Expires: 1800;refresher=uac\r\n",
    "X-Carrier-Trunk: nyc-04/17\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 239\r\n",
    "\r\n",
    "v=0\r\n",
    "o=carrier 81734 81735 IN IP4 198.51.100.41\r\n",
    "s=call\r\n",
    "c=IN IP4 198.51.100.41\r\n",
    "t=0 0\r\n",
    "m=audio 31842 RTP/AVP 0 8 101\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=rtpmap:8 PCMA/8000\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=fmtp:101 0-15\r\n",
    "a=ptime:20\r\n",
    "a=sendrecv\r\n",
)
.as_bytes();

/// A softphone's INVITE behind a NAT: 12 headers, SDP with a wide-band codec.
pub const INVITE_SDP: &[u8] = concat!(
    "INVITE sip:reception@pbx.example.net SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 192.168.1.34:51422;rport;branch=z9hG4bKPj3b1f6ac0\r\n",
    "Max-Forwards: 70\r\n",
    "From: \"Dana Reyes\" <sip:dana@pbx.example.net>;tag=4bd20f8a1c\r\n",
    "To: <sip:reception@pbx.example.net>\r\n",
    "Contact: \"Dana Reyes\" <sip:dana@192.168.1.34:51422;ob>\r\n",
    "Call-ID: c1e5f0b27d9a4c3e8b60\r\n",
    "CSeq: 7391 INVITE\r\n",
    "Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER\r\n",
    "Supported: replaces, 100rel, timer, norefersub\r\n",
    "User-Agent: deskphone/4.2 (build 1177)\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 198\r\n",
    "\r\n",
    "v=0\r\n",
    "o=- 3905 3905 IN IP4 192.168.1.34\r\n",
    "s=phone\r\n",
    "c=IN IP4 192.168.1.34\r\n",
    "t=0 0\r\n",
    "m=audio 4018 RTP/AVP 9 0 8\r\n",
    "a=rtpmap:9 G722/8000\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=rtpmap:8 PCMA/8000\r\n",
    "a=rtcp:4019\r\n",
    "a=sendrecv\r\n",
)
.as_bytes();

/// The smallest request that is valid: a keep-alive OPTIONS.
pub const OPTIONS_MIN: &[u8] = concat!(
    "OPTIONS sip:edge.example SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK51\r\n",
    "Max-Forwards: 70\r\n",
    "From: <sip:probe@192.0.2.9>;tag=51\r\n",
    "To: <sip:edge.example>\r\n",
    "Call-ID: 51@192.0.2.9\r\n",
    "CSeq: 1 OPTIONS\r\n",
    "Content-Length: 0\r\n",
    "\r\n",
)
.as_bytes();

/// A 200 to an INVITE that went through three proxies.
pub const OK_RECORD_ROUTES: &[u8] = concat!(
    "SIP/2.0 200 OK\r\n",
    "Via: SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK00c4;received=203.0.113.7;rport=5060\r\n",
    "Via: SIP/2.0/TCP 198.51.100.17:5060;branch=z9hG4bK7a91c0de4f\r\n",
    "Record-Route: <sip:203.0.113.7;lr;t=Zm9vYmFy>\r\n",
    "Record-Route: <sip:203.0.113.7;transport=tcp;lr;t=Zm9vYmFy>, <sip:198.51.100.17;lr>\r\n",
    "From: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17>;tag=9c41d07e\r\n",
    "To: <sip:+14155550123@edge.hookswitch.example>;tag=e80b36f1\r\n",
    "Call-ID: 61f3c2a87be04d19@198.51.100.17\r\n",
    "CSeq: 20417 INVITE\r\n",
    "Contact: <sip:executor@203.0.113.20:5080>\r\n",
    "Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, OPTIONS\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 106\r\n",
    "\r\n",
    "v=0\r\n",
    "o=- 1 1 IN IP4 203.0.113.21\r\n",
    "s=-\r\n",
    "c=IN IP4 203.0.113.21\r\n",
    "t=0 0\r\n",
    "m=audio 20004 RTP/AVP 0\r\n",
    "a=ptime:20\r\n",
)
.as_bytes();

/// A BYE inside a dialog with two routes, in compact form as some gateways send it.
pub const BYE: &[u8] = concat!(
    "BYE sip:executor@203.0.113.20:5080 SIP/2.0\r\n",
    "v: SIP/2.0/UDP 198.51.100.17:5060;branch=z9hG4bK7a91c0de50;rport\r\n",
    "Route: <sip:203.0.113.7;lr;t=Zm9vYmFy>, <sip:203.0.113.7;transport=tcp;lr;t=Zm9vYmFy>\r\n",
    "Max-Forwards: 70\r\n",
    "f: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17>;tag=9c41d07e\r\n",
    "t: <sip:+14155550123@edge.hookswitch.example>;tag=e80b36f1\r\n",
    "i: 61f3c2a87be04d19@198.51.100.17\r\n",
    "CSeq: 20418 BYE\r\n",
    "Reason: Q.850;cause=16;text=\"Normal call clearing\"\r\n",
    "l: 0\r\n",
    "\r\n",
)
.as_bytes();

/// A REGISTER with the answer to a digest challenge.
pub const REGISTER_DIGEST: &[u8] = concat!(
    "REGISTER sip:pbx.example.net SIP/2.0\r\n",
    "Via: SIP/2.0/TLS 192.168.1.34:49811;branch=z9hG4bKPj77c0ab12;alias\r\n",
    "Max-Forwards: 70\r\n",
    "From: <sip:dana@pbx.example.net>;tag=5f2c90aa\r\n",
    "To: <sip:dana@pbx.example.net>\r\n",
    "Call-ID: 0d9e2f61b5c84a7f\r\n",
    "CSeq: 412 REGISTER\r\n",
    "User-Agent: deskphone/4.2 (build 1177)\r\n",
    "Contact: <sip:dana@192.168.1.34:49811;transport=tls;ob>;reg-id=1;",
    "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004f2e9a1b7>\"\r\n",
    "Expires: 3600\r\n",
    "Supported: outbound, path\r\n",
    "Authorization: Digest username=\"dana\", realm=\"pbx.example.net\", ",
    "nonce=\"6f1c0a5e/9b33\", uri=\"sip:pbx.example.net\", ",
    "response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, cnonce=\"a81f\", ",
    "qop=auth, nc=00000001\r\n",
    "Content-Length: 0\r\n",
    "\r\n",
)
.as_bytes();

/// Every message with the name that its bench has; the large one is the last.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    SAMPLES
        .iter()
        .map(|sample| (sample.name, sample.bytes.to_vec()))
        .chain([("invite_identity", invite_identity())])
        .collect()
}

/// An INVITE of about 10 KB: signed identities, a call history, many routes, and SDP with ICE.
pub fn invite_identity() -> Vec<u8> {
    let mut text = String::from(concat!(
        "INVITE sip:+14155550123@edge.hookswitch.example;user=phone SIP/2.0\r\n",
        "Via: SIP/2.0/TCP 198.51.100.17:5060;branch=z9hG4bK7a91c0de51\r\n",
    ));
    for hop in 1..=6 {
        text += &format!("Record-Route: <sip:198.51.100.{hop};transport=tcp;lr;ftag=9c41d07e>\r\n");
    }
    text += concat!(
        "Max-Forwards: 58\r\n",
        "From: \"WIRELESS CALLER\" <sip:+12125550188@198.51.100.17;user=phone>;tag=9c41d07e\r\n",
        "To: <sip:+14155550123@edge.hookswitch.example;user=phone>\r\n",
        "Call-ID: 71f3c2a87be04d19@198.51.100.17\r\n",
        "CSeq: 1 INVITE\r\n",
        "Contact: <sip:+12125550188@198.51.100.17:5060;transport=tcp>\r\n",
        "Date: Sun, 01 Nov 2026 12:00:00 GMT\r\n",
    );
    for index in 1..=4 {
        text += &format!(
            "History-Info: <sip:+1415555012{index}@edge.hookswitch.example?Reason=SIP%3Bcause%3D302>\
             ;index=1.{index}\r\n"
        );
    }
    for signer in 1..=4u32 {
        // A signed token has this shape: three runs of base64url and two parameters.
        let token: String = (0..1180u32)
            .map(|at| char::from(BASE64URL[((at * 37 + signer * 11) % 64) as usize]))
            .collect();
        text += &format!(
            "Identity: {}.{}.{};info=<https://certs.example/{signer}.pem>;alg=ES256;ppt=shaken\r\n",
            &token[..88],
            &token[88..1094],
            &token[1094..],
        );
    }
    let mut body = String::from(concat!(
        "v=0\r\no=- 4611 2 IN IP4 198.51.100.41\r\ns=-\r\nt=0 0\r\n",
        "m=audio 31842 UDP/TLS/RTP/SAVPF 111 0 8 101\r\nc=IN IP4 198.51.100.41\r\n",
        "a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n",
    ));
    for candidate in 1..=48 {
        body += &format!(
            "a=candidate:{candidate} 1 UDP {} 198.51.100.{candidate} {} typ host generation 0\r\n",
            2_130_706_431 - candidate,
            31_000 + candidate,
        );
    }
    text += &format!(
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text.into_bytes()
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8]) -> (usize, usize, Option<usize>) {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        let declared = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            matches!(name, "Content-Length" | "l").then(|| value.parse().expect("a length"))
        });
        (head.lines().count() - 1, body.len(), declared)
    }

    #[test]
    fn content_lengths_are_true() {
        let large = invite_identity();
        for bytes in SAMPLES.iter().map(|sample| sample.bytes).chain([&*large]) {
            let (_, body, declared) = split(bytes);
            assert_eq!(declared, Some(body));
        }
    }

    #[test]
    fn sizes_are_what_the_names_say() {
        assert_eq!((INVITE_1059.len(), split(INVITE_1059).0), (1059, 16));
        assert_eq!(split(INVITE_1K).0, 16);
        assert!(
            (1000..1200).contains(&INVITE_1K.len()),
            "{}",
            INVITE_1K.len()
        );
        let large = invite_identity().len();
        assert!((9_500..10_800).contains(&large), "{large}");
    }
}
