//! Criterion benches, allocation counts, and the messages that they measure.
//!
//! The ids are stable, so that records of different dates can be compared: `parse/*`, `write/*`,
//! `chain/*`, `transaction/*`. `record/` holds what was measured, where and when.

pub mod corpus;
mod forward;

pub use forward::forward;
