//! Answers of our own to requests that do not go on.

use std::borrow::Cow;

/// A request that cannot go on: answered once, without a transaction (RFC 3261 §8.2.7).
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: Cow<'static, str>,
    /// Headers beside those of every response.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The word for logs and counters.
    pub cause: &'static str,
}

impl Refusal {
    pub fn new(status: u16, reason: &'static str, cause: &'static str) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: Vec::new(),
            cause,
        }
    }
}

/// What a filter wants to be answered.
pub fn of_reply(reply: filters::Reply) -> Refusal {
    Refusal {
        status: reply.status,
        reason: reply.reason,
        headers: reply.headers.into_iter().map(|(name, value)| (name.into_owned(), value)).collect(),
        cause: reply.cause.0,
    }
}

/// The answer to an OPTIONS for this proxy itself (§11.2).
pub fn own_answer() -> Refusal {
    let mut answer = Refusal::new(200, "OK", "own");
    answer.headers.push(("Allow".to_owned(), ALLOW.to_vec()));
    answer.headers.push(("Accept".to_owned(), b"application/sdp".to_vec()));
    answer
}

/// The status and reason that stand for our own verdict on a branch.
pub fn local_reason(status: u16) -> (u16, &'static str) {
    match status {
        408 => (408, "Request Timeout"),
        480 => (480, "Temporarily Unavailable"),
        483 => (483, "Too Many Hops"),
        513 => (513, "Message Too Large"),
        // §16.7 step 6: our 503 says that a target is down, not that we are.
        _ => (500, "Server Internal Error"),
    }
}

/// No room: the sender is asked to wait (RFC 3261 §21.5.4).
pub fn overload() -> Refusal {
    let mut refusal = Refusal::new(503, "Service Unavailable", "overload");
    refusal.headers.push(("Retry-After".to_owned(), RETRY_AFTER.to_vec()));
    refusal
}

/// The methods that the proxy passes on.
const ALLOW: &[u8] =
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, PRACK, PUBLISH, REFER, REGISTER, SUBSCRIBE, UPDATE";
/// Seconds that a sender is asked to wait when there is no room.
const RETRY_AFTER: &[u8] = b"5";
