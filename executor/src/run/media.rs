//! What is to be heard, and what was heard.

use std::time::{Duration, SystemTime};

use url::Url;

use crate::{ErrorCode, Sid, twiml};

/// The number of a medium within its run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MediaId(pub u32);

/// Something to hear, to listen to or to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// Tells the media of one run apart.
    pub id: MediaId,
    /// What.
    pub kind: MediaKind,
}

/// What to render.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaKind {
    /// Nothing: get these files, so that playing them begins at once. Ends with `Finished` when
    /// all are there, or with `Unavailable`.
    Fetch(Vec<Url>),
    /// The music of those who wait, without end.
    HoldMusic,
    /// Recognise what the caller says. Meanwhile
    /// [`Event::Speech`](super::Event::Speech); ends with `Heard`, `Silent` or `Failed`.
    Listen(Box<Listen>),
    /// A file.
    Play {
        /// Where it is.
        url: Url,
        /// How many times, at least once.
        times: u32,
    },
    /// Keys to send as telephone events; `w` is half a second, `W` a second.
    PlayDigits(String),
    /// Record the caller. `finish_on_key` is the run's business: a recording ends by silence, by
    /// its length, or because it is stopped.
    Record(twiml::Record),
    /// Text to speech.
    Speak(twiml::Say),
}

/// How to recognise speech.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// The language, such as `en-US`.
    pub language: String,
    /// Words and phrases that are likely.
    pub hints: Vec<String>,
    /// How much silence after speech ends it.
    pub silence: twiml::SpeechTimeout,
    /// The longest speech.
    pub length_max: Duration,
    /// Whether results are wanted before the end.
    pub partial: bool,
    /// Whether swear words are masked.
    pub profanity_filter: bool,
    /// The model, as written.
    pub model: Option<String>,
    /// Whether the better model was asked for.
    pub enhanced: bool,
}

impl MediaKind {
    /// A medium in words, for the record of a call.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Fetch(urls) => format!("fetch {} files", urls.len()),
            Self::HoldMusic => "play music".to_owned(),
            Self::Listen(listen) => format!("listen for {}", listen.language),
            Self::Play { url, .. } => format!("play {}", crate::webhook::shown(url)),
            Self::PlayDigits(keys) => format!("play the keys {keys}"),
            Self::Record(_) => "record".to_owned(),
            Self::Speak(say) => format!("say {:?}", say.text),
        }
    }
}

/// How a medium ended.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaOutcome {
    /// It could not be rendered; the reason in a few words. The document goes on.
    Failed(String),
    /// Spoken, played or fetched to its end.
    Finished,
    /// What the caller said.
    Heard(Heard),
    /// A recording ended with sound in it.
    Recorded(Recording),
    /// A recording or recognition ended, and there was only silence.
    Silent,
    /// A file could not be fetched. The document cannot go on.
    Unavailable {
        /// The number: 11200 and its neighbours.
        code: ErrorCode,
        /// The file.
        url: Url,
        /// What happened.
        detail: String,
    },
}

/// What a recogniser understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// The words.
    pub text: String,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
}

/// What a recogniser tells before its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Speech {
    /// The caller speaks.
    Started,
    /// What it understood so far.
    Partial {
        /// The words, which may still change.
        text: String,
        /// How likely they are to stay, 0 to 1.
        stability: f32,
    },
}

/// A recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recording {
    /// `RecordingUrl`, if there is a file.
    pub url: Option<String>,
    /// `RecordingSid`, if there is a file.
    pub sid: Option<Sid>,
    /// `RecordingDuration`; zero while it is under way.
    pub duration: Duration,
    /// `RecordingChannels`.
    pub channels: u8,
    /// `RecordingStartTime`.
    pub started: Option<SystemTime>,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            url: None,
            sid: None,
            duration: Duration::ZERO,
            channels: 1,
            started: None,
        }
    }
}
