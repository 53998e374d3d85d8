//! What a run is waiting for.

use std::collections::VecDeque;

use crate::twiml;
use crate::webhook::{FetchId, Hook, Purpose};

use super::{MediaId, MediaKind, Recording};

/// What the run is waiting for.
#[derive(Debug)]
pub(super) enum Phase {
    /// The ACK; then the verb at the cursor.
    Answering,
    /// The end of a `<Dial>`.
    Dialling(Dialling),
    /// Nothing any more.
    Finished,
    /// A document.
    Fetching {
        id: FetchId,
        purpose: Purpose,
        hook: Hook,
    },
    /// Keys.
    Gathering(Gathering),
    /// Nothing yet.
    Idle,
    /// The end of a pause.
    Pausing,
    /// The end of a text, a file or keys; then what else the verb has to play.
    Playing {
        media: MediaId,
        next: Option<MediaKind>,
    },
    /// The end of a recording.
    Recording {
        media: MediaId,
        verb: Box<twiml::Record>,
        ended_by: Option<char>,
    },
    /// The end of a transfer.
    Referring(Referring),
    /// The caller's own BYE after a transfer.
    Transferred,
}

/// A `<Dial>` in progress.
#[derive(Debug)]
pub(super) struct Dialling {
    pub(super) verb: Box<twiml::Dial>,
    pub(super) bridge: Bridge,
}

/// How far a `<Dial>` has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bridge {
    /// The callee has answered; the caller's ACK is awaited.
    Answering,
    /// The two talk.
    Bridged,
    /// `CancelDial` was said.
    Cancelled { was_bridged: bool },
    /// Nobody has answered.
    Calling,
}

/// A `<Gather>` in progress.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) verb: Box<twiml::Gather>,
    pub(super) prompts: VecDeque<twiml::Prompt>,
    pub(super) prompt: Option<MediaId>,
    pub(super) digits: String,
}

/// A `<Refer>` in progress.
#[derive(Debug)]
pub(super) struct Referring {
    pub(super) verb: twiml::Refer,
    pub(super) response: Option<u16>,
    pub(super) notified: bool,
    pub(super) code: Option<u16>,
}

/// A recording that is over, with the key that ended it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) recording: Recording,
    pub(super) digits: String,
}
