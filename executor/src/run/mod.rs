//! The life of one call leg as a pure state machine.
//!
//! **Invariant: nothing here does input or output, reads a clock or draws a random number.** The
//! user agent tells a [`Run`] what happened ([`Event`]) and when (`now`, the time since the leg
//! began), and does what the run wants done ([`Action`]).
//!
//! ```text
//!             Start                  Fetched               Answered, MediaDone, TimerFired, …
//!               │                       │                           │
//!               ▼                       ▼                           ▼
//!   Ring, Fetch ───────► document ───► verb ─► … ─► Answer ─► verb ─► … ─► HangUp, Finished
//!                           ▲            │
//!                           └─ Redirect, action, fallback
//! ```
//!
//! The files: `machine` takes events, `document` walks the verbs, `fetching` gets documents and
//! decides what happens without one, `leg` answers and ends the call; `gathering`, `recording`,
//! `dialling` and `referring` are the verbs that take more than one step; `nominal` stands in for
//! the media engine.

mod action;
mod callback;
mod dialling;
mod document;
mod event;
mod fetching;
mod gathering;
mod leg;
mod machine;
pub mod nominal;
mod phase;
mod recording;
mod referring;
mod settings;

pub use action::{
    Action, Credentials, DialPlan, DialTarget, DialTo, Finish, LegCallback, Media, MediaId,
    MediaKind, ReferPlan, TimerId, TimerKind, Trace,
};
pub use callback::{LegCallbacks, LegStage};
pub use dialling::dial_call_status;
pub use event::{DialOutcome, DialReason, Event, MediaOutcome, Recording};
pub use leg::Leg;
pub use machine::Run;
pub use settings::{FetchFailed, Limits, Settings};
