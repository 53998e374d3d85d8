//! The room of a conference.

use std::sync::Arc;
use std::time::Duration;

use ::media::{
    Event, Member, RecordEnd, RecordId, RecordReason, RecordSpec, Room, RoomError, RoomSpec,
    Session,
};

use crate::Sid;
use crate::agent::Mail;
use crate::run::Recording;
use crate::sound::SoundError;
use crate::sound::recordings::{NewRecording, RecordingSource, RecordingTrack};

use super::Studio;
use super::keeping::Keeping;

/// A room of the media engine, and its recording.
pub(crate) struct Hall {
    /// Until the conference is over; its recording may be finished after that.
    room: Option<Room>,
    /// Whose recording it is: that of the first participant.
    account: Sid,
    call: Sid,
    recording: Option<Recording>,
}

impl Hall {
    pub(crate) fn open(studio: &Studio, sid: Sid, account: Sid, call: Sid) -> Self {
        let mailbox = studio.mailbox.clone();
        let sink = move |event| {
            // On a media thread, which must not wait; see `Studio::open`.
            if let Event::Recorded(_, end) = event
                && mailbox.try_send(Mail::Hall(sid, Box::new(end))).is_err()
            {
                tracing::error!(conference = %sid, "the end of a recording is lost");
            }
        };
        Self {
            room: Some(studio.engine.room(RoomSpec::default(), Box::new(sink))),
            account,
            call,
            recording: None,
        }
    }

    pub(crate) fn seat(&self, session: &Session, member: Member) -> Result<(), RoomError> {
        let room = self.room.as_ref().ok_or(RoomError::Closed)?;
        session.join(room, member)
    }

    pub(crate) fn close(&mut self) {
        self.room = None;
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.room.is_none() && self.recording.is_none()
    }

    /// Begins to record what all say together.
    pub(crate) fn record(
        &mut self,
        studio: &Studio,
        id: RecordId,
        trim: bool,
    ) -> Result<Recording, SoundError> {
        let begun = studio.sound.recordings().begin(NewRecording {
            account: self.account,
            call: self.call,
            source: RecordingSource::Conference,
            track: RecordingTrack::Both,
            channels: 1,
        })?;
        let recording = Recording {
            url: begun.url,
            sid: Some(begun.sid),
            started: Some(begun.started),
            ..Recording::default()
        };
        if let Some(room) = &self.room {
            let keeping = Keeping::new(studio.sound.recordings(), begun.sid, is_kept);
            let spec = RecordSpec {
                keeper: Some(Arc::new(keeping)),
                max: LONGEST,
                trim,
                ..RecordSpec::new(begun.path)
            };
            room.record(id, spec);
        }
        self.recording = Some(recording.clone());
        Ok(recording)
    }

    pub(crate) fn stop_record(&self, id: RecordId) {
        if let Some(room) = &self.room {
            room.stop_record(id);
        }
    }

    /// The recording is over; what it is, unless there is nothing in it.
    pub(crate) fn recorded(&mut self, end: &RecordEnd) -> Option<Recording> {
        let begun = self.recording.take()?;
        let duration = end.duration;
        is_kept(end).then_some(Recording { duration, ..begun })
    }
}

/// Whether the file is worth keeping.
fn is_kept(end: &RecordEnd) -> bool {
    !matches!(end.reason, RecordReason::Failed(_)) && !end.duration.is_zero()
}

/// The longest call, and with it the longest recording.
const LONGEST: Duration = Duration::from_secs(86_400);
