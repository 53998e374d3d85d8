//! Sound from elsewhere, and sound for elsewhere: what a call hears that is not there yet, and where
//! what it says goes.
//!
//! - [`speak`]: text becomes speech;
//! - [`hear`]: speech becomes text;
//! - [`fetch`]: the files of `<Play>`;
//! - [`recordings`]: a folder of recordings and its web server;
//! - [`stream`]: media streams over WebSocket.
//!
//! [`Sound`] is all of it for a user agent. Nothing here knows SIP or a running call; everything is
//! asynchronous, bounded, and given up when its future is dropped. What takes a processor's time is
//! done away from the runtime's threads.

mod audio;
mod error;
mod memo;
mod process;
mod scratch;
mod service;
mod transcriber;

pub mod fetch;
pub mod hear;
pub mod recordings;
pub mod speak;
pub mod stream;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use url::Url;

use crate::{Sid, webhook};

use fetch::{FetchConfig, Fetcher};
use hear::{
    HttpHearing, HttpHearingConfig, ListenSpec, Listening, Pocketsphinx, PocketsphinxConfig,
    SpeechToText,
};
use recordings::{Recordings, RecordingsConfig};
use speak::{Espeak, EspeakConfig, HttpSpeech, HttpSpeechConfig, Speaker, TextToSpeech, Utterance};
use stream::{MediaStream, StreamClient, StreamConfig, StreamSpec};
use transcriber::Transcriber;

pub use audio::Pcm;
pub use error::SoundError;

/// A future in a box, for traits that are used as objects.
pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// How sound is made and kept.
#[derive(Clone, Debug, Default)]
pub struct SoundConfig {
    /// `<Say>`.
    pub speech: SpeechConfig,
    /// `<Gather input="speech">` and `<Record transcribe>`.
    pub hearing: HearingConfig,
    /// `<Play>`.
    pub fetch: FetchConfig,
    /// `<Record>` and all other recordings.
    pub recordings: RecordingsConfig,
    /// `<Stream>`.
    pub streams: StreamConfig,
}

/// How text becomes speech.
#[derive(Clone, Debug)]
pub struct SpeechConfig {
    /// Who does it.
    pub engine: SpeechEngine,
    /// What remembered speech may take in memory.
    pub cache_bytes_max: usize,
}

/// A synthesizer.
#[derive(Clone)]
pub enum SpeechEngine {
    /// espeak-ng on this machine.
    Espeak(EspeakConfig),
    /// A service.
    Http(HttpSpeechConfig),
    /// Another one.
    Own(Arc<dyn TextToSpeech>),
}

/// How speech becomes text.
#[derive(Clone)]
pub enum HearingConfig {
    /// pocketsphinx on this machine.
    Pocketsphinx(PocketsphinxConfig),
    /// A service.
    Http(HttpHearingConfig),
    /// Another recognizer.
    Own(Arc<dyn SpeechToText>),
}

/// Why there is no [`Sound`].
#[derive(Debug, thiserror::Error)]
pub enum SoundSetupError {
    /// The client of a service cannot be made.
    #[error("the HTTP client for speech cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// The folder of recordings cannot be used.
    #[error("the folder of recordings cannot be used: {0}")]
    Recordings(#[from] io::Error),
}

/// All of this module for one user agent. Clones are the same.
#[derive(Clone)]
pub struct Sound {
    speaker: Speaker,
    hearing: Arc<dyn SpeechToText>,
    fetcher: Fetcher,
    recordings: Recordings,
    streams: StreamClient,
    transcriber: Transcriber,
}

impl Sound {
    /// Sets everything up; needs no runtime. Files and streams go by the guard of the webhook
    /// client.
    ///
    /// # Errors
    ///
    /// What of it cannot be set up.
    pub fn new(config: SoundConfig, webhook: &webhook::Client) -> Result<Self, SoundSetupError> {
        let synthesizer: Arc<dyn TextToSpeech> = match config.speech.engine {
            SpeechEngine::Espeak(config) => Arc::new(Espeak::new(config)),
            SpeechEngine::Http(config) => Arc::new(HttpSpeech::new(config)?),
            SpeechEngine::Own(synthesizer) => synthesizer,
        };
        let hearing: Arc<dyn SpeechToText> = match config.hearing {
            HearingConfig::Pocketsphinx(config) => Arc::new(Pocketsphinx::new(config)),
            HearingConfig::Http(config) => Arc::new(HttpHearing::new(config)?),
            HearingConfig::Own(recognizer) => recognizer,
        };
        let recordings = Recordings::open(config.recordings)?;
        let transcriber = Transcriber::new(Arc::clone(&hearing), recordings.clone());
        Ok(Self {
            speaker: Speaker::new(synthesizer, config.speech.cache_bytes_max),
            hearing,
            fetcher: Fetcher::new(webhook.clone(), config.fetch),
            recordings,
            streams: StreamClient::new(config.streams, webhook.guard().clone()),
            transcriber,
        })
    }

    /// The speech of a text; see [`Speaker::say`].
    ///
    /// # Errors
    ///
    /// The text cannot be said.
    pub async fn say(&self, utterance: &Utterance) -> Result<Pcm, SoundError> {
        self.speaker.say(utterance).await
    }

    /// The sound of a file; see [`Fetcher::get`].
    ///
    /// # Errors
    ///
    /// The file cannot be had or is no sound.
    pub async fn fetch(&self, url: &Url, rate: u32) -> Result<Pcm, SoundError> {
        self.fetcher.get(url, rate).await
    }

    /// Begins to listen to speech; see [`SpeechToText::listen`]. Needs a runtime.
    ///
    /// # Errors
    ///
    /// Nobody understands the language, or too many are listened to.
    pub fn listen(&self, spec: &ListenSpec) -> Result<Listening, SoundError> {
        self.hearing.listen(spec)
    }

    /// The text of a finished recording of 2 to 120 seconds, in English; empty if nothing was
    /// understood. Two are worked on at a time, and some may wait. Needs a runtime.
    ///
    /// # Errors
    ///
    /// The recording is gone, too short or too long, too many wait already, or the recognizer failed.
    pub async fn transcribe(&self, recording: Sid) -> Result<String, SoundError> {
        self.transcriber.text(recording).await
    }

    /// The recordings.
    pub fn recordings(&self) -> &Recordings {
        &self.recordings
    }

    /// Begins a media stream; see [`StreamClient::open`]. Needs a runtime.
    pub fn stream(&self, spec: StreamSpec) -> MediaStream {
        self.streams.open(spec)
    }
}

impl Default for SpeechConfig {
    fn default() -> Self {
        Self {
            engine: SpeechEngine::Espeak(EspeakConfig::default()),
            cache_bytes_max: 128 * 1024 * 1024,
        }
    }
}

impl Default for HearingConfig {
    fn default() -> Self {
        Self::Pocketsphinx(PocketsphinxConfig::default())
    }
}

impl fmt::Debug for SpeechEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Espeak(config) => f.debug_tuple("Espeak").field(config).finish(),
            Self::Http(config) => f.debug_tuple("Http").field(config).finish(),
            Self::Own(_) => f.write_str("Own(…)"),
        }
    }
}

impl fmt::Debug for HearingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pocketsphinx(config) => f.debug_tuple("Pocketsphinx").field(config).finish(),
            Self::Http(config) => f.debug_tuple("Http").field(config).finish(),
            Self::Own(_) => f.write_str("Own(…)"),
        }
    }
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sound")
            .field("recordings", &self.recordings)
            .finish_non_exhaustive()
    }
}
