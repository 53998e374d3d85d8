//! Wrong guesses by source: a table of fixed size.
//!
//! Sources share the places of the table by a keyed hash, so it needs no room for more of them, and
//! nobody can choose whose place to share.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sip::Instant;

use crate::siphash;

/// When each place will have made up for its guesses, in microseconds.
pub(super) struct Guesses {
    keys: [u64; 2],
    places: Box<[AtomicU64]>,
}

impl Guesses {
    pub(super) fn new(keys: [u64; 2]) -> Self {
        Self {
            keys,
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether `source` has guessed so often that nothing of it is looked at for now.
    pub(super) fn is_blocked(&self, source: IpAddr, now: Instant) -> bool {
        let until = self.place(source).map_or(0, |place| place.load(Relaxed));
        let owed = until.saturating_sub(now.as_micros());
        owed > micros(INTERVAL) * u64::from(BURST - 1)
    }

    /// Counts a wrong guess.
    pub(super) fn count(&self, source: IpAddr, now: Instant) {
        let Some(place) = self.place(source) else {
            return;
        };
        let later = |until: u64| Some(until.max(now.as_micros()) + micros(INTERVAL));
        // The closure always gives a value.
        place
            .fetch_update(Relaxed, Relaxed, later)
            .unwrap_or_default();
    }

    fn place(&self, source: IpAddr) -> Option<&AtomicU64> {
        // One customer has one IPv4 address, or a /64 of IPv6.
        let source = match source.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)
            }
        };
        let hash = u128::from_be_bytes(siphash::mac(self.keys, [&source.octets()[..]]));
        self.places.get(hash as usize % PLACES)
    }
}

impl std::fmt::Debug for Guesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guesses(..)")
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

/// Wrong guesses in a row.
pub(super) const BURST: u32 = 10;
/// How long one of them counts.
pub(super) const INTERVAL: Duration = Duration::from_secs(6);
/// Places: 128 KiB.
const PLACES: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_customer_is_a_64() {
        let guesses = Guesses::new([3, 4]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let now = Instant::from_micros(5);
        for number in 0..BURST {
            assert!(!guesses.is_blocked(ip("2001:db8::1"), now));
            guesses.count(ip(&format!("2001:db8::{number:x}")), now);
        }
        assert!(guesses.is_blocked(ip("2001:db8::ffff"), now));
        assert!(!guesses.is_blocked(ip("2001:db8:0:1::1"), now));
        assert!(!guesses.is_blocked(ip("192.0.2.1"), now));
        assert!(!guesses.is_blocked(ip("2001:db8::1"), now + INTERVAL));
    }
}
