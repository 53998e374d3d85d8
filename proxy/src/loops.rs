//! Loop detection (RFC 5393 §4.2): a hash of everything that routing depends on, in our branch.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use sip::{CSeq, HeaderName, HeaderSet, Request, Via};

use crate::branch_id;

/// Hashes the fields of a request that routing depends on, with this process's own key.
///
/// A request that comes back with the same hash would be routed the same way again: a loop. One
/// that comes back changed spirals, which is allowed.
#[derive(Clone)]
pub struct LoopHash(SeedableRandomState);

impl LoopHash {
    /// A hash with a secret `seed`.
    pub fn new(seed: u64) -> Self {
        Self(SeedableRandomState::with_seed(
            seed,
            SharedSeed::global_random(),
        ))
    }

    /// The hash of `request` as it was received (RFC 5393 §4.2.1 names the fields).
    pub fn of(&self, request: &Request) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(request.uri_bytes());
        for (_, header) in request.headers.among(ROUTING) {
            if header.id == HeaderName::CSeq {
                let number = header.value.split(|byte| *byte == b' ').next();
                hasher.write(number.unwrap_or_default());
            } else {
                hasher.write_u8(header.id as u8);
                hasher.write(header.value);
                hasher.write_u8(0);
            }
        }
        hasher.finish()
    }

    /// What stands in the To tag of our own answer to `request`. The ACK to that answer and a CANCEL
    /// have the same (RFC 3261 §8.2.7, §9.2).
    pub fn tag_of(&self, request: &Request) -> u64 {
        let headers = &request.headers;
        let mut hasher = self.0.build_hasher();
        let via = headers
            .list(HeaderName::Via)
            .next()
            .and_then(|value| Via::parse(value).ok());
        hasher.write(via.and_then(|via| via.branch()).unwrap_or_default());
        for id in [HeaderName::CallId, HeaderName::From] {
            hasher.write_u8(id as u8);
            hasher.write(headers.first(id).unwrap_or_default());
        }
        let cseq = headers
            .first(HeaderName::CSeq)
            .and_then(|value| CSeq::parse(value).ok());
        hasher.write_u32(cseq.map_or(0, |cseq| cseq.number));
        hasher.finish()
    }

    /// Whether one of the Via values of `request` is ours and holds `hash`.
    pub fn is_loop(&self, request: &Request, hash: u64, is_own: impl Fn(&Via<'_>) -> bool) -> bool {
        let text = hex(hash);
        request.headers.all(HeaderName::Via).any(|row| {
            // Hardly any row has it, so it is looked for before anything is read.
            branch_id::have_hash(row, &text)
                && sip::elements(row).any(|value| {
                    Via::parse(value).is_ok_and(|via| {
                        via.branch().is_some_and(|branch| branch.ends_with(&text)) && is_own(&via)
                    })
                })
        })
    }
}

/// What routing depends on besides the Request-URI.
const ROUTING: HeaderSet = HeaderSet::of(&[
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::From,
    HeaderName::ProxyAuthorization,
    HeaderName::ProxyRequire,
    HeaderName::Route,
    HeaderName::To,
]);

impl std::fmt::Debug for LoopHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoopHash(..)")
    }
}

/// Sixteen lower-case hexadecimal digits.
pub fn hex(number: u64) -> [u8; 16] {
    let mut text = [0u8; 16];
    let (high, low) = text.split_at_mut(8);
    high.copy_from_slice(&hex_half((number >> 32) as u32));
    low.copy_from_slice(&hex_half(number as u32));
    text
}

/// Eight digits at once: each half byte goes to a byte of its own.
fn hex_half(number: u32) -> [u8; 8] {
    let mut digits = u64::from(number);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Six more than a letter's digit reach the next half byte.
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let ascii = digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10);
    ascii.to_be_bytes()
}

/// Reads hexadecimal digits of either case.
pub fn unhex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        Some(sum << 4 | u64::from((*byte as char).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            let text = hex(number);
            assert_eq!(text, *format!("{number:016x}").as_bytes());
            assert_eq!(unhex(&text), Some(number));
        }
    }
}
