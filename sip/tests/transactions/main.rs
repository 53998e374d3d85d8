//! The transaction layer through its public API, in virtual time.

#![allow(clippy::unwrap_used)] // In a test the panic is the report.

mod client;
mod derived;
mod limits;
mod matching;
mod server;
mod support;
