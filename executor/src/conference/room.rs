//! One conference.

use std::sync::Arc;

use crate::Sid;
use crate::run::recording::{About, State, recording_params};
use crate::run::{
    ConferenceCallback, ConferenceEnd, ConferenceNotice, ConferencePlan, Recording,
    RecordingCallback,
};
use crate::twiml::RecordingTrack;
use crate::webhook::{CallContext, CallStatus, FetchId, Hook, Purpose, Request};

use super::callback::Happened;
use super::participant::Participant;
use super::{Effect, ended, tell};

/// One conference.
#[derive(Debug)]
pub(super) struct Room<K> {
    sid: Sid,
    name: String,
    /// The first participant's call: whose account it is.
    founder: Arc<CallContext>,
    participants_max: u32,
    record: bool,
    trim_silence: bool,
    status_callback: Option<ConferenceCallback>,
    recording_callback: Option<RecordingCallback>,
    participants: Vec<Participant<K>>,
    stage: Stage,
    /// A recording is under way or being written.
    recording: bool,
    /// `SequenceNumber` of the next callback.
    sequence: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Over,
    Running,
    Waiting,
}

/// How a conference comes to its end.
#[derive(Clone, Debug)]
pub(super) struct End {
    reason: &'static str,
    /// Whose exit it was, with its label.
    by: (Sid, Option<String>),
}

impl<K: Copy + Eq> Room<K> {
    pub(super) fn new(sid: Sid, founder: &Arc<CallContext>, plan: &ConferencePlan) -> Self {
        Self {
            sid,
            name: plan.name.clone(),
            founder: Arc::clone(founder),
            participants_max: plan.participants_max,
            record: plan.record,
            trim_silence: plan.trim_silence,
            status_callback: plan.status_callback.clone(),
            recording_callback: plan.recording_callback.clone(),
            participants: Vec::new(),
            stage: Stage::Waiting,
            recording: false,
            sequence: 0,
        }
    }

    pub(super) fn join(
        &mut self,
        mut participant: Participant<K>,
        coach: Option<Sid>,
    ) -> Result<Vec<Effect<K>>, ConferenceEnd> {
        if self.participants.len() >= self.participants_max as usize {
            return Err(ConferenceEnd::Full);
        }
        let label = participant.label.as_ref();
        if label.is_some()
            && self
                .participants
                .iter()
                .any(|other| other.label.as_ref() == label)
        {
            return Err(ConferenceEnd::LabelTaken);
        }
        if let Some(call) = coach {
            let pupil = self
                .participants
                .iter()
                .find(|other| other.call_sid == call);
            let pupil = pupil.ok_or(ConferenceEnd::NobodyToCoach)?;
            participant.coach = Some((call, pupil.key));
        }
        let key = participant.key;
        let mut effects = Vec::new();
        let params = participant.params();
        self.participants.push(participant);
        effects.extend(self.callback(Happened::Join, params.clone()));
        if self.stage == Stage::Waiting && !self.may_start() {
            effects.push(tell(key, ConferenceNotice::Waits));
            return Ok(effects);
        }
        if self.stage == Stage::Waiting {
            effects.extend(self.start(key, params));
        } else {
            effects.extend(self.seat(key, true));
            effects.push(tell(key, ConferenceNotice::Talks));
        }
        Ok(effects)
    }

    /// Two are in, and one of them may start it.
    fn may_start(&self) -> bool {
        self.participants.len() >= 2 && self.participants.iter().any(|p| p.start_on_enter)
    }

