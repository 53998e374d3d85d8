//! The stand-in for the media engine: how long a medium takes when no sound is rendered.
//!
//! This version renders no sound. The user agent asks [`render`] how long a medium takes and how
//! it ends, waits that long, and reports it; a media engine takes this place without a change to
//! the run.
//!
//! | medium | time |
//! |---|---|
//! | fetching files, recognising speech | none: neither is done |
//! | music | [`LONGEST`] |
//! | `<Say>` | 15 characters a second, at least a second, times `loop` |
//! | `<Play>` | one second, times `loop` |
//! | keys | 0.2 s a key, 0.5 s for `w`, 1 s for `W` |
//! | `<Record>` | its `timeout`, since nothing is heard: the caller was silent |
//!
//! Nothing takes longer than [`LONGEST`].

use std::time::Duration;

use super::{MediaKind, MediaOutcome, Recording};

/// Longest nominal time of a medium.
pub const LONGEST: Duration = Duration::from_secs(600);

/// How long a medium takes, and how it ends.
pub fn render(kind: &MediaKind) -> (Duration, MediaOutcome) {
    let (time, outcome) = match kind {
        MediaKind::Fetch(_) => (Duration::ZERO, MediaOutcome::Finished),
        MediaKind::HoldMusic => (LONGEST, MediaOutcome::Finished),
        MediaKind::Listen(_) => {
            let reason = "speech is not recognised by this version".to_owned();
            (Duration::ZERO, MediaOutcome::Failed(reason))
        }
        MediaKind::Play { times, .. } => (repeat(SECOND, *times), MediaOutcome::Finished),
        MediaKind::PlayDigits(keys) => (keys.chars().map(key).sum(), MediaOutcome::Finished),
        MediaKind::Record(record) if record.timeout.is_zero() => {
            (record.length_max, MediaOutcome::Silent)
        }
        MediaKind::Record(record) => (record.timeout.min(record.length_max), MediaOutcome::Silent),
        MediaKind::Speak(say) => {
            let millis = say.text.chars().count() as u64 * 1000 / CHARS_PER_SECOND;
            let once = Duration::from_millis(millis).max(SECOND);
            (repeat(once, say.times), MediaOutcome::Finished)
        }
    };
    (time.min(LONGEST), outcome)
}

/// How a medium ends that is stopped: only a recording has something to say.
pub fn stop(kind: &MediaKind) -> Option<MediaOutcome> {
    match kind {
        MediaKind::Record(_) => Some(MediaOutcome::Recorded(Recording::default())),
        _ => None,
    }
}

/// A medium in words, with what becomes of it.
pub(super) fn describe(kind: &MediaKind) -> String {
    let (time, _) = render(kind);
    let what = match kind {
        MediaKind::Fetch(urls) => format!("fetch {} files", urls.len()),
        MediaKind::HoldMusic => "play music".to_owned(),
        MediaKind::Listen(listen) => format!("listen for {}", listen.language),
        MediaKind::Play { url, .. } => format!("play {}", crate::webhook::shown(url)),
        MediaKind::PlayDigits(keys) => format!("play the keys {keys}"),
        MediaKind::Record(_) => "record".to_owned(),
        MediaKind::Speak(say) => format!("say {:?}", say.text),
    };
    format!(
        "{what}: no sound is rendered by this version, {:.1} s of silence instead",
        time.as_secs_f32()
    )
}

fn repeat(once: Duration, times: u32) -> Duration {
    once.saturating_mul(times)
}

fn key(key: char) -> Duration {
    match key {
        'w' => Duration::from_millis(500),
        'W' => SECOND,
        _ => Duration::from_millis(200),
    }
}

const SECOND: Duration = Duration::from_secs(1);
const CHARS_PER_SECOND: u64 = 15;
