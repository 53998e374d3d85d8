//! Session keys, key streams and tags (RFC 3711 §4).

use std::fmt;

use aes::Aes128;
use aes::cipher::{InnerIvInit as _, KeyInit, StreamCipher as _};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use super::keys::SrtpKeys;

/// Bytes of the tag of SRTCP, with every suite (RFC 4568 §6.2.2).
pub(super) const TAG_RTCP: usize = 10;

/// Bytes of the key of a tag.
const AUTH_KEY: usize = 20;

/// What a derived key is for (RFC 3711 §4.3.2): the first of the three of RTP and of RTCP.
const LABEL_RTP: u8 = 0;
const LABEL_RTCP: u8 = 3;

/// The keys of RTP, or those of RTCP, in one direction.
pub(super) struct Session {
    cipher: Aes128,
    salt: [u8; 14],
    /// Keyed, and copied for each packet.
    mac: Hmac<Sha1>,
}

/// The session keys of RTP and of RTCP.
pub(super) fn sessions(keys: &SrtpKeys) -> (Session, Session) {
    (
        Session::derive(keys, LABEL_RTP),
        Session::derive(keys, LABEL_RTCP),
    )
}

impl Session {
    fn derive(keys: &SrtpKeys, label: u8) -> Self {
        let key: [u8; 16] = derive(keys, label);
        let auth: [u8; AUTH_KEY] = derive(keys, label + 1);
        Self {
            cipher: Aes128::new(&key.into()),
            salt: derive(keys, label + 2),
            mac: keyed(&auth),
        }
    }

    /// Encrypts or decrypts `body`, the part of a packet that is secret.
    pub(super) fn apply(&self, ssrc: u32, index: u64, body: &mut [u8]) {
        // §4.1.1: salt · 2^16 ⊕ SSRC · 2^64 ⊕ index · 2^16.
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        let packet = u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        let iv = (u128::from_be_bytes(iv) ^ packet).to_be_bytes();
        stream(self.cipher.clone(), iv, body);
    }

    /// The whole tag of a packet, of which the suite sends the beginning.
    pub(super) fn tag(&self, signed: &[u8], rollover: &[u8]) -> [u8; AUTH_KEY] {
        let mac = self.mac.clone().chain_update(signed).chain_update(rollover);
        mac.finalize().into_bytes().into()
    }

    /// Whether a tag belongs to the packet; takes the same time wherever it differs.
    pub(super) fn verify(&self, signed: &[u8], rollover: &[u8], tag: &[u8]) -> bool {
        let mac = self.mac.clone().chain_update(signed).chain_update(rollover);
        mac.verify_truncated_left(tag).is_ok()
    }
}

/// Without the keys themselves.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// A session key (§4.3.1, with a key derivation rate of zero): the key stream of the master key
/// behind the salt with a label in it.
fn derive<const LENGTH: usize>(keys: &SrtpKeys, label: u8) -> [u8; LENGTH] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(keys.salt());
    iv[7] ^= label;
    let mut key = [0; LENGTH];
    stream(Aes128::new(keys.key().into()), iv, &mut key);
    key
}

fn stream(cipher: Aes128, iv: [u8; 16], data: &mut [u8]) {
    let core = CtrCore::inner_iv_init(cipher, &iv.into());
    Ctr128BE::from_core(core).apply_keystream(data);
}

fn keyed(key: &[u8; AUTH_KEY]) -> Hmac<Sha1> {
    // A key shorter than a block of the hash is filled up with zeros, which is what `new` wants.
    let mut block = [0; 64];
    block[..AUTH_KEY].copy_from_slice(key);
    KeyInit::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::super::keys::Suite;
    use super::*;

    fn bytes<const LENGTH: usize>(hex: &str) -> [u8; LENGTH] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let session = Session {
            cipher: Aes128::new(&bytes("2B7E151628AED2A6ABF7158809CF4F3C").into()),
            salt: bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
            mac: keyed(&[0; 20]),
        };
        let mut stream = vec![0; 16 * 0xFF02];
        session.apply(0, 0, &mut stream);
        let block = |counter: usize| <[u8; 16]>::try_from(&stream[16 * counter..][..16]).unwrap();
        for (counter, expected) in [
            (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ] {
            assert_eq!(block(counter), bytes(expected), "block {counter:#x}");
        }
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn the_derived_keys_are_those_of_the_rfc() {
        let random = bytes("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6");
        let keys = SrtpKeys::new(Suite::AesCm128HmacSha1_80, random);
        assert_eq!(
            derive::<16>(&keys, 0),
            bytes("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            derive::<14>(&keys, 2),
            bytes("30CBBC08863D8C85D49DB34A9AE1")
        );
        let auth = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                    E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                    6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(derive::<94>(&keys, 1), bytes(auth));
    }
}
