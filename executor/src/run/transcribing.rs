//! `transcribe` of `<Record>`: what is wanted of a recording that is over.

use crate::twiml::Transcription;
use crate::webhook::{CallStatus, FetchId, Hook, Purpose, Request};
use crate::{ErrorCode, Sid};

use super::{Action, Recording, Run};

/// A recording whose text is wanted.
#[derive(Clone, Debug)]
pub struct TranscriptionPlan {
    /// The number of its callback's request.
    pub id: FetchId,
    /// What is to be written down.
    pub recording: Recording,
    /// Who is told; without anybody, the text is for the call's record.
    pub callback: Option<Hook>,
    /// The state of the leg when the recording was over.
    pub call_status: CallStatus,
}

/// Who is told the text of the recording that goes on.
#[derive(Clone, Debug)]
pub(super) struct Transcribing {
    callback: Option<Hook>,
}

impl Run {
    /// Prepares a transcription, with the URL of its callback resolved now.
    pub(super) fn transcribing(&mut self, wanted: &Transcription) -> Transcribing {
        let link = wanted.callback.as_ref();
        let callback = link.and_then(|link| {
            let hook = self.resolve(link);
            if hook.is_none() {
                let message = "transcribeCallback is no URL";
                self.warn(ErrorCode::TRANSCRIBE_CALLBACK, message);
            }
            hook
        });
        Transcribing { callback }
    }

    /// Wants the text of a recording that there is.
    pub(super) fn transcribe(&mut self, transcribing: Transcribing, recording: &Recording) {
        if recording.sid.is_none() {
            return;
        }
        let plan = TranscriptionPlan {
            id: self.next_fetch_id(),
            recording: recording.clone(),
            callback: transcribing.callback,
            call_status: self.call_status(),
        };
        self.act(Action::Transcribe(Box::new(plan)));
    }
}

impl TranscriptionPlan {
    /// The request that tells the text, or that there is none; `None` if nobody is to be told.
    pub fn told(&self, sid: Sid, text: Option<&str>, call_status: CallStatus) -> Option<Request> {
        let hook = self.callback.as_ref()?;
        let status = if text.is_some() {
            "completed"
        } else {
            "failed"
        };
        let recording = self.recording.sid.map(|sid| sid.to_string());
        // A name without a value is easier on applications than none.
        let params = [
            ("TranscriptionSid", Some(sid.to_string())),
            ("TranscriptionText", Some(text.unwrap_or("").to_owned())),
            ("TranscriptionStatus", Some(status.to_owned())),
            ("RecordingSid", recording),
            ("RecordingUrl", self.recording.url.clone()),
        ];
        let present = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
        Some(Request {
            id: self.id,
            url: hook.url.clone(),
            method: hook.method,
            purpose: Purpose::TranscriptionCallback,
            call_status,
            params: params.into_iter().filter_map(present).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SidKind;

    #[test]
    fn a_failure_is_told_without_a_text() {
        let plan = TranscriptionPlan {
            id: FetchId(1),
            recording: Recording::default(),
            callback: Some(Hook::post("http://app.test/t".parse().unwrap())),
            call_status: CallStatus::InProgress,
        };
        let sid = Sid::new(SidKind::Transcription, [0xAB; 16]);
        let told = |text| plan.told(sid, text, CallStatus::Completed).unwrap();
        let failed = told(None);
        let value = |name: &str| {
            let found = failed.params.iter().find(|(found, _)| found == name);
            found.map(|(_, value)| value.as_str())
        };
        let tr = format!("TR{}", "ab".repeat(16));
        assert_eq!(value("TranscriptionSid"), Some(tr.as_str()));
        assert_eq!(value("TranscriptionStatus"), Some("failed"));
        assert_eq!(value("TranscriptionText"), Some(""));
        assert_eq!(value("RecordingUrl"), None);
        assert_eq!(failed.call_status, CallStatus::Completed);
        // Nothing was said: that is a text too.
        let silent = told(Some("")).params;
        assert!(silent.contains(&("TranscriptionStatus".to_owned(), "completed".to_owned())));
        let unheard = TranscriptionPlan {
            callback: None,
            ..plan.clone()
        };
        assert!(
            unheard
                .told(sid, Some("a"), CallStatus::Completed)
                .is_none()
        );
    }
}
