//! What the executor tells of its calls, as events of the log.

use std::sync::Arc;

use executor::webhook::Purpose;
use executor::{CallEvent as Told, Observer, Record, Warning};

use super::call_log::CallLog;
use super::event::{CallEvent, Level};
use super::summary::About;

/// Puts what the executor tells into the log.
///
/// The executor's messages are not recorded: the proxy in the same process saw them already, at the
/// other end of the hop.
#[derive(Debug)]
pub struct ExecutorObserver(pub Arc<CallLog>);

impl Observer for ExecutorObserver {
    fn observe(&self, record: &Record) {
        let call_id = record.sip_call_id.as_bytes();
        if !self.0.wants(call_id) {
            return;
        }
        self.0.describe(call_id, about(record));
        if let Some(event) = event(&record.event) {
            self.0.record(call_id, event);
        }
    }
}

fn about(record: &Record) -> About {
    About {
        trunk: None,
        domain: match &record.event {
            Told::Started(started) => Some(started.domain.to_string()),
            _ => None,
        },
        call_sid: Some(record.leg.to_string()),
        parent: (record.leg != record.call).then(|| record.call.to_string()),
    }
}

fn event(told: &Told) -> Option<CallEvent> {
    Some(match told {
        Told::Answered | Told::SipReceived(_) | Told::SipSent(_) | Told::Started(_) => return None,
        Told::Ended(ended) => CallEvent::Ended {
            status: ended.sip_code,
            duration: ended.duration,
        },
        Told::Notice(warning) => notice(warning),
        Told::Trace(trace) => CallEvent::Note {
            text: format!("{} {}", trace.topic, trace.text),
        },
        Told::WebhookRequested(request) => CallEvent::Webhook {
            id: request.id.0,
            method: request.method.to_string(),
            url: request.url.clone(),
            parameters: request.params.clone(),
            kind: purpose(request.purpose).to_owned(),
        },
        Told::WebhookReplied(reply) => CallEvent::Twiml {
            id: reply.id.0,
            status: reply.exchange.status.unwrap_or(0),
            content_type: reply.content_type.clone().unwrap_or_default(),
            body: reply.body.clone(),
            parameters: reply.exchange.params.clone(),
            elapsed: reply.exchange.elapsed,
            error: reply
                .error
                .as_ref()
                .map(|(code, text)| format!("{code} {text}")),
        },
    })
}

fn notice(warning: &Warning) -> CallEvent {
    let text = match warning.location {
        Some(location) => format!("{} ({location})", warning.message),
        None => warning.message.clone(),
    };
    let level = if warning.code.is_error() {
        Level::Error
    } else {
        Level::Warning
    };
    CallEvent::Error {
        code: warning.code.number(),
        level,
        text,
    }
}

/// Why a webhook is asked, in the words of TwiML.
fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::ConferenceCallback => "conference callback",
        Purpose::ConferenceWait => "Conference waitUrl",
        Purpose::ConnectAction => "Connect action",
        Purpose::DialAction => "Dial action",
        Purpose::Fallback => "fallback",
        Purpose::GatherAction => "Gather action",
        Purpose::PartialResult => "partial result",
        Purpose::QueueAction => "Enqueue action",
        Purpose::QueueWait => "Enqueue waitUrl",
        Purpose::QueueWhisper => "Queue url",
        Purpose::RecordAction => "Record action",
        Purpose::RecordingCallback => "recording callback",
        Purpose::Redirect => "Redirect",
        Purpose::ReferAction => "Refer action",
        Purpose::ReferRequest => "referUrl",
        Purpose::Screening => "screening",
        Purpose::SiprecCallback => "SIPREC callback",
        Purpose::StatusCallback => "status callback",
        Purpose::StreamCallback => "stream callback",
        Purpose::TranscriptionCallback => "transcription callback",
        Purpose::Voice => "voice",
    }
}
