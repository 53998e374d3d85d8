//! Nonces: signed times, and how often each was used.
//!
//! ```text
//! microseconds 8 │ salt 8 │ MAC over both, source and realm 16     32 bytes, 64 hexadecimal digits
//! ```
//!
//! Nothing is kept of a nonce before somebody has proved a name with it. From then on its count is
//! kept until the nonce is too old, so no response is good twice (RFC 7616 §3.3, §5.12). Where more
//! are in use than there is room for, the oldest are forgotten and with them every nonce of their
//! time: their owners are challenged anew, and nothing can be replayed.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sip::Instant;

use crate::loops::{hex, unhex};
use crate::siphash;

/// A nonce that we have made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonce {
    issued: Instant,
    salt: u64,
}

/// What a count is to a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Higher than every one before.
    New,
    /// Seen, or perhaps seen; or the nonce is too old.
    Old,
}

/// Makes nonces and keeps their counts.
#[derive(Debug)]
pub(super) struct Nonces {
    keys: [u64; 2],
    shards: [Mutex<Shard>; SHARDS],
}

/// Nonces in use, by their salts: those of this time, and those of the time before.
#[derive(Debug, Default)]
struct Shard {
    current: HashMap<u64, u32, RandomState>,
    former: HashMap<u64, u32, RandomState>,
    /// When `current` was begun, and so `former` closed: all in there is older.
    begun: Instant,
    /// Nonces up to here are forgotten.
    forgotten: Option<Instant>,
}

impl Nonces {
    pub(super) fn new(keys: [u64; 2]) -> Self {
        Self {
            keys,
            shards: Default::default(),
        }
    }

    /// A nonce for `source`.
    pub(super) fn issue(&self, realm: &str, source: IpAddr, salt: u64, now: Instant) -> String {
        let issued = now.as_micros();
        let mac = self.mac(issued, salt, realm, source);
        let parts = [issued, salt, mac[0], mac[1]].map(hex);
        String::from_utf8_lossy(parts.as_flattened()).into_owned()
    }

    /// Reads a nonce; `None` where we did not make it for `source` and `realm`.
    pub(super) fn read(&self, text: &[u8], realm: &str, source: IpAddr) -> Option<Nonce> {
        let mut words = [0u64; 4];
        if text.len() != 16 * words.len() {
            return None;
        }
        for (word, digits) in words.iter_mut().zip(text.chunks_exact(16)) {
            *word = unhex(digits)?;
        }
        let [issued, salt, told @ ..] = words;
        let ours = self.mac(issued, salt, realm, source);
        // Compared without an early end, so that time tells nothing.
        let differ = (ours[0] ^ told[0]) | (ours[1] ^ told[1]);
        (differ == 0).then(|| Nonce {
            issued: Instant::from_micros(issued),
            salt,
        })
    }

    /// Takes note of a use.
    pub(super) fn spend(&self, nonce: Nonce, count: u32, now: Instant) -> Use {
        if now - nonce.issued > AGE {
            return Use::Old;
        }
        let shard = &self.shards[nonce.salt as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.spend(nonce, count, now)
    }

    fn mac(&self, issued: u64, salt: u64, realm: &str, source: IpAddr) -> [u64; 2] {
        let source = match source.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let parts: [&[u8]; 4] = [
            &issued.to_be_bytes(),
            &salt.to_be_bytes(),
            &source.octets(),
            realm.as_bytes(),
        ];
        let number = u128::from_be_bytes(siphash::mac(self.keys, parts));
        [(number >> 64) as u64, number as u64]
    }
}

impl Shard {
    fn spend(&mut self, nonce: Nonce, count: u32, now: Instant) -> Use {
        if now - self.begun > AGE || self.current.len() >= USED_MAX {
            // What `former` holds was issued before `current` was begun.
            self.forgotten = (!self.former.is_empty())
                .then_some(self.begun)
                .or(self.forgotten);
            self.former = std::mem::take(&mut self.current);
            self.begun = now;
        }
        if self.forgotten.is_some_and(|until| nonce.issued <= until) {
            return Use::Old;
        }
        let known = match self.current.get_mut(&nonce.salt) {
            Some(known) => Some(known),
            None => self.former.get_mut(&nonce.salt),
        };
        match known {
            Some(known) if count <= *known => Use::Old,
            Some(known) => {
                *known = count;
                Use::New
            }
            None => {
                self.current.insert(nonce.salt, count);
                Use::New
            }
        }
    }
}

/// How long a nonce is good.
pub(super) const AGE: Duration = Duration::from_secs(120);
const SHARDS: usize = 16;
/// Nonces of one shard that are in use at a time, twice: 4 MiB for all of them.
const USED_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(nonces: &Nonces, salt: u64, at: u64) -> Nonce {
        let source = IpAddr::from([192, 0, 2, 1]);
        let text = nonces.issue("r", source, salt, Instant::from_micros(at));
        nonces.read(text.as_bytes(), "r", source).unwrap()
    }

    #[test]
    fn only_ours_are_read() {
        let nonces = Nonces::new([1, 2]);
        let source = IpAddr::from([192, 0, 2, 1]);
        let text = nonces.issue("r", source, 7, Instant::from_micros(1));
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert!(nonces.read(text.as_bytes(), "r", mapped).is_some());
        assert!(nonces.read(text.as_bytes(), "s", source).is_none());
        assert!(nonces.read(&text.as_bytes()[1..], "r", source).is_none());
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            assert!(nonces.read(&bad, "r", source).is_none(), "digit {at}");
        }
    }

    #[test]
    fn memory_is_bounded_and_nothing_can_be_used_twice() {
        let nonces = Nonces::new([1, 2]);
        // All in one shard, and far more than it has room for.
        let all: Vec<Nonce> = (0..3 * USED_MAX as u64)
            .map(|number| nonce(&nonces, number * SHARDS as u64, 1000 + number))
            .collect();
        for (at, nonce) in all.iter().enumerate() {
            let now = Instant::from_micros(1000 + at as u64);
            assert_eq!(nonces.spend(*nonce, 1, now), Use::New, "{at}");
        }
        let later = Instant::from_micros(50_000);
        for nonce in &all {
            assert_eq!(nonces.spend(*nonce, 1, later), Use::Old);
        }
        let shard = nonces.shards[0].lock().unwrap();
        assert!(shard.current.len() + shard.former.len() <= 2 * USED_MAX);
    }

    #[test]
    fn a_count_outlives_the_change_of_times() {
        let nonces = Nonces::new([1, 2]);
        let age = AGE.as_micros() as u64;
        let first = nonce(&nonces, 16, 1000);
        let second = nonce(&nonces, 32, age + 500);
        assert_eq!(nonces.spend(first, 2, Instant::from_micros(1000)), Use::New);
        assert_eq!(
            nonces.spend(second, 1, Instant::from_micros(age + 1001)),
            Use::New
        );
        let now = Instant::from_micros(age + 1000);
        assert_eq!(nonces.spend(first, 2, now), Use::Old);
        assert_eq!(nonces.spend(first, 3, now), Use::New);
    }
}
