//! The two ends of listening: where sound goes in, and where text comes out.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use media::{TapSink, Track};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::sound::{SoundError, audio};

use super::{Heard, LIMIT_MAX, ListenSpec};

/// One speech that is listened to. Dropping `results` ends it.
#[derive(Debug)]
pub struct Listening {
    /// Where the voice goes.
    pub audio: Ear,
    /// Where the text comes.
    pub results: Hearings,
}

/// Takes a voice at 8,000 samples a second. Clones are the same ear; when all are gone, the speech
/// is finished.
#[derive(Clone)]
pub struct Ear(Arc<Mutex<Option<Open>>>);

/// What an ear has until it is finished.
struct Open {
    frames: mpsc::Sender<Vec<i16>>,
    /// What may still be heard.
    samples_left: usize,
}

/// The voice on its way to a recognizer; `None` is its end.
pub(super) type Voice = mpsc::Receiver<Vec<i16>>;

/// Tells what was understood.
pub(super) type Teller = mpsc::Sender<Result<Heard, SoundError>>;

/// What was understood: partial results, then one final result or one error, and nothing more.
pub struct Hearings {
    results: mpsc::Receiver<Result<Heard, SoundError>>,
    task: AbortHandle,
    done: bool,
}

impl Listening {
    /// Lets `recognize` listen in a task of its own. Its result is the last to be told.
    pub(super) fn start<F>(
        spec: &ListenSpec,
        recognize: impl FnOnce(Voice, Teller) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Heard, SoundError>> + Send + 'static,
    {
        let (frames, voice) = mpsc::channel(FRAMES_MAX);
        let (teller, results) = mpsc::channel(RESULTS_MAX);
        let last = teller.clone();
        let bound = 2 * LIMIT_MAX;
        let task = tokio::spawn(async move {
            let recognized = tokio::time::timeout(bound, recognize(voice, teller)).await;
            let recognized = recognized.unwrap_or_else(|_| {
                Err(SoundError::internal(
                    "the recognizer did not come to an end",
                ))
            });
            // Without a listener there is nobody to tell.
            last.send(recognized).await.ok();
        });
        let open = Open {
            frames,
            samples_left: spec.samples_max(),
        };
        Self {
            audio: Ear(Arc::new(Mutex::new(Some(open)))),
            results: Hearings {
                results,
                task: task.abort_handle(),
                done: false,
            },
        }
    }
}

impl Ear {
    /// Hears samples, 20 ms at best. Never blocks: what a recognizer is too slow for is lost.
    pub fn push(&self, samples: &[i16]) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &mut *place else {
            return;
        };
        let heard = samples.get(..open.samples_left).unwrap_or(samples);
        open.samples_left -= heard.len();
        if !heard.is_empty() && open.frames.try_send(heard.to_vec()).is_err() {
            tracing::debug!("a recognizer is too slow: 20 ms are lost");
        }
        if open.samples_left == 0 {
            *place = None;
        }
    }

    /// Hears samples of a file: waits until the recognizer takes them. Whether it hears more.
    pub async fn feed(&self, samples: &[i16]) -> bool {
        let (frames, heard, last) = {
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(open) = &mut *place else {
                return false;
            };
            let heard = samples.get(..open.samples_left).unwrap_or(samples);
            open.samples_left -= heard.len();
            (open.frames.clone(), heard.to_vec(), open.samples_left == 0)
        };
        let taken = heard.is_empty() || frames.send(heard).await.is_ok();
        if last {
            self.finish();
        }
        taken && !last
    }

    /// The same as [`Ear::push`] for µ-law.
    pub fn push_ulaw(&self, ulaw: &[u8]) {
        self.push(&audio::from_ulaw(ulaw));
    }

    /// The speech is over: the final result is wanted.
    pub fn finish(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl TapSink for Ear {
    fn frame(&mut self, track: Track, _since: Duration, payload: &[u8; 160]) {
        if track == Track::Inbound {
            self.push_ulaw(payload);
        }
    }
}

impl Hearings {
    /// The next result; `None` after the last. May be called again when its future was dropped.
    pub async fn next(&mut self) -> Option<Result<Heard, SoundError>> {
        if self.done {
            return None;
        }
        let result = self.results.recv().await;
        let result = result.unwrap_or_else(|| Err(SoundError::internal("the recognizer broke")));
        self.done = !matches!(result, Ok(Heard::Partial { .. }));
        Some(result)
    }
}

impl Drop for Hearings {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear(…)")
    }
}

impl fmt::Debug for Hearings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearings")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// Frames on their way: ten seconds, for a recognizer that has to load its model first.
pub(super) const FRAMES_MAX: usize = 500;
const RESULTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(millis: u64) -> ListenSpec {
        ListenSpec {
            limit: Duration::from_millis(millis),
            ..ListenSpec::new("en-US")
        }
    }

    fn counting(spec: &ListenSpec) -> Listening {
        Listening::start(spec, |mut voice, _| async move {
            let mut samples = 0;
            while let Some(frame) = voice.recv().await {
                samples += frame.len();
            }
            Ok(Heard::Final {
                text: samples.to_string(),
                confidence: 1.0,
            })
        })
    }

    async fn text(listening: &mut Listening) -> String {
        match listening.results.next().await {
            Some(Ok(Heard::Final { text, .. })) => text,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_end_comes_by_finish_by_the_limit_or_with_the_last_clone() {
        let mut finished = counting(&spec(1000));
        finished.audio.push(&[0; 160]);
        finished.audio.push_ulaw(&[0xff; 160]);
        finished.audio.finish();
        finished.audio.push(&[0; 160]);
        assert_eq!(text(&mut finished).await, "320");
        assert!(finished.results.next().await.is_none());

        let mut limited = counting(&spec(30));
        limited.audio.push(&[0; 160]);
        limited.audio.push(&[0; 160]);
        assert_eq!(text(&mut limited).await, "240");

        let Listening { audio, mut results } = counting(&spec(1000));
        let mut tap = audio.clone();
        tap.frame(Track::Inbound, Duration::ZERO, &[0xff; 160]);
        tap.frame(Track::Outbound, Duration::ZERO, &[0xff; 160]);
        drop((audio, tap));
        assert!(
            matches!(results.next().await, Some(Ok(Heard::Final { text, .. })) if text == "160")
        );
    }

    #[tokio::test]
    async fn a_recognizer_that_panics_is_an_error() {
        let mut listening = Listening::start(&spec(1000), |voice, _| async move {
            assert!(voice.is_closed(), "broken");
            Err(SoundError::internal("not broken"))
        });
        let told = listening.results.next().await;
        assert!(
            matches!(&told, Some(Err(error)) if error.detail.ends_with("broke")),
            "{told:?}"
        );
        assert!(listening.results.next().await.is_none());
    }
}
