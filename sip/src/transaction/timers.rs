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
    /// In the order of their declaration.
    pub(super) const ALL: [Self; 14] = [
        Self::A,
        Self::B,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::H,
        Self::I,
        Self::J,
        Self::K,
        Self::L,
        Self::M,
        Self::Trying,
        Self::Canceled,
    ];

    /// Whether this timer repeats a message, as opposed to ending a state.
    pub(super) const fn repeats(self) -> bool {
        matches!(self, Self::A | Self::E | Self::G)
    }
}

/// How long each timer runs, in microseconds, worked out once.
#[derive(Debug)]
pub(super) struct Periods {
    t1: u64,
    t2: u64,
    t4: u64,
    /// 64·T1.
    timeout: u64,
    until_t2: u64,
    /// The first [`Periods::delay`] of each timer, or `u64::MAX`: over an unreliable transport, and
    /// over a reliable one.
    first: [[u64; Timer::ALL.len()]; 2],
}

impl Periods {
    pub(super) fn new(timers: &Timers) -> Self {
        let micros = |period: Duration| u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let (t1, t2) = (micros(timers.t1), micros(timers.t2));
        let mut periods = Self {
            t1,
            t2,
            t4: micros(timers.t4),
            timeout: t1.saturating_mul(64),
            until_t2: until_t2(t1, t2),
            first: [[0; Timer::ALL.len()]; 2],
        };
        periods.first = [false, true].map(|reliable| {
            Timer::ALL.map(|timer| periods.delay(timer, 0, reliable).unwrap_or(u64::MAX))
        });
        periods
    }

    /// How long `timer` runs at first; `u64::MAX` where it is not used.
    #[inline]
    pub(super) fn first(&self, timer: Timer, reliable: bool) -> u64 {
        let [unreliable, over_reliable] = &self.first;
        let first = if reliable { over_reliable } else { unreliable };
        first.get(timer as usize).copied().unwrap_or(u64::MAX)
    }

    /// How long `timer` runs, the `round`th time it is started (from 0); `None` where it is not used.
    ///
    /// Zero (D, I, J, K over a reliable transport) means: at once.
    #[inline]
    pub(super) const fn delay(&self, timer: Timer, round: u8, reliable: bool) -> Option<u64> {
        match timer {
            // Retransmission is the transport's business where the transport is reliable.
            Timer::A | Timer::E | Timer::G if reliable => None,
            Timer::A => Some(doubled(self.t1, round)),
            Timer::E | Timer::G => {
                let doubled = doubled(self.t1, round);
                Some(if doubled < self.t2 { doubled } else { self.t2 })
            }
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Canceled => {
                Some(self.timeout)
            }
            Timer::D | Timer::I | Timer::J | Timer::K if reliable => Some(0),
            Timer::D | Timer::J => Some(self.timeout),
            Timer::I | Timer::K => Some(self.t4),
            Timer::Trying => Some(self.until_t2),
        }
    }
}

/// How long a client's Timer E takes to be reset to T2 (RFC 4320 §4.1): 3.5 s by default.
fn until_t2(t1: u64, t2: u64) -> u64 {
    (0..ROUND_MAX)
        .map(|round| doubled(t1, round))
        .take_while(|interval| *interval < t2)
        .fold(0, u64::saturating_add)
}

/// `base` doubled `round` times.
const fn doubled(base: u64, round: u8) -> u64 {
    let round = if round < ROUND_MAX { round } else { ROUND_MAX };
    base.saturating_mul(1 << round)
}

/// Further doubling changes nothing: 2^16 · T1 is past every timeout.
pub(super) const ROUND_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Option<u64> = |millis| Some(1000 * millis);

    #[test]
    fn intervals_of_table_4() {
        let timers = Periods::new(&Timers::default());
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
