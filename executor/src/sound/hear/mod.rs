//! From speech to text.
//!
//! [`SpeechToText`] is what a recognizer does: it takes the caller's voice as it comes and tells
//! what it understood. [`Pocketsphinx`] runs one on this machine, [`HttpHearing`] asks a service.

mod dictionary;
mod ear;
mod grammar;
mod http;
mod pocketsphinx;
mod profanity;
mod transcript;

use std::time::Duration;

use super::SoundError;

pub use ear::{Ear, Hearings, Listening};
pub use http::{HttpHearing, HttpHearingConfig};
pub use pocketsphinx::{Model, Pocketsphinx, PocketsphinxConfig};

/// What is to be listened for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenSpec {
    /// The language, such as `en-US`.
    pub language: String,
    /// Phrases that are likely; at most 500 of 100 characters count.
    pub hints: Vec<String>,
    /// The kind of speech, as `speechModel` has it.
    pub model: Option<String>,
    /// Whether swear words are starred out.
    pub profanity_filter: bool,
    /// How long is listened at most, silence included, and never longer than ten minutes.
    pub limit: Duration,
    /// Whether the voice comes as it is spoken: what a recognizer is too slow for is lost. That of a
    /// file waits ([`Ear::feed`]), and all of it counts.
    pub live: bool,
}

/// What was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// All so far, before the end.
    Partial {
        /// The text.
        text: String,
        /// How likely it is to stay, from 0 to 1.
        stability: f32,
    },
    /// All of it.
    Final {
        /// The text; empty if nothing was understood.
        text: String,
        /// How sure the recognizer is, from 0 to 1.
        confidence: f32,
    },
}

/// A recognizer.
pub trait SpeechToText: Send + Sync + 'static {
    /// Begins to listen; needs a runtime.
    ///
    /// # Errors
    ///
    /// Nobody understands the language, or too many are listened to.
    fn listen(&self, spec: &ListenSpec) -> Result<Listening, SoundError>;
}

impl ListenSpec {
    /// Speech in a language, without hints.
    pub fn new(language: &str) -> Self {
        Self {
            language: language.to_owned(),
            hints: Vec::new(),
            model: None,
            profanity_filter: true,
            limit: Duration::from_secs(60),
            live: true,
        }
    }

    /// What a recognizer may take after the end of the speech. Of a file it may have most before it.
    fn slack(&self) -> Duration {
        if self.live { SLACK } else { FILE_SLACK }
    }

    /// The samples that are heard at most.
    fn samples_max(&self) -> usize {
        let limit = self.limit.min(LIMIT_MAX);
        usize::try_from(limit.as_millis()).unwrap_or(0) * (EAR_RATE as usize / 1000)
    }

    /// The hints that count.
    fn phrases(&self) -> impl Iterator<Item = String> {
        let short = |hint: &String| hint.chars().take(HINT_CHARS_MAX).collect();
        self.hints.iter().take(HINTS_MAX).map(short)
    }
}

/// What a tap gives.
const EAR_RATE: u32 = 8000;
/// The longest listening.
const LIMIT_MAX: Duration = Duration::from_secs(600);
/// What a recognizer may take after the end of the speech.
const SLACK: Duration = Duration::from_secs(15);
/// The same for a file, which comes faster than it is understood.
const FILE_SLACK: Duration = Duration::from_secs(180);
const HINTS_MAX: usize = 500;
const HINT_CHARS_MAX: usize = 100;
