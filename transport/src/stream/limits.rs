//! What connections may cost.

use std::time::Duration;

/// Bounds on connections. The defaults are meant for the open internet.
#[derive(Clone, Debug)]
pub struct StreamLimits {
    /// Connections at once, in both directions. Over it, new ones are closed at once.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64, unless
    /// [`super::StreamEvents::exempt`].
    pub connections_per_ip: usize,
    /// Bounds on one message.
    pub message: sip::Limits,
    /// From the first byte of a message to its last. Bytes in between do not prolong it.
    pub message_deadline: Duration,
    /// Without a message or a keep-alive in either direction the connection is closed, unless
    /// [`super::StreamEvents::is_wanted`].
    pub idle: Duration,
    /// Bytes that may wait to be written to one connection. Over it, the reader is too slow and the
    /// connection closed.
    pub write_queue: usize,
    /// Bytes that may wait to be written to all connections.
    pub write_queue_total: usize,
    /// A write that makes no progress for this long closes the connection.
    pub write_stall: Duration,
    /// To establish a connection.
    pub connect_timeout: Duration,
    /// After a connection attempt failed, further messages to that peer fail at once for this long,
    /// doubled with each failure, plus up to a half at random. Zero: try again with every message.
    pub connect_backoff: Duration,
    /// The longest such pause.
    pub connect_backoff_max: Duration,
    /// A peer that has sent requests and then closed its side may still read answers for this long.
    pub half_closed: Duration,
    /// Connections of that kind at once; they do not count against the address. Over it, the oldest
    /// is closed.
    pub half_closed_max: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_ip: 64,
            message: sip::Limits::default(),
            message_deadline: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            write_queue: 256 << 10,
            write_queue_total: 64 << 20,
            write_stall: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            connect_backoff: Duration::from_millis(250),
            connect_backoff_max: Duration::from_secs(4),
            half_closed: Duration::from_secs(5),
            half_closed_max: 256,
        }
    }
}

impl StreamLimits {
    /// Lowers [`Self::connections`] so that connections take at most three quarters of the files
    /// that this process may open: UDP, DNS and webhooks must go on when connections are exhausted.
    #[must_use]
    pub fn within_open_files(mut self) -> Self {
        if let Some(files) = open_files_max() {
            self.connections = self.connections.min(files / 4 * 3);
        }
        self
    }
}

/// RLIMIT_NOFILE, as the kernel tells it.
fn open_files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        let files = open_files_max().expect("a limit");
        let limits = StreamLimits {
            connections: usize::MAX,
            ..StreamLimits::default()
        };
        assert!(limits.within_open_files().connections < files);
    }
}
