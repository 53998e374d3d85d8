//! `<Record>`.

use crate::twiml::Record;
use crate::webhook::Purpose;

use super::phase::{Phase, Recorded};
use super::{Action, Leg, MediaKind, MediaOutcome, Recording, Run};

impl Run {
    pub(super) fn record(&mut self, verb: Box<Record>) {
        let media = self.start_media(MediaKind::Record((*verb).clone()));
        self.phase = Phase::Recording {
            media,
            verb,
            ended_by: None,
        };
    }

    /// A key of `finishOnKey` stops the recording; what was recorded comes with `MediaDone`.
    pub(super) fn record_digit(&mut self, digit: char) {
        let Phase::Recording {
            media,
            verb,
            ended_by,
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

    /// The recording is over. Silence falls through to the next verb; otherwise `action` gets the
    /// result, also after the caller has hung up.
    pub(super) fn record_ended(&mut self, outcome: MediaOutcome) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Recording { verb, ended_by, .. } = phase else {
            return;
        };
        self.took_time();
        let hung_up = self.leg == Leg::Ended;
        let recording = match outcome {
            MediaOutcome::Recorded(recording) => Some(recording),
            // A key or the hang-up ended it: that is a result, although nothing was heard.
            _ if hung_up || ended_by.is_some() => Some(Recording::default()),
            _ => None,
        };
        let Some(recording) = recording else {
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
}

impl Recorded {
    fn params(self) -> Vec<(String, String)> {
        let mut params = Vec::new();
        if let Some(url) = self.recording.url {
            params.push(("RecordingUrl".to_owned(), url));
        }
        if let Some(sid) = self.recording.sid {
            params.push(("RecordingSid".to_owned(), sid.to_string()));
        }
        let seconds = self.recording.duration.as_secs().to_string();
        params.push(("RecordingDuration".to_owned(), seconds));
        if !self.digits.is_empty() {
            params.push(("Digits".to_owned(), self.digits));
        }
        params
    }
}
