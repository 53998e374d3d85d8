use super::*;

use std::net::SocketAddr;

use ::media::Packing;
use ::media::codec::Codec;
use proptest::prelude::*;

const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
    t=0 0\r\nm=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 18 8 0 96\r\n\
    a=rtpmap:8 PCMA/8000/1\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n";

const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// The key of RFC 4568 §9.2 and the like: 30 bytes in base64.
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn negotiation(secure: bool) -> Negotiation {
    let origin = Origin {
        id: 7,
        version: 0,
        address: "127.0.0.1".parse().unwrap(),
    };
    Negotiation::new(origin, [9; 30], secure)
}

fn rtp() -> SocketAddr {
    "127.0.0.1:20000".parse().unwrap()
}

fn ours(codecs: &[Codec]) -> Ours<'_> {
    Ours {
        rtp: rtp(),
        codecs,
        prefer: None,
    }
}

fn parse(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap()
}

/// An offer or answer of one audio stream.
fn audio(line: &str, attributes: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {line}\r\n{attributes}"
    )
}

fn answer(offer: &str) -> Option<(String, Agreed)> {
    let mut side = negotiation(false);
    let body = side.answer(&parse(offer), &ours(&ALL))?;
    let text = String::from_utf8(body.to_vec()).unwrap();
    Some((text, side.agreed().unwrap().clone()))
}

#[test]
fn an_answer_keeps_the_order_and_refuses_other_streams() {
    let (text, agreed) = answer(OFFER).unwrap();
    assert_eq!(
        text,
        "v=0\r\no=hookswitch 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 8 0 96\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n\
         a=ptime:20\r\na=recvonly\r\n"
    );
    assert_eq!((agreed.codec, agreed.payload), (Codec::Pcma, 8));
    assert_eq!(
        (agreed.remote, agreed.sends),
        (None, true),
        "we are on hold"
    );
    assert_eq!(agreed.events, Some(96));
    assert_eq!(agreed.received, [(0, Codec::Pcmu)]);
}

#[test]
fn directions_and_addresses() {
    let both = OFFER.replace("a=sendonly\r\n", "");
    let peer = Some("192.0.2.1:4000".parse().unwrap());
    for (attribute, told, remote, sends) in [
        ("", "sendrecv", peer, true),
        ("a=recvonly\r\n", "sendonly", peer, false),
        ("a=inactive\r\n", "inactive", None, false),
        ("c=IN IP4 0.0.0.0\r\n", "sendrecv", None, true),
        ("c=IN IP4 media.example\r\n", "sendrecv", None, true),
    ] {
        let (text, agreed) = answer(&format!("{both}{attribute}")).unwrap();
        assert!(
            text.ends_with(&format!("a={told}\r\n")),
            "{attribute} {text}"
        );
        assert_eq!(
            (agreed.remote, agreed.sends),
            (remote, sends),
            "{attribute}"
        );
    }
}

#[test]
fn where_rtcp_goes() {
    let rtcp = |attribute: &str| answer(&audio("4000 RTP/AVP 0", attribute)).unwrap().1.rtcp;
    assert_eq!(rtcp(""), Some("192.0.2.1:4001".parse().unwrap()));
    assert_eq!(
        rtcp("a=rtcp:4711\r\n"),
        Some("192.0.2.1:4711".parse().unwrap())
    );
    assert_eq!(
        rtcp("a=rtcp:53020 IN IP6 2001:db8::1\r\n"),
        Some("[2001:db8::1]:53020".parse().unwrap())
    );
    assert_eq!(
        rtcp("a=rtcp:0\r\n"),
        Some("192.0.2.1:4001".parse().unwrap())
    );
}