    fn start(&mut self, last: K, params: Vec<(&'static str, String)>) -> Vec<Effect<K>> {
        self.stage = Stage::Running;
        let mut effects = Vec::new();
        effects.extend(self.callback(Happened::Start, params));
        let keys: Vec<_> = self.participants.iter().map(|p| p.key).collect();
        for key in keys {
            // Only who comes last is announced: the others were there.
            effects.extend(self.seat(key, key == last));
            effects.push(tell(key, ConferenceNotice::Talks));
        }
        if self.record {
            self.recording = true;
            let (room, trim_silence) = (self.sid, self.trim_silence);
            effects.push(Effect::Record { room, trim_silence });
        }
        effects
    }

    fn seat(&self, key: K, enters: bool) -> Option<Effect<K>> {
        let participant = self.participants.iter().find(|p| p.key == key)?;
        Some(Effect::Seat {
            key,
            room: self.sid,
            member: participant.member(enters),
        })
    }

    /// A participant goes. With it the conference may be over.
    pub(super) fn leave(&mut self, key: K) -> (Vec<Effect<K>>, Option<End>) {
        let Some(at) = self.participants.iter().position(|p| p.key == key) else {
            return (Vec::new(), None);
        };
        let gone = self.participants.remove(at);
        let mut effects = self.goes(&gone, ConferenceEnd::Left);
        for other in &mut self.participants {
            // Nobody hears a coach whose pupil is gone.
            other.muted |= other.coach.is_some_and(|(_, pupil)| pupil == key);
        }
        let reason = match (gone.end_on_exit, self.participants.is_empty()) {
            (true, _) => "participant-with-end-conference-on-exit-left",
            (false, true) => "last-participant-left",
            (false, false) => {
                effects.extend(self.silence_coaches(key));
                return (effects, None);
            }
        };
        let by = (gone.call_sid, gone.label);
        (effects, Some(End { reason, by }))
    }

    fn silence_coaches(&self, pupil: K) -> Vec<Effect<K>> {
        let coaches = self.participants.iter();
        let coaches = coaches.filter(|p| p.coach.is_some_and(|(_, of)| of == pupil));
        let keys = coaches.map(|coach| coach.key);
        if self.stage == Stage::Running {
            keys.filter_map(|key| self.seat(key, false)).collect()
        } else {
            Vec::new()
        }
    }

    fn goes(&mut self, gone: &Participant<K>, end: ConferenceEnd) -> Vec<Effect<K>> {
        let mut effects = Vec::new();
        let (key, room) = (gone.key, self.sid);
        if self.stage == Stage::Running {
            effects.push(Effect::Unseat { key, room });
        }
        effects.push(ended(key, end));
        effects.extend(self.callback(Happened::Leave, gone.params()));
        effects
    }

    /// The conference is over: everybody goes. Also says who that was.
    pub(super) fn end(&mut self, end: &End) -> (Vec<Effect<K>>, Vec<K>) {
        let mut effects = Vec::new();
        let room = self.sid;
        let gone = std::mem::take(&mut self.participants);
        for participant in &gone {
            effects.extend(self.goes(participant, ConferenceEnd::Over));
        }
        if self.recording {
            effects.push(Effect::StopRecording { room });
        }
        if self.stage == Stage::Running {
            effects.push(Effect::Close { room });
        }
        self.stage = Stage::Over;
        let (call, label) = &end.by;
        let mut params = vec![("CallSidEndingConference", call.to_string())];
        let label = label.clone();
        params.extend(label.map(|label| ("ParticipantLabelEndingConference", label)));
        params.push(("ReasonConferenceEnded", end.reason.to_owned()));
        effects.extend(self.callback(Happened::End, params));
        (effects, gone.into_iter().map(|p| p.key).collect())
    }

    /// The account and the name, which are one conference at a time.
    pub(super) fn name(&self) -> (Sid, String) {
        (self.founder.account_sid, self.name.clone())
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(super) fn awaits_recording(&self) -> bool {
        self.recording
    }

    pub(super) fn wants_speakers(&self) -> bool {
        let callback = self.status_callback.as_ref();
        callback.is_some_and(|callback| callback.events.speaker)
    }

    pub(super) fn speaks(&mut self, key: K, speaks: bool) -> Vec<Effect<K>> {
        let Some(participant) = self.participants.iter_mut().find(|p| p.key == key) else {
            return Vec::new();
        };
        if std::mem::replace(&mut participant.speaks, speaks) == speaks {
            return Vec::new();
        }
        let params = participant.params();
        self.callback(Happened::Speech(speaks), params)
            .into_iter()
            .collect()
    }

    pub(super) fn recording_started(&self, recording: &Recording) -> Vec<Effect<K>> {
        self.tell_recording(State::InProgress, recording)
    }

    pub(super) fn recorded(&mut self, recording: Option<&Recording>) -> Vec<Effect<K>> {
        if !std::mem::replace(&mut self.recording, false) {
            return Vec::new();
        }
        match recording {
            Some(recording) => self.tell_recording(State::Completed, recording),
            None => self.tell_recording(State::Absent, &Recording::default()),
        }
    }

    fn tell_recording(&self, state: State, recording: &Recording) -> Vec<Effect<K>> {
        let about = About {
            source: "Conference",
            track: RecordingTrack::Both,
        };
        let Some(callback) = self.recording_callback.clone() else {
            return Vec::new();
        };
        let Some(mut params) = recording_params(&callback, state, about, recording) else {
            return Vec::new();
        };
        params.push(("ConferenceSid".to_owned(), self.sid.to_string()));
        let request = self.request(&callback.hook, Purpose::RecordingCallback, params);
        vec![self.to_founder(request)]
    }

    /// The callback of an event, if it is wanted.
    fn callback(
        &mut self,
        happened: Happened,
        params: Vec<(&'static str, String)>,
    ) -> Option<Effect<K>> {
        let callback = self.status_callback.clone()?;
        if !happened.is_wanted(callback.events) {
            return None;
        }
        let mut all = vec![
            ("ConferenceSid", self.sid.to_string()),
            ("FriendlyName", self.name.clone()),
            ("StatusCallbackEvent", happened.as_str().to_owned()),
        ];
        all.extend(params);
        all.push(("SequenceNumber", self.sequence.to_string()));
        self.sequence += 1;
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        let params = all.into_iter().map(owned).collect();
        let request = self.request(&callback.hook, Purpose::ConferenceCallback, params);
        Some(self.to_founder(request))
    }

    fn request(&self, hook: &Hook, purpose: Purpose, params: Vec<(String, String)>) -> Request {
        Request {
            id: FetchId(self.sequence),
            url: hook.url.clone(),
            method: hook.method,
            purpose,
            call_status: CallStatus::InProgress,
            params,
        }
    }

    fn to_founder(&self, request: Request) -> Effect<K> {
        Effect::Callback {
            call: Arc::clone(&self.founder),
            request: Box::new(request),
        }
    }
}
