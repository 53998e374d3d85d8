//! Sound for calls: RTP in and out, codecs, tones, mixing, recording.
//!
//! An [`Engine`] has threads of its own, each with one clock of 20 ms that serves all its sessions
//! and with the sockets of those sessions. A [`Session`] is one leg of a call: a pair of ports, the
//! peer that speaks with it, what is played to it, and whom it is connected with. Its methods send
//! commands and return at once; what happens is told to the session's [`Sink`].
//!
//! ```text
//!            ┌─ session ──────────────────────────────────────────────┐
//!  RTP in ──►│ source → jitter buffer → decoder ─┬─► record, tap, keys │
//!            │                                   ├─► partner or room   │
//!  RTP out ◄─│ encoder ◄── play queue, partner, room, silence          │
//!            └─────────────────────────────────────────────────────────┘
//! ```
//!
//! Two bridged sessions that speak the same codec hand each other's packets on as they come,
//! without a decoder, for as long as neither is played anything.
//!
//! What this crate does not do: it knows no SIP, no session descriptions, no TwiML, no HTTP, and it
//! needs no runtime. Every queue and table in it has a bound, which is a key of [`Config`] or a
//! constant with a line that says why.

#![forbid(unsafe_code)]

pub mod codec;
pub mod decode;
pub mod dtmf;
pub mod encode;
pub mod pcm;
pub mod resample;
pub mod silence;
pub mod srtp;
pub mod tone;

mod answering;
mod clock;
mod config;
mod convert;
mod counters;
mod depth;
mod desk;
mod engine;
mod event;
mod feed;
mod hall;
mod inbox;
mod jitter;
mod keys;
mod leg;
mod link;
mod mix;
mod packing;
mod peer;
mod play;
mod player;
mod ports;
mod quality;
mod record;
mod recorder;
mod recorders;
mod room;
mod rtcp;
mod rtp;
mod session;
mod source;
mod tap;
mod teller;
mod worker;
mod writer;

pub use answering::{AnsweredBy, Answering, AnsweringSpec};
pub use config::Config;
pub use counters::{Counters, Jitter};
pub use depth::Depth;
pub use engine::{Engine, Meter, OpenError};
pub use event::{Event, Outcome, PlayId, RecordEnd, RecordId, RecordReason, Sink, TapId};
pub use feed::Feed;
pub use packing::Packing;
pub use peer::{Direction, Peer, SrtpPair};
pub use play::Source;
pub use ports::RtpPorts;
pub use quality::{Histogram, Quality};
pub use record::{RecordKeeper, RecordSpec, RecordTracks};
pub use room::{Member, Room, RoomError, RoomSpec};
pub use session::{Session, SessionId};
pub use tap::{TapSink, Track, Tracks};
