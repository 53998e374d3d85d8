//! Recordings of a leg: `<Record>`, and those that the user agent itself begins.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::media::{RecordEnd, RecordId, RecordReason, RecordSpec, RecordTracks};

use crate::Sid;
use crate::run::{MediaId, MediaOutcome, Recording};
use crate::sound::SoundError;
use crate::sound::recordings::{Begun, NewRecording, RecordingSource, RecordingTrack};
use crate::twiml;

use super::LegMedia;
use super::keeping::Keeping;
use super::leg::Heard;

/// The recordings that are under way, by their numbers in the session.
#[derive(Debug, Default)]
pub(super) struct Recordings(HashMap<u64, Recording>);

impl Recordings {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A recording of the user agent that is over.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) id: RecordId,
    /// `None`: there is no file.
    pub(crate) recording: Option<Recording>,
}

/// What is to be recorded, beside `<Record>`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) source: RecordingSource,
    pub(crate) track: RecordingTrack,
    pub(crate) dual: bool,
    pub(crate) trim: bool,
}

impl LegMedia {
    /// `<Record>`.
    pub(super) fn record(&mut self, id: MediaId, record: &twiml::Record) -> Option<Recording> {
        let number = RecordId(id.0.into());
        let new = self.new_recording(RecordingSource::RecordVerb, RecordingTrack::Inbound, 1);
        let begun = match self.begin(number, &new) {
            Ok(begun) => begun,
            Err(error) => {
                self.end(id, MediaOutcome::Failed(error.detail));
                return None;
            }
        };
        if let Some(session) = &self.session {
            session.record(
                number,
                RecordSpec {
                    keeper: Some(self.keeper(begun.sid)),
                    silence: Some(record.timeout).filter(|timeout| !timeout.is_zero()),
                    max: record.length_max,
                    beep: record.play_beep,
                    trim: record.trim_silence,
                    ..RecordSpec::new(begun.path)
                },
            );
        }
        self.recordings.0.get(&number.0).cloned()
    }

    /// Begins a recording of the user agent itself; what it is so far.
    pub(crate) fn record_all(
        &mut self,
        id: RecordId,
        wanted: Wanted,
    ) -> Result<Recording, SoundError> {
        let what = match wanted.track {
            RecordingTrack::Both if wanted.dual => RecordTracks::Dual,
            RecordingTrack::Both => RecordTracks::Both,
            RecordingTrack::Inbound => RecordTracks::Inbound,
            RecordingTrack::Outbound => RecordTracks::Outbound,
        };
        let channels = if what == RecordTracks::Dual { 2 } else { 1 };
        let new = self.new_recording(wanted.source, wanted.track, channels);
        let begun = self.begin(id, &new)?;
        if let Some(session) = &self.session {
            session.record(
                id,
                RecordSpec {
                    keeper: Some(self.keeper(begun.sid)),
                    max: LONGEST,
                    trim: wanted.trim,
                    what,
                    ..RecordSpec::new(begun.path)
                },
            );
        }
        Ok(self.recordings.0.get(&id.0).cloned().unwrap_or_default())
    }

    /// Ends a recording; how it ended comes later.
    pub(crate) fn stop_record(&self, id: RecordId) {
        if let Some(session) = &self.session
            && self.recordings.0.contains_key(&id.0)
        {
            session.stop_record(id);
        }
    }

    pub(super) fn stop_recording(&self, id: MediaId) {
        self.stop_record(RecordId(id.0.into()));
    }

    /// Whether a recording is under way.
    pub(crate) fn is_recording(&self, id: RecordId) -> bool {
        self.recordings.0.contains_key(&id.0)
    }

    /// A recording is over, and its file complete.
    pub(super) fn recorded(&mut self, id: RecordId, end: &RecordEnd) -> Option<Heard> {
        let begun = self.recordings.0.remove(&id.0)?;
        if let (RecordReason::Failed(_), Some(session)) = (&end.reason, &self.session) {
            // What has no file needs not be listened to.
            session.stop_record(id);
        }
        let recording = result(begun, end);
        let Ok(medium) = u32::try_from(id.0) else {
            let recording = recording.ok().flatten();
            return Some(Heard::Recorded(Recorded { id, recording }));
        };
        let outcome = match recording {
            Ok(Some(recording)) => MediaOutcome::Recorded(recording),
            Ok(None) => MediaOutcome::Silent,
            Err(error) => MediaOutcome::Failed(error),
        };
        Some(Heard::Done(MediaId(medium), outcome))
    }

    fn new_recording(
        &self,
        source: RecordingSource,
        track: RecordingTrack,
        channels: u8,
    ) -> NewRecording {
        NewRecording {
            account: self.owner.account,
            call: self.owner.call,
            source,
            track,
            channels,
        }
    }

    fn keeper(&self, sid: Sid) -> Arc<Keeping> {
        Arc::new(Keeping::new(self.studio.sound.recordings(), sid, is_kept))
    }

    fn begin(&mut self, id: RecordId, new: &NewRecording) -> Result<Begun, SoundError> {
        let channels = new.channels;
        let begun = self.studio.sound.recordings().begin(*new)?;
        let recording = Recording {
            url: begun.url.clone(),
            sid: Some(begun.sid),
            duration: Duration::ZERO,
            channels,
            started: Some(begun.started),
        };
        self.recordings.0.insert(id.0, recording);
        Ok(begun)
    }
}

/// What a recording came to: nothing if there was only silence.
fn result(begun: Recording, end: &RecordEnd) -> Result<Option<Recording>, String> {
    if let RecordReason::Failed(error) = &end.reason {
        return Err(error.clone());
    }
    let duration = end.duration;
    Ok(is_kept(end).then_some(Recording { duration, ..begun }))
}

/// Whether the file is worth keeping. Silence is a result only where somebody has ended it.
fn is_kept(end: &RecordEnd) -> bool {
    match end.reason {
        RecordReason::Failed(_) => false,
        RecordReason::MaxLength | RecordReason::Silence => end.heard,
        RecordReason::HungUp | RecordReason::Key(_) | RecordReason::Stopped => true,
    }
}

/// The longest call, and with it the longest recording of one.
const LONGEST: Duration = Duration::from_secs(86_400);
