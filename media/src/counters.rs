//! What an engine counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::Quality;
use crate::quality::QualityCells;

/// What an engine has done since it started, and what it has now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Sessions that are open.
    pub sessions: usize,
    /// Sessions that may be open.
    pub sessions_max: usize,
    /// UDP ports that are bound.
    pub ports: usize,
    /// Rooms that are open.
    pub rooms: usize,
    /// RTP packets taken in.
    pub packets_received: u64,
    /// RTP packets sent, relayed ones too.
    pub packets_sent: u64,
    /// RTP packets handed on without a decoder.
    pub packets_relayed: u64,
    /// RTP packets that never came, or too late to be heard.
    pub packets_lost: u64,
    /// Datagrams that are not taken: malformed, from elsewhere, not authentic, or of a peer that was
    /// told not to send.
    pub packets_refused: u64,
    /// Packets that the kernel did not take.
    pub packets_unsent: u64,
    /// Ticks of 20 ms that all threads have done.
    pub ticks: u64,
    /// Ticks left out since a thread was more than 100 ms behind.
    pub ticks_skipped: u64,
    /// Milliseconds of recordings that are lost since the disk was too slow.
    pub recorded_lost_ms: u64,
    /// Commands lost since a session had too many waiting.
    pub commands_lost: u64,
    /// How far the time between two packets of one session was from 20 ms.
    pub jitter: Jitter,
    /// How well the peers of ended sessions were received.
    pub quality: Quality,
}

/// A histogram of deviations from the time at which a packet is due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jitter {
    /// How many were within the bound of the same place in [`Jitter::BOUNDS`]; the last is all
    /// above.
    pub counts: [u64; Self::BOUNDS.len() + 1],
}

impl Jitter {
    /// Upper bounds of the counts.
    pub const BOUNDS: [Duration; 11] = [
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(200),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(50),
        Duration::from_millis(100),
    ];

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound below which `share` of them are (0.99 for p99); `None` if it is above all bounds,
    /// or there are none.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = self.total() as f64 * share;
        let mut sum = 0;
        if self.total() == 0 {
            return None;
        }
        for (bound, count) in Self::BOUNDS.iter().zip(self.counts) {
            sum += count;
            if sum as f64 >= wanted {
                return Some(*bound);
            }
        }
        None
    }

    /// The place in `counts` of a deviation.
    pub(crate) fn place(deviation: Duration) -> usize {
        Self::BOUNDS.partition_point(|bound| *bound < deviation)
    }
}

/// The same, as threads add to it.
#[derive(Default)]
pub(crate) struct Cells {
    pub(crate) sessions: AtomicUsize,
    pub(crate) ports: AtomicUsize,
    pub(crate) rooms: AtomicUsize,
    received: AtomicU64,
    sent: AtomicU64,
    relayed: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    unsent: AtomicU64,
    ticks: AtomicU64,
    ticks_skipped: AtomicU64,
    recorded_lost_ms: AtomicU64,
    commands_lost: AtomicU64,
    jitter: [AtomicU64; Jitter::BOUNDS.len() + 1],
    pub(crate) quality: QualityCells,
}

/// What one thread has counted since it last added it to the cells.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) relayed: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
    pub(crate) unsent: u64,
    pub(crate) ticks: u64,
    pub(crate) ticks_skipped: u64,
    pub(crate) jitter: [u64; Jitter::BOUNDS.len() + 1],
}

impl Cells {
    /// Adds a tally, which is zero afterwards.
    pub(crate) fn add(&self, tally: &mut Tally) {
        let tally = std::mem::take(tally);
        let pairs = [
            (&self.received, tally.received),
            (&self.sent, tally.sent),
            (&self.relayed, tally.relayed),
            (&self.lost, tally.lost),
            (&self.refused, tally.refused),
            (&self.unsent, tally.unsent),
            (&self.ticks, tally.ticks),
            (&self.ticks_skipped, tally.ticks_skipped),
        ];
        for (cell, count) in pairs
            .into_iter()
            .chain(self.jitter.iter().zip(tally.jitter))
        {
            if count > 0 {
                cell.fetch_add(count, Relaxed);
            }
        }
    }

    pub(crate) fn command_lost(&self) {
        self.commands_lost.fetch_add(1, Relaxed);
    }

    pub(crate) fn recorded_lost(&self, millis: u64) {
        self.recorded_lost_ms.fetch_add(millis, Relaxed);
    }

    pub(crate) fn read(&self, sessions_max: usize) -> Counters {
        let get = |cell: &AtomicU64| cell.load(Relaxed);
        Counters {
            sessions: self.sessions.load(Relaxed),
            sessions_max,
            ports: self.ports.load(Relaxed),
            rooms: self.rooms.load(Relaxed),
            packets_received: get(&self.received),
            packets_sent: get(&self.sent),
            packets_relayed: get(&self.relayed),
            packets_lost: get(&self.lost),
            packets_refused: get(&self.refused),
            packets_unsent: get(&self.unsent),
            ticks: get(&self.ticks),
            ticks_skipped: get(&self.ticks_skipped),
            recorded_lost_ms: get(&self.recorded_lost_ms),
            commands_lost: get(&self.commands_lost),
            jitter: Jitter {
                counts: self.jitter.each_ref().map(get),
            },
            quality: self.quality.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let mut jitter = Jitter::default();
        assert_eq!(jitter.percentile(0.99), None);
        jitter.counts[Jitter::place(Duration::from_micros(30))] += 98;
        jitter.counts[Jitter::place(Duration::from_micros(1500))] += 2;
        assert_eq!(jitter.percentile(0.5), Some(Duration::from_micros(50)));
        assert_eq!(jitter.percentile(0.99), Some(Duration::from_millis(2)));
        jitter.counts[Jitter::place(Duration::from_secs(1))] += 100;
        assert_eq!(jitter.percentile(0.99), None);
        assert_eq!(jitter.total(), 200);
    }

    #[test]
    fn tallies_are_added_once() {
        let cells = Cells::default();
        let mut tally = Tally {
            sent: 3,
            ..Tally::default()
        };
        tally.jitter[1] = 2;
        cells.add(&mut tally);
        cells.add(&mut tally);
        let counters = cells.read(7);
        assert_eq!((counters.packets_sent, counters.sessions_max), (3, 7));
        assert_eq!(counters.jitter.counts[1], 2);
    }
}
