//! What a run is waiting for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::twiml;
use crate::webhook::{FetchId, Hook, Purpose};

use super::recording::Teller;
use super::transcribing::Transcribing;
use super::{DialId, MediaId, MediaKind, Party, Recording, StreamId};

/// What the run is waiting for.
#[derive(Debug)]
pub(super) enum Phase {
    /// The ACK; then the verb at the cursor.
    Answering,
    /// The place in the queue; then the document to wait with.
    AskingPlace,
    /// The end of a `<Connect>`.
    Connected {
        stream: StreamId,
        verb: Box<twiml::Connect>,
    },
    /// The end of a `<Dial>`.
    Dialling(Dialling),
    /// A document.
    Fetching {
        id: FetchId,
        purpose: Purpose,
        hook: Hook,
    },
    /// Nothing any more.
    Finished,
    /// Keys or speech.
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
        teller: Option<Teller>,
        /// If its text is wanted.
        transcribing: Option<Transcribing>,
        ended_by: Option<char>,
    },
    /// The end of a transfer.
    Referring(Referring),
    /// What the verb around the document is about: the talk with others, or the end of the stay.
    Staying,
    /// The caller's own BYE after a transfer.
    Transferred,
}

/// A `<Dial>` in progress.
#[derive(Debug)]
pub(super) struct Dialling {
    pub(super) id: DialId,
    pub(super) verb: Box<twiml::Dial>,
    pub(super) bridge: Bridge,
    /// Tells the states of its recording.
    pub(super) teller: Option<Teller>,
    /// `RecordingUrl`, once the recording has begun.
    pub(super) recording: Option<Recording>,
    /// Nobody was in the queue in time.
    pub(super) timed_out: bool,
    /// When the two began to talk.
    pub(super) bridged_at: Option<Duration>,
    /// The other party's wish to transfer.
    pub(super) refer: Option<ReferRequest>,
}

/// A REFER of a party whose `referUrl` was asked.
#[derive(Debug)]
pub(super) struct ReferRequest {
    pub(super) by: Party,
    pub(super) fetch: FetchId,
    pub(super) hook: Hook,
}

/// How far a `<Dial>` has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bridge {
    /// The callee has answered; the caller's ACK is awaited.
    Answering(Head),
    /// The callee was transferred by the caller, and may come back.
    Away,
    /// The two talk.
    Bridged,
    /// `CancelDial` was said, or the callee was given away.
    Cancelled { was_bridged: bool },
    /// Nobody has answered.
    Calling,
}

/// What has become of who answered, before the caller's ACK. Only one who comes from a queue can
/// be followed by another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// It is gone, and nobody is in the queue.
    Gone,
    /// Another one was found, and hears something first.
    Hears,
    /// It waits to be bridged.
    Ready,
}

/// A `<Gather>` in progress.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) verb: Box<twiml::Gather>,
    pub(super) prompts: VecDeque<twiml::Prompt>,
    /// The files of the prompts, or the prompt that is heard.
    pub(super) prompt: Option<MediaId>,
    pub(super) listening: Option<MediaId>,
    pub(super) digits: String,
    /// Partial results that were told.
    pub(super) partials: u32,
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
