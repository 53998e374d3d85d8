//! Status callbacks of a callee's leg.

use std::time::Duration;

use crate::webhook::{CallStatus, FetchId, Purpose, Request};

use super::recording::result_params;
use super::{Detection, LegCallback, Recording};

/// Makes the status callbacks of one leg of a `<Dial>`, numbered in order.
#[derive(Debug)]
pub struct LegCallbacks {
    callback: LegCallback,
    sequence: u32,
}

/// A stage of a callee's leg.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LegStage {
    /// It was answered.
    Answered,
    /// It is over.
    Completed(LegEnd),
    /// The INVITE was sent.
    Initiated,
    /// It rings.
    Ringing,
}

/// How a leg ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegEnd {
    /// The final `CallStatus`.
    pub status: CallStatus,
    /// From the answer to the end; zero if it was not answered.
    pub duration: Duration,
    /// The final response to its INVITE.
    pub sip_code: u16,
    /// The recording of its `<Dial>`, if it is finished.
    pub recording: Option<Recording>,
}

impl Detection {
    /// The request that tells who has answered, and how long it took to find out.
    pub fn told(&self, by: &str, after: Duration) -> Request {
        let params = [
            ("AnsweredBy", by.to_owned()),
            ("MachineDetectionDuration", after.as_millis().to_string()),
        ];
        Request {
            id: FetchId(0),
            url: self.hook.url.clone(),
            method: self.hook.method,
            purpose: Purpose::StatusCallback,
            call_status: CallStatus::InProgress,
            params: params.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}

impl LegCallbacks {
    /// The callbacks of a leg whose target has one.
    pub fn new(callback: LegCallback) -> Self {
        Self {
            callback,
            sequence: 0,
        }
    }

    /// The request for a stage, if the document asks for it; for
    /// [`Client::status_callback`](crate::webhook::Client::status_callback).
    pub fn on(&mut self, stage: LegStage) -> Option<Request> {
        let events = self.callback.events;
        let (wanted, call_status) = match &stage {
            LegStage::Answered => (events.answered, CallStatus::InProgress),
            LegStage::Completed(end) => (events.completed, end.status),
            LegStage::Initiated => (events.initiated, CallStatus::Initiated),
            LegStage::Ringing => (events.ringing, CallStatus::Ringing),
        };
        if !wanted {
            return None;
        }
        let mut params = match &stage {
            LegStage::Completed(end) => end.params(),
            _ => Vec::new(),
        };
        params.extend(progress_params(self.sequence));
        let id = FetchId(self.sequence);
        self.sequence += 1;
        let (url, method) = (self.callback.hook.url.clone(), self.callback.hook.method);
        Some(Request {
            id,
            url,
            method,
            purpose: Purpose::StatusCallback,
            call_status,
            params,
        })
    }
}

impl LegEnd {
    /// The parameters of the callback of any leg that is over. `Duration` counts begun minutes.
    pub(super) fn params(&self) -> Vec<(String, String)> {
        let seconds = self.duration.as_secs();
        let mut params: Vec<_> = [
            ("CallDuration", seconds.to_string()),
            ("Duration", seconds.div_ceil(60).to_string()),
            ("SipResponseCode", self.sip_code.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        params.extend(self.recording.iter().flat_map(result_params));
        params
    }
}

/// What every status callback of a leg ends with.
pub(super) fn progress_params(sequence: u32) -> [(String, String); 2] {
    [
        ("CallbackSource", "call-progress-events".to_owned()),
        ("SequenceNumber", sequence.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}
