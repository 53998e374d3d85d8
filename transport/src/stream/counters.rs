//! What happened to connections, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::connection::End;

/// Counts since the start, and the state of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Connections now.
    pub connections: usize,
    /// Bytes that wait to be written now.
    pub queued_bytes: usize,
    /// Connections that were established, in both directions.
    pub opened: u64,
    /// Messages received.
    pub messages: u64,
    /// Connections refused because there were too many.
    pub refused_total: u64,
    /// Connections refused because one address had too many.
    pub refused_per_ip: u64,
    /// Connections that could not be established.
    pub connect_failed: u64,
    /// Connections closed because nothing happened.
    pub closed_idle: u64,
    /// Connections closed because they could not be framed.
    pub closed_malformed: u64,
    /// Connections closed because a message did not become complete in time.
    pub closed_deadline: u64,
    /// Connections closed because the peer did not read.
    pub closed_slow_reader: u64,
    /// Failures to accept a connection, such as no more file descriptors.
    pub accept_errors: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) refused_total: AtomicU64,
    pub(super) refused_per_ip: AtomicU64,
    pub(super) connect_failed: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    closed_idle: AtomicU64,
    closed_malformed: AtomicU64,
    closed_deadline: AtomicU64,
    closed_slow_reader: AtomicU64,
}

impl Counters {
    pub(super) fn ended(&self, end: End) {
        let counter = match end {
            End::Idle => &self.closed_idle,
            End::Malformed => &self.closed_malformed,
            End::MessageDeadline => &self.closed_deadline,
            End::SlowReader => &self.closed_slow_reader,
            End::Broken | End::Closed | End::Eof => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, connections: usize, queued_bytes: usize) -> StreamStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StreamStats {
            connections,
            queued_bytes,
            opened: read(&self.opened),
            messages: read(&self.messages),
            refused_total: read(&self.refused_total),
            refused_per_ip: read(&self.refused_per_ip),
            connect_failed: read(&self.connect_failed),
            closed_idle: read(&self.closed_idle),
            closed_malformed: read(&self.closed_malformed),
            closed_deadline: read(&self.closed_deadline),
            closed_slow_reader: read(&self.closed_slow_reader),
            accept_errors: read(&self.accept_errors),
        }
    }
}
