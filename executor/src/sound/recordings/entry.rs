//! What is known about one recording, and the small file beside it that keeps it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{Sid, SidKind};

use super::{NewRecording, RecordingSource, RecordingTrack};

/// One recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) of: NewRecording,
    pub(super) started: SystemTime,
    /// What it became; `None` while it goes on.
    pub(super) done: Option<Done>,
}

/// A finished recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Done {
    pub(super) duration: Duration,
    /// All its files together.
    pub(super) bytes: u64,
}

impl Entry {
    /// The file that keeps it.
    pub(super) fn to_json(self) -> Vec<u8> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let kept = Kept {
            account: self.of.account.to_string(),
            call: self.of.call.to_string(),
            source: self.of.source.as_str().to_owned(),
            track: self.of.track.as_str().to_owned(),
            channels: self.of.channels,
            started_ms: millis(self.started.duration_since(UNIX_EPOCH).unwrap_or_default()),
            duration_ms: self.done.map(|done| millis(done.duration)),
        };
        // A struct of texts and numbers always has JSON.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// Reads the file; `bytes` is what the recording takes on disk.
    pub(super) fn from_json(json: &[u8], bytes: u64) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(json).ok()?;
        let sid = |text: &str, kind| {
            let sid: Sid = text.parse().ok()?;
            (sid.kind() == kind).then_some(sid)
        };
        let mut sources = RecordingSource::ALL.into_iter();
        let mut tracks = RecordingTrack::ALL.into_iter();
        Some(Self {
            of: NewRecording {
                account: sid(&kept.account, SidKind::Account)?,
                call: sid(&kept.call, SidKind::Call)?,
                source: sources.find(|it| it.as_str() == kept.source)?,
                track: tracks.find(|it| it.as_str() == kept.track)?,
                channels: kept.channels,
            },
            started: UNIX_EPOCH.checked_add(Duration::from_millis(kept.started_ms))?,
            done: kept.duration_ms.map(|millis| Done {
                duration: Duration::from_millis(millis),
                bytes,
            }),
        })
    }
}

#[derive(Deserialize, Serialize)]
struct Kept {
    account: String,
    call: String,
    source: String,
    track: String,
    channels: u8,
    started_ms: u64,
    duration_ms: Option<u64>,
}
