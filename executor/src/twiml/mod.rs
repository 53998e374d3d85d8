//! TwiML documents: the model and the parser.
//!
//! [`Document::parse`] turns the body of a webhook's reply into typed verbs. It is strict about
//! XML (a broken document is an error) and lenient about the vocabulary (an unknown verb or
//! attribute is a warning, and is skipped), as the language's documentation has it. Everything is
//! bounded: 64 KiB, 1,000 nodes, 16 levels, 100 warnings; a DTD is refused, so no entity can
//! expand.

mod attributes;
mod client;
mod content_type;
mod dial;
mod gather;
mod media;
mod nouns;
mod parse;
mod record;
mod refer;
mod report;
pub mod sip_uri;

pub use client::{
    ClientError, ClientNoun, IDENTITY_CHARS_MAX, PARAMETER_NAME_BYTES_MAX,
    PARAMETER_VALUE_BYTES_MAX, PARAMETERS_PER_DIAL_MAX,
};
pub use dial::{Dial, DialRecord, NOUNS_PER_DIAL_MAX, Noun};
pub use gather::{Gather, GatherInput, Prompt};
pub use media::{Pause, Play, Say};
pub use nouns::{CallbackEvents, Common, Number, SipNoun, StatusCallback};
pub use parse::{BODY_BYTES_MAX, DEPTH_MAX, NODES_MAX, TwimlError};
pub use record::Record;
pub use refer::Refer;

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
    /// Call somebody and connect the two.
    Dial(Box<Dial>),
    /// Collect keys.
    Gather(Box<Gather>),
    /// End the call.
    Hangup,
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
            Self::Dial(_) => "Dial",
            Self::Gather(_) => "Gather",
            Self::Hangup => "Hangup",
            Self::Pause(_) => "Pause",
            Self::Play(_) => "Play",
            Self::Record(_) => "Record",
            Self::Redirect(_) => "Redirect",
            Self::Refer(_) => "Refer",
            Self::Reject(_) => "Reject",
            Self::Say(_) => "Say",
        }
    }
}
