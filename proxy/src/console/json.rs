//! The shapes of the JSON API.
//!
//! Every string that came from the wire goes through [`text`]: line by line where one line is
//! expected, as a block where the message itself is shown.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Recorded;
use super::call_log::{Changed, Story};
use super::event::{CallEvent, Change, ChangeKind, FilterHook, FilterStep, Level, Peer};
use super::info::{Info, Registrations};
use super::{redact, text, wire};

/// `GET /api/info`.
pub(super) fn info(info: &Info, instance: &str, uptime: Duration) -> Value {
    let mut shown = json!(info);
    shown["instance"] = json!(instance);
    shown["uptime_s"] = json!(uptime.as_secs());
    shown
}

/// `GET /api/registrations`.
pub(super) fn registrations(mut shown: Registrations) -> Value {
    for place in &mut shown.registrations {
        place.contact = redact::passwords(std::mem::take(&mut place.contact));
    }
    json!(shown)
}

/// `GET /api/calls`.
pub(super) fn calls(changed: &Changed, instance: &str) -> Value {
    json!({
        "instance": instance,
        "cursor": changed.revision,
        "oldest": changed.oldest,
        "calls": changed.calls,
    })
}

/// `GET /api/calls/{id}`.
pub(super) fn story(story: &Story) -> Value {
    let events: Vec<Value> = story.events.iter().map(recorded).collect();
    json!({ "call": story.summary, "dropped": story.dropped, "events": events })
}

fn recorded(recorded: &Recorded) -> Value {
    let mut shown = event(&recorded.event);
    shown["offset_us"] = json!(micros(recorded.offset));
    shown["cut"] = json!(recorded.cut);
    shown
}

fn event(event: &CallEvent) -> Value {
    match event {
        CallEvent::Answered {
            to,
            status,
            message,
        } => json!({
            "kind": "answered",
            "to": peer(to),
            "status": status,
            "method": method(wire::cseq_method(message)),
            "message": text::block(message),
        }),
        CallEvent::Ended { status, duration } => json!({
            "kind": "ended",
            "status": status,
            "duration_ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }),
        CallEvent::Error { code, level, text } => json!({
            "kind": "error",
            "code": code,
            "level": match level {
                Level::Error => "error",
                Level::Warning => "warning",
            },
            "text": text::line(text.as_bytes()),
        }),
        CallEvent::Filters { chain, hook, steps } => json!({
            "kind": "filters",
            "chain": text::line(chain.as_bytes()),
            "hook": match hook {
                FilterHook::Branch => "branch",
                FilterHook::Request => "request",
                FilterHook::Response => "response",
            },
            "steps": steps.iter().map(step).collect::<Vec<_>>(),
        }),
        CallEvent::Forwarded { to, message } => json!({
            "kind": "forwarded",
            "to": peer(to),
            "method": method(wire::request_method(message)),
            "message": text::block(message),
        }),
        CallEvent::Note { text } => json!({
            "kind": "note",
            "text": text::line(text.as_bytes()),
        }),
        CallEvent::Received { from, message } => json!({
            "kind": "received",
            "from": peer(from),
            "method": method(wire::request_method(message)),
            "message": text::block(message),
        }),
        CallEvent::Response {
            from,
            status,
            message,
        } => json!({
            "kind": "response",
            "from": peer(from),
            "status": status,
            "method": method(wire::cseq_method(message)),
            "message": text::block(message),
        }),
        CallEvent::Twiml {
            id,
            status,
            content_type,
            body,
            parameters,
            elapsed,
            error,
        } => json!({
            "kind": "twiml",
            "id": id,
            "status": status,
            "content_type": text::line(content_type.as_bytes()),
            "body": text::block(body),
            "parameters": pairs(parameters),
            "elapsed_us": micros(*elapsed),
            "error": error.as_deref().map(|error| text::line(error.as_bytes())),
        }),
        CallEvent::Webhook {
            id,
            method,
            url,
            parameters,
            kind,
        } => json!({
            "kind": "webhook",
            "id": id,
            "method": text::line(method.as_bytes()),
            "url": text::line(url.as_bytes()),
            "purpose": text::line(kind.as_bytes()),
            "parameters": pairs(parameters),
        }),
    }
}

fn peer(peer: &Peer) -> Value {
    json!({
        "transport": peer.transport.as_str(),
        "address": peer.address,
        "name": peer.name.as_deref().map(|name| text::line(name.as_bytes())),
    })
}

fn step(step: &FilterStep) -> Value {
    json!({
        "name": text::line(step.name.as_bytes()),
        "nanos": step.nanos,
        "verdict": step.verdict.as_deref().map(|verdict| text::line(verdict.as_bytes())),
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    json!({
        "kind": match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
            ChangeKind::Removed => "removed",
        },
        "header": text::line(change.header.as_bytes()),
        "before": change.before.as_deref().map(text::line),
        "after": change.after.as_deref().map(text::line),
    })
}

fn method(method: Option<&[u8]>) -> String {
    text::short_line(method.unwrap_or_default(), METHOD_BYTES_MAX)
}

fn pairs(pairs: &[(String, String)]) -> Vec<[String; 2]> {
    let line = |text: &String| text::line(text.as_bytes());
    pairs
        .iter()
        .map(|(name, value)| [line(name), line(value)])
        .collect()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The most of a method that is shown.
const METHOD_BYTES_MAX: usize = 32;
