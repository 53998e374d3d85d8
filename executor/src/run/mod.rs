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
//! decides what happens without one, `leg` answers and ends the call. The verbs that take more
//! than one step: `gathering`, `recording`, `dialling` (with `dial_target` and `dial_result`),
//! `streaming`, `referring`; `transcribing` is what a `<Record>` leaves behind; `queueing` and `conferring` are stays (`stay`), in which another
//! document runs; `transferring` is REFER from a party of a `<Dial>`. `owed` keeps what was given
//! up and still has a result to tell.

mod action;
mod callback;
mod conferring;
mod dial_result;
mod dial_target;
mod dialling;
mod document;
mod event;
mod fetching;
mod gathering;
mod leg;
mod machine;
mod media;
mod owed;
mod phase;
mod plan;
mod queueing;
pub(crate) mod recording;
mod referring;
mod settings;
mod stay;
mod streaming;
mod transcribing;
mod transferring;

pub use action::{Action, Finish, TimerId, TimerKind, Trace};
pub use callback::{LegCallbacks, LegEnd, LegStage};
pub use dial_result::dial_call_status;
pub use event::{
    ConferenceEnd, ConferenceNotice, DialOutcome, DialReason, Event, QueueEnd, QueuePlace,
    QueueReason, StreamError,
};
pub use leg::Leg;
pub use machine::Run;
pub use media::{Heard, Listen, Media, MediaId, MediaKind, MediaOutcome, Recording, Speech};
pub use plan::{
    ConferenceCallback, ConferencePlan, Credentials, Detection, DialId, DialPlan, DialQueuePlan,
    DialRecording, DialTarget, DialTo, EnqueuePlan, LegCallback, Party, RecordingCallback,
    ReferPlan, SiprecPlan, StreamId, StreamPlan, TransferPlan,
};
pub use settings::{FetchFailed, Limits, Settings};
pub use transcribing::TranscriptionPlan;
