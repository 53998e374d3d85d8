//! The TwiML executor: asks a customer's webhook what to do with a call, and does it.
//!
//! The three parts that matter:
//!
//! - [`twiml`] turns a reply into a [`twiml::Document`] of typed verbs and a list of warnings;
//! - [`run`] is the life of one call leg as a pure state machine: [`run::Event`] in,
//!   [`run::Action`]s out;
//! - [`webhook`] makes the HTTP requests that the run asks for.
//!
//! `twiml` and `run` do no input or output, read no clock and draw no random numbers: the user
//! agent around them does.

mod error_code;
mod secret;
mod sid;
mod warning;

pub mod run;
pub mod twiml;
pub mod webhook;

pub use error_code::{ErrorCode, Level};
pub use secret::Secret;
pub use sid::{Sid, SidError, SidKind};
pub use warning::{Location, Warning};
