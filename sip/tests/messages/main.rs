//! Messages through the public interface: hard ones, hostile ones, and random ones.

#![allow(clippy::unwrap_used, clippy::let_underscore_must_use)] // A test may fail; looking is enough.

#[path = "../../../benches/src/corpus.rs"]
#[allow(dead_code, unreachable_pub)] // Shared with the benches, which use all of it.
mod corpus;
mod support;

mod answers;
mod lengths;
mod lines;
mod named;
mod names;
mod own;
mod properties;
mod rfc4475;
mod views;
