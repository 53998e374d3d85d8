//! From text to speech.
//!
//! [`TextToSpeech`] is what a synthesizer does; [`Espeak`] runs one on this machine, [`HttpSpeech`]
//! asks a service. [`Speaker`] stands before either: it remembers what was said, and simultaneous
//! requests for one text share its rendering.

mod espeak;
mod http;
mod polly;
mod speaker;
mod ssml;
mod voice;

use crate::twiml;

use super::audio::Pcm;
use super::{BoxFuture, SoundError};

pub use espeak::{Espeak, EspeakConfig};
pub use http::{HttpSpeech, HttpSpeechConfig};
pub use speaker::Speaker;

/// A text to be spoken.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Utterance {
    /// The text without markup.
    pub text: String,
    /// The same with SSML as it was written, if it has any. What cannot be read of it falls back
    /// to `text`.
    pub ssml: Option<String>,
    /// The voice as the document has it: `man`, `woman`, `alice`, `Polly.…`, `Google.…`.
    pub voice: Option<String>,
    /// The language, such as `en-US`.
    pub language: String,
    /// Samples a second of the result, 8000 or 16000.
    pub rate: u32,
}

/// A synthesizer.
pub trait TextToSpeech: Send + Sync + 'static {
    /// Renders a text, with one channel at the rate it asks for. Dropping the future gives it up.
    fn render<'r>(&'r self, utterance: &'r Utterance) -> BoxFuture<'r, Result<Pcm, SoundError>>;
}

impl Utterance {
    /// What a `<Say>` wants spoken.
    pub fn of(say: &twiml::Say, rate: u32) -> Self {
        Self {
            text: say.text.clone(),
            ssml: say.ssml.clone(),
            voice: say.voice.clone(),
            language: say.language.clone(),
            rate,
        }
    }
}

/// The longest text; `<Say>` cuts off before.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest speech that one text may become; `<break>` can make much of little.
const SECONDS_MAX: u32 = 900;
