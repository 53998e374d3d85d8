//! What happens in calls, to the observer and to the log.

use std::sync::Arc;
use std::time::SystemTime;

use crate::observer::{CallEvent, Observer, Record};
use crate::{ErrorCode, Level, Sid, Warning};

/// Writes records. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Journal {
    observer: Arc<dyn Observer>,
}

/// What the records of one leg have in common.
#[derive(Clone, Debug)]
pub(crate) struct LegTag {
    pub(crate) call: Sid,
    pub(crate) leg: Sid,
    pub(crate) sip_call_id: Arc<str>,
}

impl Journal {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer }
    }

    /// Tells the observer, and the log where it is more than traffic.
    pub(crate) fn record(&self, tag: &LegTag, event: CallEvent) {
        log(tag, &event);
        let LegTag {
            call,
            leg,
            ref sip_call_id,
        } = *tag;
        let sip_call_id = Arc::clone(sip_call_id);
        self.observer.observe(&Record {
            at: SystemTime::now(),
            call,
            leg,
            sip_call_id,
            event,
        });
    }

    pub(crate) fn notice(&self, tag: &LegTag, code: ErrorCode, message: impl Into<String>) {
        self.record(tag, CallEvent::Notice(Warning::new(code, message)));
    }
}

fn log(tag: &LegTag, event: &CallEvent) {
    let (call, sip_call_id) = (tag.leg, &*tag.sip_call_id);
    match event {
        CallEvent::Started(started) => {
            let (from, to) = (&*started.from, &*started.to);
            tracing::info!(%call, sip_call_id, from, to, direction = %started.direction, "call started");
        }
        CallEvent::Ended(ended) => {
            let (status, sip_code) = (ended.status, ended.sip_code);
            let seconds = ended.duration.as_secs_f32();
            tracing::info!(%call, sip_call_id, %status, sip_code, seconds, "call ended");
        }
        CallEvent::Notice(warning) => notice(tag, warning),
        CallEvent::Trace(trace) => {
            tracing::debug!(%call, sip_call_id, topic = trace.topic, "{}", trace.text);
        }
        CallEvent::WebhookRequested(request) => {
            let (url, method) = (&*request.url, request.method);
            tracing::debug!(%call, sip_call_id, %method, url, "webhook asked");
        }
        CallEvent::WebhookReplied(reply) => {
            let (url, status) = (&*reply.exchange.url, reply.exchange.status);
            tracing::debug!(%call, sip_call_id, url, status, "webhook answered");
        }
        CallEvent::Answered | CallEvent::SipReceived(_) | CallEvent::SipSent(_) => {}
    }
}

fn notice(tag: &LegTag, warning: &Warning) {
    let (call, sip_call_id) = (tag.leg, &*tag.sip_call_id);
    let error_code = warning.code.number();
    let at = warning.location.map(|location| location.to_string());
    let message = &*warning.message;
    match warning.code.level() {
        Level::Error => {
            tracing::error!(%call, sip_call_id, error_code, level = "error", at, "{message}");
        }
        Level::Warning => {
            tracing::warn!(%call, sip_call_id, error_code, level = "warning", at, "{message}");
        }
    }
}
