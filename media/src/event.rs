//! What sessions and rooms tell.

use std::path::PathBuf;
use std::time::Duration;

/// Is told what happens in a session or a room.
pub trait Sink: Send {
    /// Called on a media thread or on the thread that writes files: it must not block, and must
    /// not take long.
    fn event(&mut self, event: Event);
}

impl<F: FnMut(Event) + Send> Sink for F {
    fn event(&mut self, event: Event) {
        self(event);
    }
}

/// The number of something played, chosen by the caller.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PlayId(pub u64);

/// The number of a recording, chosen by the caller.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RecordId(pub u64);

/// The number of a tap, chosen by the caller.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TapId(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer pressed a key: told once, when it is first known. Also while bridged, and also for
    /// a key that ends a recording.
    Digit {
        /// One of `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
    },
    /// What was played has been sent to its end, or could not be played. What was stopped tells
    /// nothing.
    Done(PlayId, Outcome),
    /// No RTP has come for [`Config::quiet`](crate::Config::quiet); told once for each time of
    /// silence.
    Quiet,
    /// A recording ended, and its file is complete; or there can be none, which is told at once.
    Recorded(RecordId, RecordEnd),
    /// The peer began or ceased to speak; only while it is asked for by
    /// [`Session::listen`](crate::Session::listen).
    Speech {
        /// Began.
        started: bool,
    },
}

/// How something played ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It could not be played.
    Failed(String),
    /// All of it was sent.
    Finished,
}

/// A recording that ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordEnd {
    /// The file, complete unless it could not be written.
    pub file: PathBuf,
    /// How much sound it holds.
    pub duration: Duration,
    /// Why it ended.
    pub reason: RecordReason,
    /// Anybody spoke.
    pub heard: bool,
}

/// Why a recording ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordReason {
    /// The file could not be written.
    Failed(String),
    /// The session was closed.
    HungUp,
    /// The peer pressed one of the keys that end it.
    Key(char),
    /// It was as long as it may be.
    MaxLength,
    /// It was silent for as long as it may be.
    Silence,
    /// It was stopped.
    Stopped,
}
