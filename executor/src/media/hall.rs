//! The room of a conference.

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
            let spec = RecordSpec {
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
    pub(crate) fn recorded(&mut self, studio: &Studio, end: &RecordEnd) -> Option<Recording> {
        let begun = self.recording.take()?;
        let sid = begun.sid?;
        let store = studio.sound.recordings();
        let failed = matches!(end.reason, RecordReason::Failed(_));
        if failed || end.duration.is_zero() || store.finish(sid, end.duration).is_err() {
            store.discard(sid);
            return None;
        }
        Some(Recording {
            duration: end.duration,
            ..begun
        })
    }
}

/// The longest call, and with it the longest recording.
const LONGEST: Duration = Duration::from_secs(86_400);
