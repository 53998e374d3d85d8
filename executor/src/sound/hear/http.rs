//! A speech recognition service over HTTP.
//!
//! **The contract.** One POST for each speech, with `Content-Type: application/octet-stream`, sent while
//! the caller speaks (chunked). Its first line is JSON and ends with a line feed:
//!
//! ```json
//! {"language": "en-US", "hints": ["sales", "support"], "model": null, "profanity_filter": true,
//!  "encoding": "s16le", "sample_rate": 8000, "channels": 1}
//! ```
//!
//! What follows is sound: 16-bit samples, little-endian, to the end of the speech. That of a recording comes as
//! fast as it is read, and no later than three minutes after it the answer has ended. With a key configured,
//! the request has `Authorization: Bearer <key>`. The answer is 200, may begin at once, and has one JSON
//! object a line:
//!
//! ```json
//! {"type": "partial", "text": "please transfer", "stability": 0.7}
//! {"type": "final", "text": "please transfer me", "confidence": 0.93}
//! ```
//!
//! After the final one nothing more is read. A service without partial results answers with the final
//! line alone when the request has ended. An answer without a final line is an error; a line that is
//! neither is skipped.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use crate::sound::{SoundError, service};
use crate::{Roots, Secret};

use super::ear::{FRAMES_MAX, Teller, Voice};
use super::{EAR_RATE, Heard, ListenSpec, Listening, SpeechToText, profanity};

/// Where a recognition service is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpHearingConfig {
    /// Its URL. The operator's word counts: private addresses are as good as others.
    pub url: Url,
    /// Its key.
    pub key: Option<Secret>,
    /// Who is believed to vouch for it, besides the system's authorities.
    pub roots: Roots,
    /// Speeches at a time; one more is refused.
    pub running_max: usize,
}

/// A recognizer behind HTTP.
#[derive(Clone)]
pub struct HttpHearing {
    config: HttpHearingConfig,
    http: reqwest::Client,
    places: Arc<Semaphore>,
}

impl HttpHearing {
    /// A client of a recognition service.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(config: HttpHearingConfig) -> Result<Self, reqwest::Error> {
        let places = Arc::new(Semaphore::new(config.running_max.max(1)));
        let http = service::client(&config.roots)?;
        Ok(Self {
            config,
            http,
            places,
        })
    }

    fn request(&self, spec: &ListenSpec, voice: Voice) -> reqwest::RequestBuilder {
        let head = json!({
            "language": spec.language,
            "hints": spec.phrases().collect::<Vec<_>>(),
            "model": spec.model,
            "profanity_filter": spec.profanity_filter,
            "encoding": "s16le",
            "sample_rate": EAR_RATE,
            "channels": 1,
        });
        let body = Speech {
            head: Some(format!("{head}\n").into()),
            voice,
        };
        let request = self
            .http
            .post(self.config.url.clone())
            .header(http::header::CONTENT_TYPE, "application/octet-stream")
            .body(reqwest::Body::wrap(body));
        match &self.config.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}

impl SpeechToText for HttpHearing {
    fn listen(&self, spec: &ListenSpec) -> Result<Listening, SoundError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| SoundError::internal("too many speeches are recognised"))?;
        let (hearing, wanted) = (self.clone(), spec.clone());
        Ok(Listening::start(spec, move |voice, teller| async move {
            let _place = place;
            // The bound on the answer begins when the voice has ended.
            let (ended, voice) = watched(voice, wanted.live);
            let request = hearing.request(&wanted, voice);
            let answer = answer(request, &wanted, teller);
            tokio::pin!(answer);
            tokio::select! {
                heard = &mut answer => return heard,
                () = ended => {}
            }
            let rest = tokio::time::timeout(wanted.slack(), answer).await;
            rest.unwrap_or_else(|_| Err(SoundError::internal("the service did not answer")))
        }))
    }
}

/// The same voice, and a future that is ready when it has ended. A live one ends whether the service
/// reads or not; that of a file waits for it.
fn watched(mut voice: Voice, live: bool) -> (impl Future<Output = ()>, Voice) {
    let (frames, passed) = tokio::sync::mpsc::channel(FRAMES_MAX);
    let ended = async move {
        while let Some(frame) = voice.recv().await {
            // A service that does not read any more has said all it needs, or is given up at the end.
            if !live {
                frames.send(frame).await.ok();
            } else if frames.try_send(frame).is_err() {
                tracing::debug!("a recognition service is too slow: 20 ms are lost");
            }
        }
    };
    (ended, passed)
}

