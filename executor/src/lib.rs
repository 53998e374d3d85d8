//! The TwiML executor: asks a customer's webhook what to do with a call, and does it.
//!
//! The parts that matter:
//!
//! - [`Executor`] is the user agent: it takes calls from the proxy, tells the run of each what
//!   happens, and does what the run wants;
//! - [`twiml`] turns a reply into a [`twiml::Document`] of typed verbs and a list of warnings;
//! - [`run`] is the life of one call leg as a pure state machine: [`run::Event`] in,
//!   [`run::Action`]s out;
//! - [`conference`] and [`queue`] are what the runs of many calls share, as pure machines;
//! - [`webhook`] makes the HTTP requests that the run asks for.
//!
//! `twiml`, `run`, `conference` and `queue` do no input or output, read no clock and draw no
//! random numbers: the user agent around them does.

mod agent;
pub mod conference;
mod dialog;
mod digest;
mod error_code;
mod executor;
mod gauges;
mod media;
mod observer;
pub mod queue;
mod roots;
mod sdp;
mod secret;
mod settings;
mod sid;
mod siprec;
mod task;
mod warning;

pub mod run;
pub mod sound;
pub mod twiml;
pub mod webhook;

pub use ::media::codec::Codec;
pub use ::media::{
    Config as MediaConfig, Counters as MediaCounters, Engine as MediaEngine,
    Histogram as MediaHistogram, Meter, Quality as MediaQuality, RtpPorts,
};
pub use error_code::{ErrorCode, Level};
pub use executor::{Bound, Executor, Handle, SetupError};
pub use gauges::{Gauges, Snapshot};
pub use observer::{
    CallEvent, Ended, Observer, Record, SipMessage, Started, WebhookReply, WebhookRequest,
};
pub use roots::{Roots, RootsError};
pub use secret::Secret;
pub use settings::{Domain, Domains, Limits, Listen, Settings, SiprecConnector, TrustedPeer};
pub use sid::{Sid, SidError, SidKind};
pub use warning::{Location, Warning};
