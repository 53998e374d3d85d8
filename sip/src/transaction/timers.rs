//! The timers of RFC 3261 Table 4 and of RFC 6026, and how long each takes.

use std::time::Duration;

/// The base values from which every transaction timer follows (RFC 3261 §17.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// Longest retransmission interval of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// Longest time a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// One running timer of a transaction, by its letter in the RFCs.
///
/// Timer C belongs to the proxy core (RFC 3261 §16.6 step 11), which has
/// [`Layer::schedule`](crate::Layer::schedule) for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// INVITE request retransmission (§17.1.1.2).
    A,
    /// INVITE client transaction timeout (§17.1.1.2).
    B,
    /// Wait for retransmissions of a non-2xx final response (§17.1.1.2).
    D,
    /// Non-INVITE request retransmission (§17.1.2.2).
    E,
    /// Non-INVITE client transaction timeout (§17.1.2.2).
    F,
    /// INVITE response retransmission (§17.2.1).
    G,
    /// Wait for the ACK (§17.2.1).
    H,
    /// Wait for retransmissions of the ACK (§17.2.1).
    I,
    /// Wait for retransmissions of a non-INVITE request (§17.2.2).
    J,
    /// Wait for retransmissions of a non-INVITE response (§17.1.2.2).
    K,
    /// Wait for retransmissions of an INVITE after its 2xx (RFC 6026 §7.1).
    L,
    /// Wait for retransmissions and forks of a 2xx (RFC 6026 §7.2).
    M,
    /// A non-INVITE request should get its 100 now (RFC 4320 §4.1).
    Trying,
    /// Wait for the final response after a CANCEL (RFC 3261 §9.1).
    Canceled,
}

impl Timer {
    /// Whether this timer repeats a message, as opposed to ending a state.
    pub(super) const fn repeats(self) -> bool {
        matches!(self, Self::A | Self::E | Self::G)
    }
}

impl Timers {
    /// How long `timer` runs, the `round`th time it is started (from 0); `None` where it is not used.
    ///
    /// A zero duration (D, I, J, K over a reliable transport) means: at once.
    pub(super) fn delay(&self, timer: Timer, round: u8, reliable: bool) -> Option<Duration> {
        match timer {
            // Retransmission is the transport's business where the transport is reliable.
            Timer::A | Timer::E | Timer::G if reliable => None,
            Timer::A => Some(doubled(self.t1, round)),
            Timer::E | Timer::G => Some(doubled(self.t1, round).min(self.t2)),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Canceled => {
                Some(self.t1.saturating_mul(64))
            }
            Timer::D | Timer::J if reliable => Some(Duration::ZERO),
            Timer::D | Timer::J => Some(self.t1.saturating_mul(64)),
            Timer::I | Timer::K if reliable => Some(Duration::ZERO),
            Timer::I | Timer::K => Some(self.t4),
            Timer::Trying => Some(self.until_t2()),
        }
    }

    /// How long a client's Timer E takes to be reset to T2 (RFC 4320 §4.1): 3.5 s by default.
    fn until_t2(&self) -> Duration {
        let mut sum = Duration::ZERO;
        for round in 0..ROUND_MAX {
            let interval = doubled(self.t1, round);
            if interval >= self.t2 {
                break;
            }
            sum = sum.saturating_add(interval);
        }
        sum
    }
}

/// `base` doubled `round` times.
fn doubled(base: Duration, round: u8) -> Duration {
    base.saturating_mul(1 << round.min(ROUND_MAX))
}

/// Further doubling changes nothing: 2^16 · T1 is past every timeout.
pub(super) const ROUND_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Option<Duration> = |millis| Some(Duration::from_millis(millis));

    #[test]
    fn intervals_of_table_4() {
        let timers = Timers::default();
        let a: Vec<_> = (0..7).map(|n| timers.delay(Timer::A, n, false)).collect();
        assert_eq!(a, [500, 1000, 2000, 4000, 8000, 16000, 32000].map(MS));
        for timer in [Timer::E, Timer::G] {
            let e: Vec<_> = (0..6).map(|n| timers.delay(timer, n, false)).collect();
            assert_eq!(e, [500, 1000, 2000, 4000, 4000, 4000].map(MS));
        }
        for timer in [Timer::B, Timer::F, Timer::H, Timer::L, Timer::M] {
            assert_eq!(timers.delay(timer, 0, false), MS(32_000));
            assert_eq!(timers.delay(timer, 0, true), MS(32_000));
        }
        for (timer, unreliable) in [
            (Timer::D, 32_000),
            (Timer::I, 5_000),
            (Timer::J, 32_000),
            (Timer::K, 5_000),
        ] {
            assert_eq!(timers.delay(timer, 0, false), MS(unreliable));
            assert_eq!(timers.delay(timer, 0, true), MS(0));
        }
        for timer in [Timer::A, Timer::E, Timer::G] {
            assert_eq!(timers.delay(timer, 0, true), None);
        }
        assert_eq!(timers.delay(Timer::Trying, 0, true), MS(3_500));
        assert_eq!(timers.delay(Timer::A, u8::MAX, false), MS(500 << 16));
    }
}