async fn answer(
    request: reqwest::RequestBuilder,
    spec: &ListenSpec,
    teller: Teller,
) -> Result<Heard, SoundError> {
    let mut response = request.send().await.map_err(service::failed)?;
    let status = response.status();
    if !status.is_success() {
        let detail = format!("the service answered {status}");
        return Err(SoundError::internal(detail));
    }
    let filter = |text: String| match spec.profanity_filter {
        true => profanity::starred(&text),
        false => text,
    };
    let (mut pending, mut read) = (BytesMut::new(), 0);
    loop {
        let chunk = response.chunk().await.map_err(service::failed)?;
        let last = chunk.is_none();
        let chunk = chunk.unwrap_or_default();
        pending.extend_from_slice(&chunk);
        read += chunk.len();
        while let Some(line) = take_line(&mut pending, last) {
            match serde_json::from_slice(&line) {
                Ok(Said::Partial { text, stability }) => {
                    let text = filter(text);
                    let stability = unit(stability);
                    // A courtesy: one that nobody takes in time is left out.
                    teller.try_send(Ok(Heard::Partial { text, stability })).ok();
                }
                Ok(Said::Final { text, confidence }) => {
                    let (text, confidence) = (filter(text), unit(confidence));
                    return Ok(Heard::Final { text, confidence });
                }
                Err(error) => tracing::debug!(%error, "an odd line of a recognition service"),
            }
        }
        if last {
            return Err(SoundError::internal("the service gave no final result"));
        }
        if pending.len() > LINE_BYTES_MAX || read > ANSWER_BYTES_MAX {
            return Err(SoundError::internal("the service says too much"));
        }
    }
}

/// A line without its end; at the end of all, what is left counts as one.
fn take_line(pending: &mut BytesMut, last: bool) -> Option<BytesMut> {
    match pending.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let mut line = pending.split_to(end + 1);
            line.truncate(end);
            Some(line)
        }
        None if last && !pending.is_empty() => Some(pending.split()),
        None => None,
    }
}

fn unit(value: f32) -> f32 {
    if value.is_finite() {
        value.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// One line of an answer.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Partial {
        text: String,
        #[serde(default)]
        stability: f32,
    },
    Final {
        text: String,
        #[serde(default)]
        confidence: f32,
    },
}

/// The body of a request: its first line, and then the voice as it comes.
struct Speech {
    head: Option<Bytes>,
    voice: Voice,
}

impl http_body::Body for Speech {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let samples = ready!(self.voice.poll_recv(cx));
        Poll::Ready(samples.map(|samples| {
            let bytes: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
            Ok(Frame::data(bytes.into()))
        }))
    }
}

impl fmt::Debug for HttpHearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpHearing")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl HttpHearingConfig {
    /// A service without a key, with the usual bounds.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            key: None,
            roots: Roots::default(),
            running_max: 64,
        }
    }
}

const LINE_BYTES_MAX: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_voice_ends_whether_the_service_reads_or_not() {
        let (frames, voice) = tokio::sync::mpsc::channel(4 * FRAMES_MAX);
        for number in 0..2 * FRAMES_MAX {
            let sample = i16::try_from(number).unwrap();
            frames.try_send(vec![sample]).unwrap();
        }
        drop(frames);
        let (ended, mut passed) = watched(voice, true);
        assert!(ended.now_or_never().is_some());
        for number in 0..FRAMES_MAX {
            let sample = i16::try_from(number).unwrap();
            assert_eq!(passed.try_recv().unwrap(), [sample]);
        }
        assert!(passed.try_recv().is_err());
    }

    #[test]
    fn a_file_waits_for_the_service() {
        let (frames, voice) = tokio::sync::mpsc::channel(4 * FRAMES_MAX);
        for number in 0..2 * FRAMES_MAX {
            frames
                .try_send(vec![i16::try_from(number).unwrap()])
                .unwrap();
        }
        drop(frames);
        let (ended, mut passed) = watched(voice, false);
        let ended = ended.fuse();
        tokio::pin!(ended);
        assert!(ended.as_mut().now_or_never().is_none());
        for number in 0..2 * FRAMES_MAX {
            let sample = i16::try_from(number).unwrap();
            assert_eq!(passed.try_recv().unwrap(), [sample]);
            ended.as_mut().now_or_never();
        }
        assert!(passed.try_recv().is_err());
    }
}
