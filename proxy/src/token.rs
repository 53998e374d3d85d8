//! The signed token in our Record-Route URIs: what any node must know to route within a dialog.
//!
//! ```text
//! version 1 │ sides 1 │ caller tag 4 │ chain 3 │ caller trunk 3 │ callee trunk 3 │ MAC 9     24 bytes, 32 characters
//! ```
//!
//! Names are carried as hashes, so a token means the same on every node with the same
//! configuration, and after a reload. The MAC covers the Call-ID: a token of one call opens no
//! route in another. It is SipHash-2-4 with a key of 128 bits, cut to 72: whoever has no key is right
//! once in 2^72 tries, and each try is a request that is answered 403.

use filters::Trust;
use sha2::{Digest, Sha256};

use crate::siphash;

/// The parameter of the Record-Route URI that holds the token.
pub const PARAM: &[u8] = b"hs";

/// What a dialog needs to be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Hash of the caller's From tag: tells the caller's requests from the callee's.
    pub caller_tag: u32,
    /// Hash of the chain's name.
    pub chain: u32,
    /// The side that sent the request which formed the dialog.
    pub caller: Side,
    /// The side that it went to.
    pub callee: Side,
}

/// One side of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// How far it is trusted.
    pub trust: Trust,
    /// Hash of its trunk's name; 0 for none.
    pub trunk: u32,
    /// Whether it is reached by its flow: what it names as Contact may not lead to it.
    pub by_flow: bool,
}

/// Signs and reads tokens.
#[derive(Clone)]
pub struct TokenKey([u64; 2]);

impl TokenKey {
    /// A key made of a secret of any length.
    pub fn new(secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"hookswitch route token");
        hash.update(secret);
        let hash = hash.finalize();
        let word = |at: usize| {
            let bytes = hash.iter().skip(at).take(8);
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        Self([word(0), word(8)])
    }

    /// The text of `token` for the dialog with `call_id`.
    pub fn sign(&self, token: &Token, call_id: &[u8]) -> [u8; TEXT] {
        let mut bytes = [0u8; BYTES];
        bytes[0] = VERSION;
        bytes[1] = side_code(&token.caller) << 4 | side_code(&token.callee);
        bytes[2..6].copy_from_slice(&token.caller_tag.to_be_bytes());
        for (at, hash) in [
            (6, token.chain),
            (9, token.caller.trunk),
            (12, token.callee.trunk),
        ] {
            bytes[at..at + 3].copy_from_slice(&hash.to_be_bytes()[1..]);
        }
        if let Some((payload, mac)) = bytes.split_first_chunk_mut() {
            mac.copy_from_slice(&self.mac(payload, call_id));
        }
        encode(&bytes)
    }

    /// Reads a token; `None` where it was not signed by us for this Call-ID.
    pub fn read(&self, text: &[u8], call_id: &[u8]) -> Option<Token> {
        let bytes = decode(text)?;
        let (payload, told) = bytes.split_first_chunk()?;
        // Compared without an early end, so that time tells nothing.
        let pairs = self.mac(payload, call_id).into_iter().zip(told);
        let differ = pairs.fold(0, |sum, (ours, told)| sum | (ours ^ told));
        if differ != 0 || bytes[0] != VERSION {
            return None;
        }
        let hash = |at: usize| u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
        Some(Token {
            caller_tag: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            chain: hash(6),
            caller: Side {
                trust: trust_of(bytes[1] >> 4 & 3),
                trunk: hash(9),
                by_flow: bytes[1] & BY_FLOW << 4 != 0,
            },
            callee: Side {
                trust: trust_of(bytes[1] & 3),
                trunk: hash(12),
                by_flow: bytes[1] & BY_FLOW != 0,
            },
        })
    }

    /// The MAC of the text of a flow, for the call `call_id` (`hsf`).
    pub(crate) fn seal(&self, flow: &[u8], call_id: &[u8]) -> u64 {
        // No token begins like that; the length marks where the flow ends.
        let length = (flow.len() as u64).to_be_bytes();
        let full = siphash::mac(self.0, [b"flow", &length, flow, call_id]);
        u64::from_be_bytes(*full.first_chunk().unwrap_or(&[0; 8]))
    }

