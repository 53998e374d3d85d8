use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock: the only time that the generator computes with.
pub(super) fn now() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// What to add to a time of the wall clock, which the kernel stamps datagrams with, to get one of [`now`].
///
/// The two clocks drift by parts in a million, so this is asked again now and then.
pub(super) fn wall_offset() -> i64 {
    let wall = read(ClockId::CLOCK_REALTIME);
    now() as i64 - wall as i64
}

/// A time that the kernel gave, as nanoseconds.
pub(super) fn nanoseconds(time: TimeSpec) -> u64 {
    Duration::from(time).as_nanos() as u64
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux.
    clock_gettime(clock).map_or(0, nanoseconds)
}
