//! Recordings as text: a file is given to the recognizer, as fast as that takes it.
//!
//! Nobody waits on the telephone for it, so few files are worked on at a time and others wait; but a
//! number of them that would only grow is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{ErrorCode, Sid};

use super::hear::{Heard, ListenSpec, Listening, SpeechToText};
use super::recordings::Recordings;
use super::{Pcm, SoundError, audio};

/// Writes recordings down.
#[derive(Clone)]
pub(super) struct Transcriber {
    hearing: Arc<dyn SpeechToText>,
    recordings: Recordings,
    /// Those that are worked on.
    places: Arc<Semaphore>,
    /// Those and the ones that wait.
    room: Arc<Semaphore>,
}

impl Transcriber {
    pub(super) fn new(hearing: Arc<dyn SpeechToText>, recordings: Recordings) -> Self {
        Self {
            hearing,
            recordings,
            places: Arc::new(Semaphore::new(RUNNING_MAX)),
            room: Arc::new(Semaphore::new(ACCEPTED_MAX)),
        }
    }

    /// The text of a finished recording, which may wait for its turn; empty if nothing was understood.
    pub(super) async fn text(&self, sid: Sid) -> Result<String, SoundError> {
        let file = self.recordings.finished(sid);
        let (duration, path) = file.ok_or_else(|| failed("the recording is gone"))?;
        let seconds = duration.as_secs();
        if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
            let detail = format!(
                "a recording of {seconds} s is not transcribed: it takes {SECONDS_MIN} to {SECONDS_MAX}"
            );
            return Err(SoundError::new(ErrorCode::TRANSCRIPTION_LENGTH, detail));
        }
        let full = |_| failed("too many recordings wait to be transcribed");
        let _room = self.room.try_acquire().map_err(full)?;
        let _place = audio::place(&self.places).await?;
        let text = tokio::time::timeout(TIME_MAX, self.recognize(&path)).await;
        text.unwrap_or_else(|_| Err(failed("the recognizer takes too long")))
            .map_err(|error| failed(error.detail))
    }

    async fn recognize(&self, path: &Path) -> Result<String, SoundError> {
        let path = path.to_owned();
        let voice = audio::blocking(move || read(&path)).await??;
        let Listening {
            audio: ear,
            mut results,
        } = self.listen().await?;
        let speak = async move {
            let silence = [0; CHUNK];
            let margin = || std::iter::repeat_n(&silence[..], MARGIN_CHUNKS);
            let chunks = voice.samples.chunks(CHUNK);
            for chunk in margin().chain(chunks).chain(margin()) {
                // A recognizer that hears no more has its result.
                if !ear.feed(chunk).await {
                    break;
                }
            }
            ear.finish();
        };
        let hear = async move {
            loop {
                match results.next().await {
                    Some(Ok(Heard::Partial { .. })) => {}
                    Some(Ok(Heard::Final { text, .. })) => return Ok(bounded(&text)),
                    Some(Err(error)) => return Err(error),
                    None => return Err(failed("the recognizer gave no result")),
                }
            }
        };
        tokio::pin!(speak);
        tokio::pin!(hear);
        tokio::select! {
            text = &mut hear => text,
            () = &mut speak => hear.await,
        }
    }

    /// Begins to listen. Callers who are listened to go first: while they take all places of the
    /// recognizer, this waits.
    async fn listen(&self) -> Result<Listening, SoundError> {
        let spec = ListenSpec {
            profanity_filter: false,
            limit: Duration::from_secs(LISTENED_SECONDS_MAX),
            live: false,
            ..ListenSpec::new("en-US")
        };
        let mut tries = LISTEN_TRIES_MAX;
        loop {
            match self.hearing.listen(&spec) {
                Ok(listening) => return Ok(listening),
                Err(error) if error.code == ErrorCode::NOT_SUPPORTED || tries <= 1 => {
                    return Err(error);
                }
                Err(_) => tries -= 1,
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }
}

/// The sound of a recording; its channels become one. Blocks.
fn read(path: &Path) -> Result<Pcm, SoundError> {
    let gone = |error: io::Error| failed(format!("the recording cannot be read: {error}"));
    let file = File::open(path).map_err(gone)?;
    let mut bytes = Vec::new();
    let within = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    within.map_err(gone)?;
    let seconds_max = u32::try_from(LISTENED_SECONDS_MAX).unwrap_or(u32::MAX);
    audio::decode(&bytes, Some("audio/wav"), seconds_max, EAR_RATE)
        .map_err(|error| failed(format!("the recording cannot be read: {error}")))
}

/// No more of a text than a recording can hold.
fn bounded(text: &str) -> String {
    let text = text.trim();
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= TEXT_BYTES_MAX;
    let chars = text.char_indices().take_while(fits);
    chars.map(|(_, c)| c).collect()
}

fn failed(detail: impl Into<String>) -> SoundError {
    SoundError::new(ErrorCode::SPEECH, detail)
}

/// Files that are worked on at a time: each takes a processor.
const RUNNING_MAX: usize = 2;
/// Files that are worked on or wait.
const ACCEPTED_MAX: usize = 64;
/// The shortest and the longest recording that is transcribed, in whole seconds.
const SECONDS_MIN: u64 = 2;
const SECONDS_MAX: u64 = 120;
/// The same with the silence around it.
const LISTENED_SECONDS_MAX: u64 = SECONDS_MAX + 4;
/// What one file may take, from its turn on.
const TIME_MAX: Duration = Duration::from_secs(300);
/// How often and how long is waited for a recognizer without a free place.
const LISTEN_TRIES_MAX: u32 = 60;
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// Two minutes in two channels at 8 kHz are half of it.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Two minutes of the fastest speech are less.
const TEXT_BYTES_MAX: usize = 8 * 1024;
const EAR_RATE: u32 = 8000;
/// A tenth of a second.
const CHUNK: usize = EAR_RATE as usize / 10;
/// Half a second of silence: a trimmed recording begins with its first word.
const MARGIN_CHUNKS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_bounded() {
        assert_eq!(bounded(" one two\n"), "one two");
        let long = bounded(&"é".repeat(TEXT_BYTES_MAX));
        assert_eq!(long, "é".repeat(TEXT_BYTES_MAX / 2));
        let odd = bounded(&format!("a{}", "é".repeat(TEXT_BYTES_MAX)));
        assert_eq!(odd.len(), TEXT_BYTES_MAX - 1);
    }
}
