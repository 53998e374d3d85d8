//! A speech service over HTTP.
//!
//! **The contract.** One POST for each text, with `Content-Type: application/json`:
//!
//! ```json
//! {"text": "Good morning.", "ssml": "Good <s>morning.</s>", "voice": "Polly.Joanna",
//!  "language": "en-US", "sample_rate": 8000}
//! ```
//!
//! `ssml` and `voice` are `null` if the document has none; both are as the document has them. With a
//! key configured, the request has `Authorization: Bearer <key>`. The answer is 200 with a sound file
//! of a type that `<Play>` takes, such as `audio/wav` or `audio/mpeg`, at any rate; its
//! `Content-Type` says which. Anything else is an error, and the text is not said.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use crate::sound::audio::{self, Pcm};
use crate::sound::service;
use crate::sound::{BoxFuture, SoundError};
use crate::{Roots, Secret};

use super::{SECONDS_MAX, TextToSpeech, Utterance};

/// Where a speech service is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpSpeechConfig {
    /// Its URL. The operator's word counts: private addresses are as good as others.
    pub url: Url,
    /// Its key.
    pub key: Option<Secret>,
    /// Who is believed to vouch for it, besides the system's authorities.
    pub roots: Roots,
    /// Requests at a time; more wait.
    pub running_max: usize,
    /// The bound on one rendering with its wait.
    pub time_max: Duration,
    /// The largest sound file.
    pub bytes_max: usize,
}

/// A synthesizer behind HTTP.
#[derive(Clone)]
pub struct HttpSpeech {
    config: HttpSpeechConfig,
    http: reqwest::Client,
    places: Arc<Semaphore>,
}

impl HttpSpeech {
    /// A client of a speech service.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(config: HttpSpeechConfig) -> Result<Self, reqwest::Error> {
        let places = Arc::new(Semaphore::new(config.running_max.max(1)));
        let http = service::client(&config.roots)?;
        Ok(Self {
            config,
            http,
            places,
        })
    }

    async fn ask(&self, utterance: &Utterance) -> Result<Pcm, SoundError> {
        let place = self.places.acquire();
        let _place = place
            .await
            .map_err(|_| SoundError::internal("no place to render speech"))?;
        let body = json!({
            "text": utterance.text,
            "ssml": utterance.ssml,
            "voice": utterance.voice,
            "language": utterance.language,
            "sample_rate": utterance.rate,
        });
        let mut request = self
            .http
            .post(self.config.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "audio/wav, audio/mpeg, audio/basic")
            .body(body.to_string());
        if let Some(key) = &self.config.key {
            request = request.bearer_auth(key.expose());
        }
        let response = request.send().await.map_err(service::failed)?;
        let (content_type, body) = service::body(response, self.config.bytes_max).await?;
        let rate = utterance.rate;
        let decode = move || audio::decode(&body, content_type.as_deref(), SECONDS_MAX, rate);
        let decoded = audio::blocking(decode).await?;
        decoded.map_err(|error| SoundError::internal(format!("the speech service: {error}")))
    }
}

impl TextToSpeech for HttpSpeech {
    fn render<'r>(&'r self, utterance: &'r Utterance) -> BoxFuture<'r, Result<Pcm, SoundError>> {
        Box::pin(async move {
            let time_max = self.config.time_max;
            let done = tokio::time::timeout(time_max, self.ask(utterance)).await;
            done.unwrap_or_else(|_| {
                let detail = format!("the speech service did not answer in {time_max:?}");
                Err(SoundError::internal(detail))
            })
        })
    }
}

impl HttpSpeechConfig {
    /// A service without a key, with the usual bounds.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            key: None,
            roots: Roots::default(),
            running_max: 32,
            time_max: Duration::from_secs(10),
            bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for HttpSpeech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSpeech")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
