//! What `<Record>`, `<Dial>` and `<Conference>` say about their recordings.

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;

/// Where the states of a recording are told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordingStatus {
    /// Where.
    pub link: Link,
    /// Which states.
    pub events: RecordingEvents,
}

/// The states of a recording that are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordingEvents {
    /// It has begun.
    pub in_progress: bool,
    /// It can be fetched.
    pub completed: bool,
    /// There is none, because nothing was to be heard.
    pub absent: bool,
}

/// Whom a recording holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RecordingTrack {
    /// Both.
    #[default]
    Both,
    /// What comes from the caller.
    Inbound,
    /// What goes to the caller.
    Outbound,
}

impl RecordingStatus {
    /// `recordingStatusCallback` with its method and events. `methods` is the number of the
    /// warning for a bad method.
    pub(super) fn parse(attributes: &mut Attributes<'_, '_>, methods: ErrorCode) -> Option<Self> {
        let link = attributes.callback(
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            methods,
        );
        let events = RecordingEvents::parse(attributes);
        Some(Self {
            link: link?,
            events,
        })
    }
}

impl RecordingEvents {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let words = attributes.words(
            "recordingStatusCallbackEvent",
            &["in-progress", "completed", "absent"],
            ErrorCode::RECORDING_EVENT,
        );
        words.map_or_else(Self::default, |words| Self {
            in_progress: words.contains(&"in-progress"),
            completed: words.contains(&"completed"),
            absent: words.contains(&"absent"),
        })
    }
}

impl Default for RecordingEvents {
    fn default() -> Self {
        Self {
            in_progress: false,
            completed: true,
            absent: false,
        }
    }
}

impl RecordingTrack {
    pub(super) fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let known = |text: &str| matches!(text, "both" | "inbound" | "outbound");
        match attributes.text_if("recordingTrack", ErrorCode::RECORDING_TRACK, known) {
            Some("inbound") => Self::Inbound,
            Some("outbound") => Self::Outbound,
            _ => Self::Both,
        }
    }

    /// The value of the parameter `RecordingTrack`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// `trim`, by its default.
pub(super) fn trims(attributes: &mut Attributes<'_, '_>, default: bool, code: ErrorCode) -> bool {
    let known = |text: &str| matches!(text, "trim-silence" | "do-not-trim");
    match attributes.text_if("trim", code, known) {
        Some(text) => text == "trim-silence",
        None => default,
    }
}
