//! How much sound goes into a packet.

use crate::codec::{Codec, FRAME_MILLIS};

/// What a peer's description says of the length of packets that it is sent (RFC 8866 §6.4, §6.5).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Packing {
    /// `a=ptime`: the milliseconds that it wants, if it says.
    pub wanted: Option<u32>,
    /// `a=maxptime`: the milliseconds that it takes at most, if it says.
    pub most: Option<u32>,
}

impl Packing {
    /// Milliseconds in a packet that we make: of the lengths that we can make, the one nearest to
    /// what is wanted that is not too long, the shorter of two.
    #[must_use]
    pub fn millis(self, codec: Codec) -> u32 {
        let wanted = self.wanted.unwrap_or(FRAME_MILLIS);
        let most = self.most.unwrap_or(u32::MAX);
        let fits = |length: &u32| *length <= most && can(codec, *length);
        let lengths = LENGTHS.into_iter().filter(fits);
        let nearest = lengths.min_by_key(|length| length.abs_diff(wanted));
        nearest.unwrap_or(LENGTH_MIN)
    }

    /// Whether packets of such a length may be handed on to the peer as they are.
    #[must_use]
    pub fn takes(self, codec: Codec, millis: u32) -> bool {
        let short_enough = self.most.is_none_or(|most| millis <= most);
        let wanted = |wanted: u32| millis == wanted || millis == self.millis(codec);
        short_enough && self.wanted.is_none_or(wanted)
    }
}

/// Whether a codec has packets of such a length. A frame of Opus is 10, 20, 40 or 60 ms
/// (RFC 6716 §2.1.4).
fn can(codec: Codec, millis: u32) -> bool {
    codec != Codec::Opus || millis != 30
}

/// The lengths of our packets, in order.
const LENGTHS: [u32; 5] = [LENGTH_MIN, 20, 30, 40, 60];

/// The shortest.
const LENGTH_MIN: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn packing(wanted: u32, most: u32) -> Packing {
        let some = |millis: u32| (millis > 0).then_some(millis);
        Packing {
            wanted: some(wanted),
            most: some(most),
        }
    }

    #[test]
    fn the_nearest_that_is_not_too_long() {
        for (wanted, most, millis) in [
            (0, 0, 20),
            (20, 0, 20),
            (10, 0, 10),
            (30, 0, 30),
            (40, 150, 40),
            (60, 0, 60),
            (1, 0, 10),
            (15, 0, 10),
            (50, 0, 40),
            (80, 0, 60),
            (u32::MAX, 0, 60),
            (40, 30, 30),
            (60, 39, 30),
            (0, 10, 10),
            (0, 5, 10),
            (0, 40, 20),
        ] {
            let found = packing(wanted, most).millis(Codec::Pcmu);
            assert_eq!(found, millis, "{wanted} {most}");
        }
        assert_eq!(packing(30, 0).millis(Codec::Opus), 20);
        assert_eq!(packing(40, 30).millis(Codec::Opus), 20);
        assert_eq!(packing(40, 0).millis(Codec::Opus), 40);
    }

    #[test]
    fn what_is_handed_on() {
        let takes = |wanted, most, millis| packing(wanted, most).takes(Codec::Pcma, millis);
        for millis in [3, 10, 20, 90, 1000] {
            assert!(takes(0, 0, millis), "who wants nothing takes all");
            assert_eq!(takes(0, 40, millis), millis <= 40);
            assert_eq!(takes(20, 0, millis), millis == 20);
            // What we cannot make ourselves, a partner may.
            assert_eq!(takes(90, 0, millis), millis == 90);
        }
        assert!(takes(90, 0, 60), "the nearest that we can");
        assert!(!takes(90, 80, 90));
    }
}
