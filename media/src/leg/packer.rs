//! Frames of a tick become packets of the length that the peer wants.

use crate::Packing;
use crate::codec::Codec;

/// Sound on its way into packets: never more than a packet and a frame, 80 ms.
#[derive(Debug)]
pub(super) struct Packer {
    /// Samples, and steps of the timestamp, in a packet.
    samples: usize,
    steps: u32,
    /// What waits; so many samples of it are in packets already.
    waiting: Vec<i16>,
    taken: usize,
    /// The timestamp of the first sample that is in none.
    timestamp: u32,
    /// A frame came in this tick.
    fed: bool,
}

impl Packer {
    pub(super) fn new(codec: Codec, packing: Packing) -> Self {
        let millis = packing.millis(codec);
        Self {
            samples: (codec.sample_rate() / 1000 * millis) as usize,
            steps: codec.clock_rate() / 1000 * millis,
            waiting: Vec::new(),
            taken: 0,
            timestamp: 0,
            fed: false,
        }
    }

    /// Time passes. What waits goes on with the frame of this tick; after ticks that were left out,
    /// or had no frame, it goes on with nothing.
    pub(super) fn pass(&mut self, ticks: u64) {
        if !std::mem::take(&mut self.fed) || ticks > 1 {
            self.waiting.clear();
            self.taken = 0;
        }
    }

    /// Takes a frame. `timestamp` is its own, which counts if nothing waits.
    pub(super) fn add(&mut self, frame: &[i16], timestamp: u32) {
        self.waiting.drain(..self.taken.min(self.waiting.len()));
        self.taken = 0;
        if self.waiting.is_empty() {
            self.timestamp = timestamp;
        }
        self.waiting.extend_from_slice(frame);
        self.fed = true;
    }

    /// The timestamp of the next packet, if there is enough for one.
    pub(super) fn ready(&self) -> Option<u32> {
        let enough = self.waiting.len() >= self.taken + self.samples;
        enough.then_some(self.timestamp)
    }

    /// The sound of the next packet.
    pub(super) fn take(&mut self) -> &[i16] {
        let start = self.taken;
        let end = self.waiting.len().min(start + self.samples);
        self.taken = end;
        self.timestamp = self.timestamp.wrapping_add(self.steps);
        self.waiting.get(start..end).unwrap_or_default()
    }

    /// Whether a packet has begun that is not full.
    pub(super) fn is_partial(&self) -> bool {
        self.waiting.len() > self.taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packer(codec: Codec, millis: u32) -> Packer {
        let wanted = Some(millis);
        Packer::new(codec, Packing { wanted, most: None })
    }

    #[test]
    fn packets_come_as_they_fill() {
        for (millis, counts) in [
            (10, [2, 2, 2, 2, 2, 2]),
            (20, [1, 1, 1, 1, 1, 1]),
            (30, [0, 1, 1, 0, 1, 1]),
            (40, [0, 1, 0, 1, 0, 1]),
            (60, [0, 0, 1, 0, 0, 1]),
        ] {
            let mut packer = packer(Codec::G722, millis);
            for (tick, count) in counts.into_iter().enumerate() {
                packer.pass(1);
                packer.add(&[0; 320], 7 + 160 * tick as u32);
                let mut packets = 0;
                while packer.ready().is_some() {
                    assert_eq!(packer.take().len(), millis as usize * 16);
                    packets += 1;
                }
                assert_eq!(packets, count, "{millis} {tick}");
            }
            assert!(!packer.is_partial());
        }
    }

    #[test]
    fn a_pause_leaves_nothing_behind() {
        let mut packer = packer(Codec::Pcmu, 40);
        packer.pass(1);
        packer.add(&[1; 160], 0);
        assert!(packer.ready().is_none() && packer.is_partial());
        packer.pass(1);
        assert!(packer.is_partial(), "its tick is now");
        packer.pass(1);
        assert!(!packer.is_partial());
        packer.add(&[2; 160], 480);
        packer.pass(2);
        assert!(!packer.is_partial(), "a tick was left out");
    }

    proptest! {
        /// Whatever the codec and the length: all samples once and in order, at their time.
        #[test]
        fn nothing_is_lost(
            codec in prop::sample::select(vec![Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus]),
            millis in prop::sample::select(vec![10_u32, 20, 30, 40, 60]),
            ticks in 1..50_usize,
            start: u32,
        ) {
            let mut packer = packer(codec, millis);
            let length = codec.frame_samples();
            let (mut sent, mut at) = (Vec::new(), start);
            for tick in 0..ticks {
                packer.pass(1);
                let first = (tick * length) as i16;
                let frame: Vec<i16> = (0..length as i16).map(|it| first.wrapping_add(it)).collect();
                packer.add(&frame, start.wrapping_add(tick as u32 * codec.frame_ticks()));
                while let Some(timestamp) = packer.ready() {
                    prop_assert_eq!(timestamp, at);
                    let sound = packer.take();
                    at = at.wrapping_add(sound.len() as u32 * codec.clock_rate() / codec.sample_rate());
                    sent.extend_from_slice(sound);
                }
                prop_assert!(packer.waiting.len() <= length * 4);
            }
            let all: Vec<i16> = (0..ticks * length).map(|it| it as i16).collect();
            prop_assert!(all.starts_with(&sent));
            prop_assert!(all.len() - sent.len() < length * 3);
        }
    }
}