#[test]
fn wideband_codecs_and_the_clock_of_events() {
    let offer = audio(
        "4000 RTP/AVP 107 9 0 101 100",
        "a=rtpmap:107 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=rtpmap:100 telephone-event/48000\r\n",
    );
    let (text, agreed) = answer(&offer).unwrap();
    assert!(
        text.contains("m=audio 20000 RTP/AVP 107 9 0 101 100\r\n"),
        "{text}"
    );
    assert!(text.contains("a=rtpmap:107 opus/48000/2\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:9 G722/8000\r\n"), "{text}");
    assert_eq!((agreed.codec, agreed.events), (Codec::Opus, Some(100)));
    // A codec that is not configured is not taken.
    let mut side = negotiation(false);
    side.answer(&parse(&offer), &ours(&[Codec::Pcmu])).unwrap();
    let agreed = side.agreed().unwrap();
    assert_eq!((agreed.codec, agreed.events), (Codec::Pcmu, Some(101)));
    assert_eq!(agreed.received, []);
}

#[test]
fn no_common_codec() {
    for stream in [
        "m=audio 4000 RTP/AVP 18",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 telephone-event/8000",
        "m=image 4000 udptl t38",
    ] {
        let text = format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{stream}\r\n");
        assert!(answer(&text).is_none(), "{stream}");
        assert_eq!(Negotiation::preview(&parse(&text), &ALL), None);
    }
}

