//! Messages through the public interface: hard ones, hostile ones, and random ones.

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
