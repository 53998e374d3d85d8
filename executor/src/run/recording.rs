//! `<Record>`, and the callbacks of all recordings.

use crate::twiml::{Record, RecordingStatus, RecordingTrack};
use crate::webhook::{Purpose, Request, rfc2822};

use super::phase::{Phase, Recorded};
use super::{Action, Leg, MediaId, MediaKind, MediaOutcome, Recording, RecordingCallback, Run};

/// Tells the states of one recording.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    callback: Option<RecordingCallback>,
    about: About,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct About {
    /// `RecordingSource`.
    pub(crate) source: &'static str,
    /// `RecordingTrack`.
    pub(crate) track: RecordingTrack,
}

/// `RecordingStatus`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Absent,
    Completed,
    InProgress,
}

impl Run {
    pub(super) fn record(&mut self, verb: Box<Record>) {
        let about = About {
            source: "RecordVerb",
            track: RecordingTrack::Inbound,
        };
        let teller = self.teller(verb.recording.as_ref(), about);
        let wanted = verb.transcription.as_ref();
        let transcribing = wanted.map(|wanted| self.transcribing(wanted));
        let media = self.start_media(MediaKind::Record((*verb).clone()));
        self.phase = Phase::Recording {
            media,
            verb,
            teller: Some(teller),
            transcribing,
            ended_by: None,
        };
    }

    /// A key of `finishOnKey` stops the recording; what was recorded comes with `MediaDone`.
    pub(super) fn record_digit(&mut self, digit: char) {
        let Phase::Recording {
            media,
            verb,
            ended_by,
            ..
        } = &mut self.phase
        else {
            return;
        };
        if ended_by.is_none() && verb.finish_on_key.contains(digit) {
            *ended_by = Some(digit);
            let media = *media;
            self.act(Action::StopMedia(media));
        }
    }

    pub(super) fn recording_started(&mut self, id: MediaId, recording: &Recording) {
        if let Phase::Recording { media, teller, .. } = &self.phase
            && *media == id
            && let Some(teller) = teller.clone()
        {
            self.tell_recording(&teller, State::InProgress, recording);
        }
    }

    /// The recording is over. Silence falls through to the next verb; otherwise `action` gets the
    /// result, also after the caller has hung up.
    pub(super) fn record_ended(&mut self, outcome: MediaOutcome) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Recording {
            verb,
            teller,
            transcribing,
            ended_by,
            ..
        } = phase
        else {
            return;
        };
        self.took_time();
        let hung_up = self.leg == Leg::Ended;
        let recording = match outcome {
            MediaOutcome::Recorded(recording) => Some(recording),
            _ => None,
        };
        if let Some(teller) = &teller {
            match &recording {
                Some(recording) => self.tell_recording(teller, State::Completed, recording),
                None => self.tell_recording(teller, State::Absent, &Recording::default()),
            }
        }
        if let (Some(transcribing), Some(recording)) = (transcribing, &recording) {
            self.transcribe(transcribing, recording);
        }
        self.tell_end();
        // A key or the hang-up ended it: that is a result, although nothing was heard.
        let ended = hung_up || ended_by.is_some();
        let Some(recording) = recording.or_else(|| ended.then(Recording::default)) else {
            self.trace("Record", "the caller was silent");
            return self.advance();
        };
        let digits = match ended_by {
            _ if hung_up => "hangup".to_owned(),
            Some(key) => key.to_string(),
            None => String::new(),
        };
        let recorded = Recorded { recording, digits };
        self.follow(Purpose::RecordAction, &verb.action, recorded.params());
    }

    /// Prepares the callbacks of a recording, with their URL resolved now.
    pub(super) fn teller(&mut self, status: Option<&RecordingStatus>, about: About) -> Teller {
        let callback = status.and_then(|status| {
            let hook = self.resolve_or_warn(&status.link, "recordingStatusCallback")?;
            Some(RecordingCallback {
                hook,
                events: status.events,
            })
        });
        Teller { callback, about }
    }

    /// Makes the callback of a state, if it is wanted.
    pub(super) fn tell_recording(&mut self, teller: &Teller, state: State, recording: &Recording) {
        if state == State::Completed && recording.url.is_some() {
            self.recorded = Some(recording.clone());
        }
        let Some(callback) = teller.callback.as_ref() else {
            return;
        };
        let id = self.next_fetch_id();
        let status = self.call_status();
        if let Some(params) = recording_params(callback, state, teller.about, recording) {
            self.act(Action::StatusCallback(Box::new(Request {
                id,
                url: callback.hook.url.clone(),
                method: callback.hook.method,
                purpose: Purpose::RecordingCallback,
                call_status: status,
                params,
            })));
        }
    }
}

/// The parameters of a recording's callback; `None` if this state is not wanted.
pub(crate) fn recording_params(
    callback: &RecordingCallback,
    state: State,
    about: About,
    recording: &Recording,
) -> Option<Vec<(String, String)>> {
    let (wanted, status) = match state {
        State::Absent => (callback.events.absent, "absent"),
        State::Completed => (callback.events.completed, "completed"),
        State::InProgress => (callback.events.in_progress, "in-progress"),
    };
    if !wanted {
        return None;
    }
    let mut params = found(recording);
    if state != State::InProgress {
        let seconds = recording.duration.as_secs();
        params.push(("RecordingDuration", seconds.to_string()));
    }
    params.push(("RecordingStatus", status.to_owned()));
    params.push(("RecordingChannels", recording.channels.to_string()));
    params.push(("RecordingSource", about.source.to_owned()));
    if let Some(started) = recording.started {
        params.push(("RecordingStartTime", rfc2822(started)));
    }
    params.push(("RecordingTrack", about.track.as_str().to_owned()));
    Some(owned(params))
}

/// Where a recording is.
fn found(recording: &Recording) -> Vec<(&'static str, String)> {
    let url = recording.url.clone().map(|url| ("RecordingUrl", url));
    let sid = recording.sid.map(|sid| ("RecordingSid", sid.to_string()));
    url.into_iter().chain(sid).collect()
}

fn owned(params: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    params.into_iter().map(owned).collect()
}

/// `RecordingUrl`, `RecordingSid` and `RecordingDuration`, as results of verbs and calls have
/// them.
pub(super) fn result_params(recording: &Recording) -> Vec<(String, String)> {
    let mut params = found(recording);
    let seconds = recording.duration.as_secs();
    params.push(("RecordingDuration", seconds.to_string()));
    owned(params)
}

impl Recorded {
    fn params(self) -> Vec<(String, String)> {
        let mut params = result_params(&self.recording);
        if !self.digits.is_empty() {
            params.push(("Digits".to_owned(), self.digits));
        }
        params
    }
}