#[test]
fn unreadable() {
    for bad in [
        "",
        "hello",
        "v=1\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio x RTP/AVP 0\r\n",
    ] {
        assert!(Description::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Description::parse(b"v=0\r\n\xff=").is_err());
}

#[test]
fn our_offer_and_its_answer() {
    let mut side = negotiation(false);
    let offer = side.offer(&ours(&ALL));
    let text = String::from_utf8(offer.to_vec()).unwrap();
    assert!(
        text.contains("m=audio 20000 RTP/AVP 0 8 9 111 101 110\r\n"),
        "{text}"
    );
    assert!(side.agreed().is_none());
    // The answer has another number for Opus: we send under that, and receive under ours.
    let answer = audio(
        "4000 RTP/AVP 96 101",
        "a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    assert!(side.answered(&parse(&answer)));
    let agreed = side.agreed().unwrap();
    assert_eq!((agreed.codec, agreed.payload), (Codec::Opus, 96));
    assert_eq!(agreed.received, [(111, Codec::Opus)]);
    assert_eq!(agreed.events, Some(101), "better than none");
    assert_eq!(agreed.remote, Some("192.0.2.1:4000".parse().unwrap()));
}

#[test]
fn answers_of_no_use_change_nothing() {
    let mut side = negotiation(false);
    side.offer(&ours(&[Codec::Pcmu]));
    for stream in ["0 RTP/AVP 0", "4000 RTP/AVP 8", "4000 RTP/SAVP 0"] {
        assert!(!side.answered(&parse(&audio(stream, ""))), "{stream}");
    }
    assert!(
        !side.answered(&parse("v=0\r\nt=0 0\r\n")),
        "no stream at all"
    );
    assert!(side.agreed().is_none());
}

#[test]
fn the_preferred_codec_is_offered_first() {
    let mut side = negotiation(false);
    let offer = side.offer(&Ours {
        prefer: Some(Codec::Pcma),
        ..ours(&[Codec::Pcmu, Codec::Pcma])
    });
    let text = String::from_utf8(offer.to_vec()).unwrap();
    assert!(text.contains("m=audio 20000 RTP/AVP 8 0 101\r\n"), "{text}");
}

#[test]
fn the_version_counts_changes() {
    let mut side = negotiation(false);
    let offer = parse(&audio("4000 RTP/AVP 0", ""));
    let first = side.answer(&offer, &ours(&ALL)).unwrap();
    assert_eq!(side.answer(&offer, &ours(&ALL)).unwrap(), first);
    let hold = parse(&audio("4000 RTP/AVP 0", "a=sendonly\r\n"));
    let held = side.answer(&hold, &ours(&ALL)).unwrap();
    assert!(held.starts_with(b"v=0\r\no=hookswitch 7 2 "));
}

#[test]
fn a_later_offer_keeps_streams_and_numbers() {
    let mut side = negotiation(false);
    let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 31\r\n\
                 m=audio 4000 RTP/AVP 111 97 0\r\na=rtpmap:111 telephone-event/8000\r\n\
                 a=rtpmap:97 opus/48000/2\r\n";
    side.answer(&parse(offer), &ours(&ALL)).unwrap();
    let text = String::from_utf8(side.offer(&ours(&ALL)).to_vec()).unwrap();
    assert!(
        text.contains("m=video 0 RTP/AVP 31\r\nm=audio 20000 "),
        "{text}"
    );
    assert!(
        text.contains("a=rtpmap:111 telephone-event/8000\r\n"),
        "{text}"
    );
    assert!(text.contains("a=rtpmap:97 opus/48000/2\r\n"), "{text}");
    let answer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 0 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 8\r\n";
    assert!(side.answered(&parse(answer)));
    let agreed = side.agreed().unwrap();
    assert_eq!(agreed.remote, Some("192.0.2.1:4002".parse().unwrap()));
}

#[test]
fn secure_streams_are_answered_with_a_key_of_ours() {
    let offer = audio(
        "4000 RTP/SAVP 0",
        &format!(
            "a=crypto:1 AEAD_AES_256_GCM inline:xyz\r\n\
             a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20\r\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
        ),
    );
    let (text, agreed) = answer(&offer).unwrap();
    assert!(text.contains("m=audio 20000 RTP/SAVP 0\r\n"), "{text}");
    let own = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";
    assert!(
        text.contains(&format!(
            "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{own}\r\n"
        )),
        "{text}"
    );
    let pair = agreed.srtp.unwrap();
    assert_ne!(pair.ours, pair.theirs);
}

#[test]
fn keys_that_cannot_be_used_are_no_keys() {
    for line in [
        format!("0x1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
        "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=".to_owned(),
        "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
    ] {
        let offer = audio("4000 RTP/SAVP 0", &format!("a=crypto:{line}\r\n"));
        assert!(answer(&offer).is_none(), "{line}");
    }
}

#[test]
fn a_secure_offer_wants_a_secure_answer() {
    let mut side = negotiation(true);
    let text = String::from_utf8(side.offer(&ours(&[Codec::Pcmu])).to_vec()).unwrap();
    assert!(text.contains("m=audio 20000 RTP/SAVP 0 101\r\n"), "{text}");
    assert!(
        text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{text}"
    );
    assert!(!side.answered(&parse(&audio("4000 RTP/AVP 0", ""))));
    let other = format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    assert!(!side.answered(&parse(&audio("4000 RTP/SAVP 0", &other))));
    let taken = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    assert!(side.answered(&parse(&audio("4000 RTP/SAVP 0", &taken))));
    assert!(side.agreed().unwrap().srtp.is_some());
}

#[test]
fn packets_of_the_length_that_is_asked_for() {
    let packing = |wanted, most| Packing { wanted, most };
    for (attributes, said, told) in [
        ("", packing(None, None), 20),
        ("a=ptime:30\r\n", packing(Some(30), None), 30),
        ("a=ptime: 40 \r\n", packing(Some(40), None), 40),
        ("a=ptime:10.0\r\n", packing(Some(10), None), 10),
        (
            "a=ptime:60\r\na=maxptime:40\r\n",
            packing(Some(60), Some(40)),
            40,
        ),
        ("a=maxptime:150\r\n", packing(None, Some(150)), 20),
        ("a=ptime:0\r\na=maxptime:-3\r\n", packing(None, None), 20),
        ("a=ptime:99999999999\r\n", packing(None, None), 20),
    ] {
        let (text, agreed) = answer(&audio("4000 RTP/AVP 0", attributes)).unwrap();
        assert_eq!(agreed.packing, said, "{attributes}");
        assert!(
            text.contains(&format!("a=ptime:{told}\r\n")),
            "{attributes} {text}"
        );
    }
    // An answer to our offer says it as well.
    let mut side = negotiation(false);
    side.offer(&ours(&[Codec::Pcmu]));
    assert!(side.answered(&parse(&audio("4000 RTP/AVP 0", "a=ptime:30\r\n"))));
    assert_eq!(side.agreed().unwrap().packing.wanted, Some(30));
}

#[test]
fn rtcp_on_the_port_of_rtp() {
    let mux = "a=rtcp-mux\r\n";
    let (text, agreed) = answer(&audio("4000 RTP/AVP 0", mux)).unwrap();
    assert!(agreed.rtcp_mux && text.contains(mux), "{text}");
    let (text, agreed) = answer(&audio("4000 RTP/AVP 0", "")).unwrap();
    assert!(!agreed.rtcp_mux && !text.contains(mux), "{text}");
    // Payload type 72 with a marker would be a sender report.
    let clash = format!("a=rtpmap:72 telephone-event/8000\r\n{mux}");
    let (text, agreed) = answer(&audio("4000 RTP/AVP 0 72", &clash)).unwrap();
    assert!(!agreed.rtcp_mux && !text.contains(mux), "{text}");
    // We do not begin with it, and an answer cannot either.
    let mut side = negotiation(false);
    let offer = side.offer(&ours(&[Codec::Pcmu]));
    assert!(!String::from_utf8_lossy(&offer).contains(mux));
    assert!(side.answered(&parse(&audio("4000 RTP/AVP 0", mux))));
    assert!(!side.agreed().unwrap().rtcp_mux);
    // What is in force is offered again; the peer may end it.
    side.answer(&parse(&audio("4000 RTP/AVP 0", mux)), &ours(&ALL))
        .unwrap();
    let offer = side.offer(&ours(&[Codec::Pcmu]));
    assert!(String::from_utf8_lossy(&offer).contains(mux));
    assert!(side.answered(&parse(&audio("4000 RTP/AVP 0", ""))));
    assert!(!side.agreed().unwrap().rtcp_mux);
}

proptest! {
    /// Of several keys the first that we can use is taken, whatever stands before and behind it,
    /// and without one the stream is refused.
    #[test]
    fn the_first_key_that_fits(
        lines in Just(KEY_LINES.to_vec()).prop_shuffle(),
        count in 0..=KEY_LINES.len(),
    ) {
        let lines = &lines[..count];
        let text: String = lines
            .iter()
            .enumerate()
            .map(|(at, (_, line))| {
                format!("a=crypto:{} {}\r\n", at + 10, line.replace("KEY", KEY))
            })
            .collect();
        let first = lines.iter().position(|(fits, _)| *fits);
        match (answer(&audio("4000 RTP/SAVP 0", &text)), first) {
            (None, None) => {}
            (Some((text, agreed)), Some(at)) => {
                let suite = lines[at].1.split(' ').next().unwrap();
                let told = format!("a=crypto:{} {suite} inline:", at + 10);
                prop_assert!(text.contains(&told), "{text}");
                prop_assert_eq!(text.matches("a=crypto:").count(), 1);
                prop_assert_eq!(agreed.srtp.unwrap().theirs.suite().name(), suite);
            }
            (answer, first) => prop_assert!(false, "{answer:?} {first:?}"),
        }
    }
}

/// `a=crypto` lines, and whether we can use them.
const KEY_LINES: [(bool, &str); 8] = [
    (true, "AES_CM_128_HMAC_SHA1_80 inline:KEY"),
    (true, "AES_CM_128_HMAC_SHA1_32 inline:KEY|2^20|1:4"),
    (true, "AES_CM_128_HMAC_SHA1_80 inline:KEY WSH=128"),
    (false, "AEAD_AES_256_GCM inline:KEY"),
    (false, "AES_256_CM_HMAC_SHA1_80 inline:KEY"),
    (false, "F8_128_HMAC_SHA1_80 inline:KEY"),
    (
        false,
        "AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTCP",
    ),
    (false, "AES_CM_128_HMAC_SHA1_32 inline:dG9vIHNob3J0"),
];
