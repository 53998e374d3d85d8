use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Readings of which the best counts.
const TRIES: usize = 5;

/// Nanoseconds of the monotonic clock: the only time that the generator computes with.
pub(crate) fn now() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// What to add to a time of the wall clock, which the kernel stamps datagrams with, to get one of [`now`].
///
/// The two clocks drift by parts in a million, so this is asked again now and then.
pub(crate) fn wall_offset() -> i64 {
    // Of some tries, the one in which the thread was not interrupted between the two clocks.
    let tries = (0..TRIES).map(|_| {
        let (before, wall, after) = (now(), read(ClockId::CLOCK_REALTIME), now());
        let middle = before + (after - before) / 2;
        (after - before, middle as i64 - wall as i64)
    });
    tries.min().map_or(0, |(_, offset)| offset)
}

/// A time that the kernel gave, as nanoseconds.
pub(crate) fn nanoseconds(time: TimeSpec) -> u64 {
    Duration::from(time).as_nanos() as u64
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux.
    clock_gettime(clock).map_or(0, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_found_again() {
        let wall = read(ClockId::CLOCK_REALTIME);
        let before = now();
        let found = wall.saturating_add_signed(wall_offset());
        // A busy machine may take the processor away between two readings of this test.
        assert!(
            found <= before && before - found < 1_000_000_000,
            "{found} {before}"
        );
    }
}
