//! Status callbacks of a callee's leg.

use std::time::Duration;

use crate::webhook::{CallStatus, FetchId, Purpose, Request};

use super::recording::result_params;
use super::{LegCallback, Recording};

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
        let mut params = Vec::new();
        if let LegStage::Completed(end) = &stage {
            let seconds = end.duration.as_secs().to_string();
            params.push(("CallDuration".to_owned(), seconds));
            let code = end.sip_code.to_string();
            params.push(("SipResponseCode".to_owned(), code));
            params.extend(end.recording.iter().flat_map(result_params));
        }
        params.push((
            "CallbackSource".to_owned(),
            "call-progress-events".to_owned(),
        ));
        params.push(("SequenceNumber".to_owned(), self.sequence.to_string()));
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
