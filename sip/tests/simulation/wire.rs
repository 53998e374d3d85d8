//! A wire that loses, repeats and delays packets, and the randomness of the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use sip::Instant;

/// SplitMix64: small, seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packet {
    at: Instant,
    number: u64,
    pub(crate) source: usize,
    pub(crate) target: usize,
    pub(crate) wire: Bytes,
}

pub(crate) struct Wire {
    faulty: bool,
    /// Everything is lost in between.
    blackout: Range<Instant>,
    dark: bool,
    pub(crate) digest: u64,
    reliable: bool,
    /// How bad this seed's wire is.
    loss: u64,
    random: Random,
    queue: BinaryHeap<Reverse<Packet>>,
    number: u64,
}

impl Wire {
    pub(crate) fn new(mut random: Random, reliable: bool) -> Self {
        Self {
            faulty: true,
            blackout: blackout(&mut random),
            dark: false,
            digest: 0,
            reliable,
            loss: random.below(70),
            random,
            queue: BinaryHeap::new(),
            number: 0,
        }
    }

    pub(crate) fn set_time(&mut self, now: Instant, faults_end: Instant) {
        self.faulty = now < faults_end;
        self.dark = self.blackout.contains(&now);
    }

    pub(crate) fn send(&mut self, source: usize, target: usize, wire: Bytes, now: Instant) {
        let faulty = self.faulty && !self.reliable;
        if faulty && (self.dark || self.random.chance(self.loss)) {
            return;
        }
        let copies = if faulty && self.random.chance(15) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = match faulty {
                // Up to 4 s late and out of order: less than T4, as RFC 3261 presumes.
                true if self.random.chance(10) => self.random.millis(4_000),
                true => self.random.millis(200),
                false => Duration::from_millis(20),
            };
            self.number += 1;
            self.queue.push(Reverse(Packet {
                at: now + delay,
                number: self.number,
                source,
                target,
                wire: wire.clone(),
            }));
        }
    }

    /// Whether the transport refuses to send this time.
    pub(crate) fn refuses(&mut self) -> bool {
        self.faulty && self.random.below(400) == 0
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(packet)| packet.at)
    }

    pub(crate) fn take(&mut self, now: Instant) -> Option<Packet> {
        if self.deadline()? > now {
            return None;
        }
        let Reverse(packet) = self.queue.pop()?;
        for &byte in packet.wire.iter() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.digest ^= now.as_micros();
        Some(packet)
    }
}

/// One seed in four loses its wire altogether for a while, long enough for Timers B, F and H.
fn blackout(random: &mut Random) -> Range<Instant> {
    if !random.chance(25) {
        return Instant::ZERO..Instant::ZERO;
    }
    let start = Instant::ZERO + random.millis(30_000);
    start..start + Duration::from_secs(40)
}
