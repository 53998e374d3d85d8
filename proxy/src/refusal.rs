//! Answers of our own to requests that do not go on.

use std::borrow::Cow;

use sip::{Reply, Request, Response};

/// A request that cannot go on: answered once, without a transaction (RFC 3261 §8.2.7).
pub(crate) struct Refusal {
    /// The status code.
    pub(crate) status: u16,
    /// The reason phrase.
    pub(crate) reason: Cow<'static, str>,
    /// Headers beside those of every response.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The word for logs and counters.
    pub(crate) cause: &'static str,
    /// Whether a retransmission gets the same answer from its transaction, as it cannot be made twice.
    pub(crate) remembered: bool,
}

impl Refusal {
    /// A refusal without headers of its own.
    pub(crate) fn new(status: u16, reason: &'static str, cause: &'static str) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: Vec::new(),
            cause,
            remembered: false,
        }
    }

    /// The response to `request` that says so.
    pub(crate) fn response(&self, request: &Request, to_tag: &[u8]) -> Response {
        let mut reply = Reply::new(request, self.status, &self.reason).to_tag(to_tag);
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        reply.build()
    }
}

/// What a filter wants to be answered.
pub(crate) fn of_reply(reply: filters::Reply) -> Refusal {
    Refusal {
        status: reply.status,
        reason: reply.reason,
        headers: reply
            .headers
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value))
            .collect(),
        cause: reply.cause.0,
        remembered: false,
    }
}

/// The answer to an OPTIONS for this proxy itself (§11.2).
pub(crate) fn own_answer() -> Refusal {
    let mut answer = Refusal::new(200, "OK", "own");
    answer.headers.push(("Allow".to_owned(), ALLOW.to_vec()));
    answer
        .headers
        .push(("Accept".to_owned(), b"application/sdp".to_vec()));
    answer
}

/// What stands for our own verdict on a branch, to an executor or to somebody else.
pub(crate) fn of_verdict(status: u16, executor: bool) -> Refusal {
    let status = match status {
        // What our executors would do nobody else does.
        503 if executor => return later("no_executor"),
        403 | 408 | 480 | 483 | 502 | 513 => status,
        // §16.7 step 6: our 503 says that a target is down, not that we are.
        _ => 500,
    };
    Refusal::new(status, sip::reason_phrase(status), "no_answer")
}

/// An edit of ours does not fit any more.
pub(crate) fn too_large() -> Refusal {
    Refusal::new(513, "Message Too Large", "edit")
}

/// No room: the sender is asked to wait (RFC 3261 §21.5.4).
pub(crate) fn overload() -> Refusal {
    later("overload")
}

/// The process is about to end: the sender is asked to go elsewhere.
pub(crate) fn draining() -> Refusal {
    later("draining")
}

fn later(cause: &'static str) -> Refusal {
    let mut refusal = Refusal::new(503, "Service Unavailable", cause);
    refusal
        .headers
        .push(("Retry-After".to_owned(), RETRY_AFTER.to_vec()));
    refusal
}

/// The methods that the proxy passes on.
const ALLOW: &[u8] =
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, PRACK, PUBLISH, REFER, REGISTER, SUBSCRIBE, UPDATE";
/// Seconds that a sender is asked to wait when there is no room.
const RETRY_AFTER: &[u8] = b"5";