    fn mac(&self, payload: &[u8; PAYLOAD], call_id: &[u8]) -> [u8; BYTES - PAYLOAD] {
        let full = siphash::mac(self.0, [payload, call_id]);
        let mut short = [0u8; BYTES - PAYLOAD];
        short.copy_from_slice(&full[..BYTES - PAYLOAD]);
        short
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// A 24-bit hash of a name, never 0 (FNV-1a: the names are the operator's own).
pub fn name_hash(name: &str) -> u32 {
    let hash = tag_hash(name.as_bytes());
    ((hash ^ (hash >> 24)) & 0x00ff_ffff).max(1)
}

/// A 32-bit hash of a From tag (FNV-1a).
pub fn tag_hash(tag: &[u8]) -> u32 {
    tag.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Two bits of trust, and one that says how the side is reached.
fn side_code(side: &Side) -> u8 {
    let by_flow = if side.by_flow { BY_FLOW } else { 0 };
    by_flow | trust_code(side.trust)
}

fn trust_code(trust: Trust) -> u8 {
    match trust {
        Trust::Untrusted => 0,
        Trust::Partner => 1,
        Trust::Internal => 2,
    }
}

fn trust_of(code: u8) -> Trust {
    match code {
        1 => Trust::Partner,
        2 => Trust::Internal,
        _ => Trust::Untrusted,
    }
}

fn encode(bytes: &[u8; BYTES]) -> [u8; TEXT] {
    let mut text = [0u8; TEXT];
    for (from, to) in bytes.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let bits = u32::from(from[0]) << 16 | u32::from(from[1]) << 8 | u32::from(from[2]);
        for (at, slot) in to.iter_mut().enumerate() {
            *slot = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
        }
    }
    text
}

fn decode(text: &[u8]) -> Option<[u8; BYTES]> {
    if text.len() != TEXT {
        return None;
    }
    let mut bytes = [0u8; BYTES];
    // What is no letter is found at the end: its value has a bit that no other has.
    let mut all = 0;
    for (from, to) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
        let mut bits = 0u32;
        for byte in from {
            let value = VALUES[usize::from(*byte)];
            all |= value;
            bits = bits << 6 | u32::from(value);
        }
        to.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    (all & NO_LETTER == 0).then_some(bytes)
}

const VERSION: u8 = 2;
const BY_FLOW: u8 = 4;
const PAYLOAD: usize = 15;
const BYTES: usize = 24;
const TEXT: usize = 32;
/// base64url: every letter may stand in a URI parameter.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// The value of each byte that is a letter of [`ALPHABET`]; [`NO_LETTER`] of any other.
const VALUES: [u8; 256] = {
    let mut table = [NO_LETTER; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        table[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    table
};
const NO_LETTER: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            caller_tag: 0xdead_beef,
            chain: name_hash("inbound"),
            caller: Side {
                trust: Trust::Untrusted,
                trunk: name_hash("carrier-a"),
                by_flow: true,
            },
            callee: Side {
                trust: Trust::Internal,
                trunk: 0,
                by_flow: false,
            },
        }
    }

    #[test]
    fn reads_what_it_signed_for_this_call_only() {
        let key = TokenKey::new(b"0123456789abcdef");
        let text = key.sign(&token(), b"call-1");
        assert_eq!(key.read(&text, b"call-1"), Some(token()));
        assert_eq!(key.read(&text, b"call-2"), None);
        assert_eq!(TokenKey::new(b"another").read(&text, b"call-1"), None);
        assert_eq!(key.read(&text[..31], b"call-1"), None);
        assert_eq!(key.read(b"", b"call-1"), None);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let key = TokenKey::new(b"0123456789abcdef");
        let text = key.sign(&token(), b"call-1");
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bad = text;
                bad[at] ^= 1 << bit;
                assert_eq!(key.read(&bad, b"call-1"), None, "byte {at} bit {bit}");
            }
        }
    }
}
