//! What the report measures, one question a file.

mod capacity;
mod cost;
mod growth;
mod latency;
mod memory;
mod overload;
mod soak;
mod startup;

pub use capacity::{Capacity, Step};
pub use cost::Cost;
pub use growth::{Growth, Point};
pub use latency::Latency;
pub use memory::{Memory, Tombstones};
pub use overload::{Overload, Pressure};
pub use soak::Soak;
pub use startup::{Reload, Start};

pub(super) use capacity::capacities;
pub(super) use cost::costs;
pub(super) use growth::growths;
pub(super) use latency::latencies;
pub(super) use memory::{memories, tombstones};
pub(super) use overload::overload;
pub(super) use soak::soak;
pub(super) use startup::{reload, starts};
