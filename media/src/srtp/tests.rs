//! Packets of other implementations, and what may not happen to ours.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The master key of RFC 3711 appendix B.3.
fn keys(suite: Suite) -> SrtpKeys {
    let random = bytes("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    SrtpKeys::new(suite, random.try_into().unwrap())
}

const LONG: Suite = Suite::AesCm128HmacSha1_80;
const SHORT: Suite = Suite::AesCm128HmacSha1_32;

const RTP: &str = "800f1234 decafbad cafebabe abababab abababab abababab abababab";
const RTCP: &str = "81c8000b cafebabe abababab abababab abababab abababab";

/// What libsrtp makes of these packets with this key.
const RTP_PROTECTED: &str =
    "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb";
const RTCP_PROTECTED: &str =
    "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798";

/// A packet with a sequence number.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = bytes(RTP);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

#[test]
fn makes_what_libsrtp_makes() {
    let mut rtp = bytes(RTP);
    Srtp::new(&keys(LONG)).protect(&mut rtp).unwrap();
    assert_eq!(rtp, bytes(RTP_PROTECTED));
    // Its test counts from 1 and not from 0.
    let mut srtp = Srtp::new(&keys(LONG));
    srtp.rtcp_index = 1;
    let mut rtcp = bytes(RTCP);
    srtp.protect_rtcp(&mut rtcp).unwrap();
    assert_eq!(rtcp, bytes(RTCP_PROTECTED));
}

#[test]
fn reads_what_libsrtp_makes() {
    let mut srtp = Srtp::new(&keys(LONG));
    let mut rtp = bytes(RTP_PROTECTED);
    assert_eq!(srtp.unprotect(&mut rtp), Ok(()));
    assert_eq!(rtp, bytes(RTP));
    let mut rtcp = bytes(RTCP_PROTECTED);
    assert_eq!(srtp.unprotect_rtcp(&mut rtcp), Ok(()));
    assert_eq!(rtcp, bytes(RTCP));
}

#[test]
fn short_tags_are_the_beginning_of_long_ones_and_rtcp_keeps_its_own() {
    let mut rtp = bytes(RTP);
    Srtp::new(&keys(SHORT)).protect(&mut rtp).unwrap();
    assert_eq!(rtp, bytes(RTP_PROTECTED)[..32]);
    let (mut one, mut other) = (bytes(RTCP), bytes(RTCP));
    Srtp::new(&keys(SHORT)).protect_rtcp(&mut one).unwrap();
    Srtp::new(&keys(LONG)).protect_rtcp(&mut other).unwrap();
    assert_eq!(one, other);
}

#[test]
fn a_stream_is_read_over_the_wrap_with_losses_and_reordering() {
    let (mut here, mut there) = (Srtp::new(&keys(LONG)), Srtp::new(&keys(LONG)));
    let sent: Vec<(Vec<u8>, Vec<u8>)> = (0..80_000u32)
        .map(|count| {
            let plain = packet((65_000 + count) as u16);
            let mut secret = plain.clone();
            here.protect(&mut secret).unwrap();
            (plain, secret)
        })
        .collect();
    for (at, pair) in sent.chunks(2).enumerate() {
        for (plain, secret) in pair.iter().rev().take(if at % 7 == 0 { 1 } else { 2 }) {
            let mut read = secret.clone();
            assert_eq!(there.unprotect(&mut read), Ok(()), "pair {at}");
            assert_eq!(&read, plain);
            assert_eq!(
                there.unprotect(&mut secret.clone()),
                Err(SrtpError::Replayed)
            );
        }
    }
}

#[test]
fn a_sequence_number_is_protected_once() {
    let mut srtp = Srtp::new(&keys(LONG));
    assert_eq!(srtp.protect(&mut packet(5)), Ok(()));
    assert_eq!(srtp.protect(&mut packet(5)), Err(SrtpError::Replayed));
    assert_eq!(srtp.protect(&mut packet(4)), Ok(()));
}

#[test]
fn rtcp_is_read_once_and_counts_on() {
    let (mut here, mut there) = (Srtp::new(&keys(SHORT)), Srtp::new(&keys(SHORT)));
    for count in 0..300u32 {
        let mut secret = bytes(RTCP);
        here.protect_rtcp(&mut secret).unwrap();
        assert_eq!(secret[24..28], (0x8000_0000 | count).to_be_bytes());
        assert_eq!(there.unprotect_rtcp(&mut secret.clone()), Ok(()));
        assert_eq!(there.unprotect_rtcp(&mut secret), Err(SrtpError::Replayed));
    }
    here.rtcp_index = u32::MAX >> 1;
    assert_eq!(here.protect_rtcp(&mut bytes(RTCP)), Ok(()));
    assert_eq!(
        here.protect_rtcp(&mut bytes(RTCP)),
        Err(SrtpError::Exhausted)
    );
}

#[test]
fn the_header_with_sources_and_extension_stays_readable() {
    let mut plain =
        bytes("92 00 0001 00000001 00000002 00000003 00000004 bede0001 10ff0000 01020304");
    let header = plain.len() - 4;
    let original = plain.clone();
    Srtp::new(&keys(LONG)).protect(&mut plain).unwrap();
    assert_eq!(plain[..header], original[..header]);
    assert_ne!(plain[header..header + 4], original[header..]);
    assert_eq!(Srtp::new(&keys(LONG)).unprotect(&mut plain), Ok(()));
    assert_eq!(plain, original);
}

#[test]
fn a_forged_packet_leaves_no_trace() {
    let (mut here, mut there) = (Srtp::new(&keys(LONG)), Srtp::new(&keys(LONG)));
    let mut secret = packet(100);
    here.protect(&mut secret).unwrap();
    for at in 0..secret.len() {
        let mut forged = secret.clone();
        forged[at] ^= 1;
        assert!(there.unprotect(&mut forged).is_err(), "byte {at}");
    }
    let mut far = packet(30_000);
    far.extend([0; 10]);
    assert_eq!(there.unprotect(&mut far), Err(SrtpError::Authentication));
    assert_eq!(there.unprotect(&mut secret), Ok(()));
}

#[test]
fn an_identifier_of_the_key_stands_before_the_tag() {
    let line =
        "7 AES_CM_128_HMAC_SHA1_32 inline:4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm|2^20|258:3";
    let crypto: Crypto = line.parse().unwrap();
    let mut rtp = packet(9);
    Srtp::new(&crypto.keys).protect(&mut rtp).unwrap();
    assert_eq!(rtp[28..31], [0, 1, 2]);
    assert_eq!(
        Srtp::new(&keys(SHORT)).unprotect(&mut rtp.clone()),
        Err(SrtpError::Authentication)
    );
    assert_eq!(Srtp::new(&crypto.keys).unprotect(&mut rtp), Ok(()));
    assert_eq!(rtp, packet(9));
    assert_eq!(crypto.to_string(), line.replace("|2^20", ""));
}

#[test]
fn reads_and_writes_the_attribute() {
    let line = "1 AES_CM_128_HMAC_SHA1_80 inline:4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm";
    let crypto: Crypto = line.parse().unwrap();
    assert_eq!(
        crypto,
        Crypto {
            tag: 1,
            keys: keys(LONG)
        }
    );
    assert_eq!(crypto.to_string(), line);
    for extra in [
        "|2^20",
        "|1048576",
        "|2^31|1:1",
        "|1:4",
        " WSH=128",
        " KDR=0",
        " -FOO",
    ] {
        let read: Crypto = format!("{line}{extra}").parse().unwrap();
        assert_eq!(read.tag, 1, "{extra}");
    }
    // The line of RFC 4568 §5.
    let line = "1 AES_CM_128_HMAC_SHA1_80 \
                inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32";
    let crypto: Crypto = line.parse().unwrap();
    assert_eq!(crypto.keys.mki().len(), 32);
}

#[test]
fn refuses_attributes_that_it_cannot_do() {
    let key = "inline:4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm";
    let suite = "AES_CM_128_HMAC_SHA1_80";
    for (line, error) in [
        (String::new(), KeyError::Malformed),
        (format!("x {suite} {key}"), KeyError::Malformed),
        (format!("1234567890 {suite} {key}"), KeyError::Malformed),
        (
            format!("1 F8_128_HMAC_SHA1_80 {key}"),
            KeyError::UnknownSuite,
        ),
        (format!("1 {suite}"), KeyError::Malformed),
        (format!("1 {suite} inline:abcd"), KeyError::Malformed),
        (format!("1 {suite} {key}=="), KeyError::Malformed),
        (format!("1 {suite} {key}|2^x"), KeyError::Malformed),
        (format!("1 {suite} {key}|2^20|1:4|1"), KeyError::Malformed),
        (format!("1 {suite} {key}|256:1"), KeyError::Malformed),
        (format!("1 {suite} {key}|1:129"), KeyError::Malformed),
        (
            format!("1 {suite} {key}|1:4;{key}|2:4"),
            KeyError::Unsupported,
        ),
        (
            format!("1 {suite} {key} UNENCRYPTED_SRTP"),
            KeyError::Unsupported,
        ),
        (format!("1 {suite} {key} KDR=5"), KeyError::Unsupported),
    ] {
        assert_eq!(line.parse::<Crypto>(), Err(error), "{line}");
    }
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?} {:?}", keys(LONG), Srtp::new(&keys(LONG)));
    assert!(
        !shown.contains("225") && !shown.contains("E1") && !shown.contains("e1"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(packets in vec(vec(any::<u8>(), 0..80), 1..8)) {
        let mut srtp = Srtp::new(&keys(SHORT));
        for mut packet in packets {
            prop_assert!(srtp.unprotect(&mut packet.clone()).is_err());
            prop_assert!(srtp.unprotect_rtcp(&mut packet.clone()).is_err());
            let (mut there, plain) = (Srtp::new(&keys(SHORT)), packet.clone());
            if srtp.protect(&mut packet).is_ok() {
                prop_assert_eq!(there.unprotect(&mut packet), Ok(()));
                prop_assert_eq!(packet, plain);
            }
        }
    }

    #[test]
    fn any_attribute_is_read_without_panic(line in "\\PC{0,80}", inline in "[A-Za-z0-9+/=|^:;]{0,60}") {
        line.parse::<Crypto>().ok();
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{inline}").parse::<Crypto>().ok();
    }

    #[test]
    fn written_keys_are_read_again(random: [u8; KEY_AND_SALT], tag in 0..1_000_000_000u32) {
        let crypto = Crypto { tag, keys: SrtpKeys::new(SHORT, random) };
        prop_assert_eq!(crypto.to_string().parse(), Ok(crypto));
    }
}
