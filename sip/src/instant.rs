//! A point in time that the caller passes in: this crate never reads a clock.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Microseconds since an origin that the caller chooses (usually its own start).
///
/// All arithmetic saturates: a time past the end is the end, a negative distance is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The caller's origin.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the origin.
    #[inline]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[inline]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is later than `self`.
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, delay: Duration) -> Self {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    #[inline]
    fn add_assign(&mut self, delay: Duration) {
        *self = *self + delay;
    }
}

impl Sub for Instant {
    type Output = Duration;

    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let second = Instant::from_micros(1_000_000);
        assert_eq!(second - Instant::ZERO, Duration::from_secs(1));
        assert_eq!(Instant::ZERO - second, Duration::ZERO);
        assert_eq!(second + Duration::MAX, Instant::from_micros(u64::MAX));
        let mut moving = Instant::ZERO;
        moving += Duration::from_millis(1000);
        assert_eq!(moving, second);
    }
}
