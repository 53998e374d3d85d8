//! Criterion benches, instruction counts, allocation counts, and the messages that they measure.
//!
//! The ids are stable, so that records of different dates can be compared: `parse/*`, `check/*`,
//! `forward/*`, `reply/*`, `chain/*`, `transaction/*`, `call/*`. `record/` holds what was measured,
//! where and when; `instructions.toml` is what `make gate` holds the instruction counts to.

#[cfg(feature = "call")]
pub mod call;
pub mod chain;
pub mod corpus;
mod forward;
pub mod torture;
pub mod transaction;

use std::time::Duration;

pub use forward::{forward, forward_message, forward_response, warm_up};

/// Criterion for benches that are many: each takes two and a half seconds.
pub fn short() -> criterion::Criterion {
    criterion::Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}
