//! The requests that tell a conference's events.

use crate::twiml::ConferenceEvents;

/// `StatusCallbackEvent`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Happened {
    End,
    Join,
    Leave,
    Speech(bool),
    Start,
}

impl Happened {
    /// Whether the callback asks for it.
    pub(super) fn is_wanted(self, events: ConferenceEvents) -> bool {
        match self {
            Self::End => events.end,
            Self::Join => events.join,
            Self::Leave => events.leave,
            Self::Speech(_) => events.speaker,
            Self::Start => events.start,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::End => "conference-end",
            Self::Join => "participant-join",
            Self::Leave => "participant-leave",
            Self::Speech(true) => "participant-speech-start",
            Self::Speech(false) => "participant-speech-stop",
            Self::Start => "conference-start",
        }
    }
}
