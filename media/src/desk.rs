//! What a worker lends its sessions while they work.

use std::sync::Arc;
use std::time::Instant;

use crate::counters::Tally;
use crate::link::Links;
use crate::writer::Outbox;

/// The things of a worker that are of no session.
pub(crate) struct Desk {
    /// The beginning of this turn.
    pub(crate) now: Instant,
    /// When the engine began; arrival times count from here.
    pub(crate) epoch: Instant,
    /// Ticks since then.
    pub(crate) tick: u64,
    pub(crate) tally: Tally,
    pub(crate) outbox: Outbox,
    pub(crate) links: Arc<Links>,
    /// The packet that is being made.
    pub(crate) packet: Vec<u8>,
}

impl Desk {
    pub(crate) fn new(links: Arc<Links>) -> Self {
        Self {
            now: Instant::now(),
            epoch: links.epoch,
            tick: 0,
            tally: Tally::default(),
            outbox: Outbox::default(),
            links,
            packet: Vec::with_capacity(PACKET_MAX),
        }
    }
}

/// The largest datagram that is read. RTP of 20 ms is 172 bytes, and nobody sends more than an
/// Ethernet frame.
pub(crate) const PACKET_MAX: usize = 2048;
