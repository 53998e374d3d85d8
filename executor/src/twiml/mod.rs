//! TwiML documents: the model and the parser.
//!
//! [`Document::parse`] turns the body of a webhook's reply into typed verbs. It is strict about
//! XML (a broken document is an error) and lenient about the vocabulary (an unknown verb or
//! attribute is a warning, and is skipped), as the language's documentation has it. Everything is
//! bounded: 64 KiB, 1,000 nodes, 16 levels, 100 warnings; a DTD is refused, so no entity can
//! expand.

mod attributes;
mod client;
mod conference;
mod content_type;
mod dial;
mod fork;
mod gather;
mod machine_detection;
mod media;
mod nouns;
mod parse;
mod queue;
mod record;
mod recording;
mod refer;
mod report;
pub mod sip_uri;
mod siprec;
mod speech;
mod ssml;
mod stream;

pub use client::{
    ClientError, ClientNoun, IDENTITY_CHARS_MAX, PARAMETER_NAME_BYTES_MAX,
    PARAMETER_VALUE_BYTES_MAX, PARAMETERS_PER_DIAL_MAX,
};
pub use conference::{
    Beep, CONFERENCE_NAME_CHARS_MAX, ConferenceEvents, ConferenceNoun, ConferenceStatus,
    JitterBuffer, LABEL_CHARS_MAX, PARTICIPANTS_MAX, Wait,
};
pub use dial::{Dial, DialRecord, NOUNS_PER_DIAL_MAX, Noun};
pub use fork::{
    MediaFork, MediaForkName, STREAM_PARAMETER_CHARS_LIMIT, STREAM_PARAMETERS_MAX, StreamTracks,
};
pub use gather::{Gather, Prompt};
pub use machine_detection::MachineDetection;
pub use media::{LOOP_MAX, Pause, Play, Say};
pub use nouns::{CallbackEvents, Common, Number, SipNoun, StatusCallback};
pub use parse::{BODY_BYTES_MAX, DEPTH_MAX, NODES_MAX, TwimlError};
pub use queue::{Enqueue, QUEUE_NAME_CHARS_MAX, QUEUE_SIZE_MAX, QueueNoun};
pub use record::{Record, Transcription};
pub use recording::{RecordingEvents, RecordingStatus, RecordingTrack};
pub use refer::Refer;
pub use siprec::Siprec;
pub use speech::{HINT_CHARS_MAX, HINTS_MAX, SPEECH_SECS_MAX, SpeechInput, SpeechTimeout};
pub use stream::{Connect, Stream};

use crate::Location;
use crate::webhook::Method;

/// A document: what to do, top to bottom.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Document {
    /// The verbs.
    pub steps: Vec<Step>,
}

/// A verb and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The verb.
    pub verb: Verb,
    /// Its place in the source.
    pub location: Location,
}

/// A verb.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Talk with a WebSocket.
    Connect(Box<Connect>),
    /// Call somebody and connect the two.
    Dial(Box<Dial>),
    /// Wait in a queue.
    Enqueue(Box<Enqueue>),
    /// Collect keys or speech.
    Gather(Box<Gather>),
    /// End the call.
    Hangup,
    /// Leave the queue.
    Leave,
    /// Wait.
    Pause(Pause),
    /// Play a file or keys.
    Play(Play),
    /// Record the caller.
    Record(Box<Record>),
    /// Go on with another document.
    Redirect(Link),
    /// Transfer the caller by SIP.
    Refer(Refer),
    /// Refuse the call.
    Reject(RejectReason),
    /// Speak a text.
    Say(Say),
    /// Send the sound to others meanwhile.
    Start(Vec<MediaFork>),
    /// Send it no longer.
    Stop(Vec<MediaForkName>),
}

/// A URL as written, which may be relative or empty (the current document), and its method.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Link {
    /// The URL.
    pub url: String,
    /// The method.
    pub method: Method,
}

/// `reason` of `<Reject>`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RejectReason {
    /// 486.
    Busy,
    /// 404.
    #[default]
    Rejected,
}

impl Verb {
    /// The name of the element.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "Connect",
            Self::Dial(_) => "Dial",
            Self::Enqueue(_) => "Enqueue",
            Self::Gather(_) => "Gather",
            Self::Hangup => "Hangup",
            Self::Leave => "Leave",
            Self::Pause(_) => "Pause",
            Self::Play(_) => "Play",
            Self::Record(_) => "Record",
            Self::Redirect(_) => "Redirect",
            Self::Refer(_) => "Refer",
            Self::Reject(_) => "Reject",
            Self::Say(_) => "Say",
            Self::Start(_) => "Start",
            Self::Stop(_) => "Stop",
        }
    }
}
