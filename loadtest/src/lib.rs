//! The functional suite's harness: it starts the real binary and real peers around it and listens to what they say.
//!
//! - [`Edge`] is a running `hookswitch`, started from a generated [`Config`].
//! - [`Webhook`] is the customer's web server, in Python, on the official library.
//! - [`App`] writes down what it answers, verb by verb, and what it serves and streams.
//! - [`Sipp`] runs a scenario of `scenarios/` as caller or callee; [`Peer`] and [`Stream`] speak raw SIP where a
//!   test has to see or to say exactly what.
//! - [`Robot`] is a callee for networks that SIPp cannot cope with.
//! - [`Relay`] sits between two of them, records what crosses and loses what it is told to lose.
//! - [`Kamailio`], [`Phone`] (baresip) and [`Browser`] are the neighbours.
//! - [`Handset`] is a baresip with a file for a mouth and a file for an ear; [`hear`] judges what it heard. [`Ear`] is
//!   where RTP goes that nobody answers.
//! - [`Authority`] gives certificates that nobody knows yet.
//! - [`generator`] makes load: thousands of calls a second, both sides of them in one process.
//! - [`sounding`] makes calls with sound, and looks at every packet's time.
//! - [`load`] is the load suite.
//!
//! **Invariants.** Nothing here parses SIP with the product's own code: this crate has to be able to find its bugs.
//! Every wait is bounded; every process is ended by its id when its owner is dropped; everything binds to loopback
//! on ports that were free a moment ago, so tests run side by side.

mod app;
mod browser;
mod caller;
mod certificate;
mod coding;
mod config;
mod draft;
mod ear;
mod edge;
pub mod generator;
mod handset;
pub mod hear;
mod http;
pub mod load;
mod message;
mod neighbours;
mod pcap;
mod peer;
mod ports;
mod process;
mod relay;
mod robot;
mod scratch;
mod sipp;
pub mod sounding;
mod stream;
mod webhook;

pub use app::{App, Carried, Verb};
pub use browser::Browser;
pub use caller::calling;
pub use certificate::Authority;
pub use coding::Coding;
pub use config::{AUTH_TOKEN, Config};
pub use draft::Draft;
pub use ear::Ear;
pub use edge::{Edge, answering, hookswitch, serving, serving_with, sound_keys};
pub use handset::{Handset, Picks, Setup};
pub use http::{Answer, fetch, get};
pub use message::Message;
pub use neighbours::{Kamailio, Phone, tool};
pub use pcap::write_pcap;
pub use peer::{Peer, sdp};
pub use ports::free_port;
pub use process::{Log, Process};
pub use relay::{Crossed, Fate, Relay, Side, chaos};
pub use robot::Robot;
pub use scratch::Scratch;
pub use sipp::{Report, Running, Sipp};
pub use stream::Stream;
pub use webhook::{Hit, Webhook, decode, encode, script};
