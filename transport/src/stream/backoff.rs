//! Peers that could not be connected to a moment ago.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use dashmap::DashMap;
use sip::Transport;
use tokio::time::Instant;

/// When a peer that failed may be tried again. A dead carrier costs one attempt a pause instead of
/// one a call, and a carrier that comes back does not meet everyone at once.
#[derive(Debug)]
pub(super) struct Backoff {
    failed: DashMap<(Transport, SocketAddr), Failed>,
    first: Duration,
    max: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    until: Instant,
    times: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self {
            failed: DashMap::new(),
            first,
            max,
        }
    }

    pub(super) fn is_waiting(&self, transport: Transport, remote: SocketAddr) -> bool {
        self.failed
            .get(&(transport, remote))
            .is_some_and(|failed| Instant::now() < failed.until)
    }

    pub(super) fn failed(&self, transport: Transport, remote: SocketAddr) {
        if self.first.is_zero() {
            return;
        }
        let now = Instant::now();
        if self.failed.len() >= PEERS_MAX {
            self.failed.retain(|_, failed| failed.until > now);
            if self.failed.len() >= PEERS_MAX {
                return;
            }
        }
        let mut entry = self.failed.entry((transport, remote)).or_insert(Failed {
            until: now,
            times: 0,
        });
        let pause = self
            .first
            .saturating_mul(1 << entry.times.min(16))
            .min(self.max);
        entry.times += 1;
        entry.until = now + pause + jitter(pause / 2);
    }

    pub(super) fn succeeded(&self, transport: Transport, remote: SocketAddr) {
        self.failed.remove(&(transport, remote));
    }
}

/// Something between nothing and `most`. Every `RandomState` hashes nothing to another number.
fn jitter(most: Duration) -> Duration {
    let part = (RandomState::new().build_hasher().finish() % 1_000) as u32;
    most * part / 1_000
}

/// Peers that are remembered as failing.
const PEERS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_their_bound_and_end_with_success() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let peer = "192.0.2.1:5060".parse().expect("an address");
        assert!(!backoff.is_waiting(Transport::Tcp, peer));
        for pause in [100, 200, 400, 400, 400] {
            backoff.failed(Transport::Tcp, peer);
            tokio::time::advance(Duration::from_millis(pause - 1)).await;
            assert!(backoff.is_waiting(Transport::Tcp, peer));
            tokio::time::advance(Duration::from_millis(pause / 2 + 1)).await;
            assert!(!backoff.is_waiting(Transport::Tcp, peer));
        }
        backoff.succeeded(Transport::Tcp, peer);
        assert!(backoff.failed.is_empty());
    }
}
