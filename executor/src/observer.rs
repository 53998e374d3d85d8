//! What happens in calls, told to whoever shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sip::Transport;

use crate::run::Trace;
use crate::webhook::{CallStatus, Direction, Exchange, FetchId, Method, Purpose};
use crate::{ErrorCode, Sid, Warning};

/// Is told what happens in calls.
///
/// Called on the executor's thread between two messages: an implementation puts the record aside
/// and returns. Records of one leg come in order.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, record: &Record);
}

/// Nobody looks.
impl Observer for () {
    fn observe(&self, _: &Record) {}
}

/// Something that happened in a call. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: SystemTime,
    /// The call: the `CallSid` of the caller's leg.
    pub call: Sid,
    /// The leg: its own `CallSid`; the caller's leg has that of the call.
    pub leg: Sid,
    /// The Call-ID of the leg.
    pub sip_call_id: Arc<str>,
    /// What.
    pub event: CallEvent,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// The INVITE of the leg was answered with 200.
    Answered,
    /// The leg is over.
    Ended(Ended),
    /// Something numbered: an error or a warning, with its place in the document if it has one.
    Notice(Warning),
    /// A SIP message came in, as it came.
    SipReceived(SipMessage),
    /// A SIP message went out. Retransmissions are not told.
    SipSent(SipMessage),
    /// The leg begins: always the first record of it.
    Started(Arc<Started>),
    /// A step of the document, in words.
    Trace(Trace),
    /// A webhook answered, or did not.
    WebhookReplied(Arc<WebhookReply>),
    /// A webhook is asked.
    WebhookRequested(Arc<WebhookRequest>),
}

/// A leg that begins.
#[derive(Clone, Debug)]
pub struct Started {
    /// Who called whom.
    pub direction: Direction,
    /// `From`.
    pub from: String,
    /// `To`.
    pub to: String,
    /// The name of the SIP domain.
    pub domain: Arc<str>,
    /// Where the INVITE came from.
    pub source: Option<SocketAddr>,
}

/// A leg that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// The final `CallStatus`.
    pub status: CallStatus,
    /// The final response to its INVITE.
    pub sip_code: u16,
    /// From the answer to the end.
    pub duration: Duration,
}

/// A SIP message on the wire.
#[derive(Clone, Debug)]
pub struct SipMessage {
    /// The other end.
    pub peer: SocketAddr,
    /// How it travels.
    pub transport: Transport,
    /// The message; credentials in it are replaced.
    pub wire: Bytes,
}

/// A request to a webhook as it begins.
#[derive(Clone, Debug)]
pub struct WebhookRequest {
    /// Tells the requests of one leg apart.
    pub id: FetchId,
    /// Why it is made.
    pub purpose: Purpose,
    /// How.
    pub method: Method,
    /// Where, without user name, password and fragment.
    pub url: String,
    /// `CallStatus`.
    pub call_status: CallStatus,
    /// The parameters of the verb; all of them are in the reply's `exchange`.
    pub params: Vec<(String, String)>,
}

/// The end of a request to a webhook.
#[derive(Clone, Debug)]
pub struct WebhookReply {
    /// The request.
    pub id: FetchId,
    /// Why it was made.
    pub purpose: Purpose,
    /// What was sent and how it went: URL, method, all parameters in order. The signature is not
    /// among them.
    pub exchange: Exchange,
    /// The `Content-Type` of the reply.
    pub content_type: Option<String>,
    /// The body of the reply, at most 64 KiB.
    pub body: Bytes,
    /// What was odd about the request.
    pub warnings: Vec<Warning>,
    /// Why there is no reply.
    pub error: Option<(ErrorCode, String)>,
}

impl SipMessage {
    pub(crate) fn new(peer: SocketAddr, transport: Transport, wire: &Bytes) -> Self {
        Self {
            peer,
            transport,
            wire: without_credentials(wire),
        }
    }
}

/// The message with the values of Authorization and Proxy-Authorization replaced, and the keys in
/// session descriptions.
fn without_credentials(wire: &Bytes) -> Bytes {
    let is_secret = |line: &[u8]| {
        SECRET.iter().any(|name| {
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    };
    if !wire.split(|&byte| byte == b'\n').any(is_secret) {
        return wire.clone();
    }
    let mut out = Vec::with_capacity(wire.len());
    let mut hiding = false;
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        hiding = is_secret(line) || (hiding && folded);
        if !hiding {
            out.extend_from_slice(line);
        } else if !folded {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            out.extend_from_slice(name);
            out.extend_from_slice(b": (hidden)\r\n");
        }
    }
    Bytes::from(out)
}

/// Headers whose values are credentials, and the attribute whose value is a key of SRTP.
const SECRET: [&[u8]; 3] = [b"authorization:", b"proxy-authorization:", b"a=crypto:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden() {
        let wire = Bytes::from_static(
            b"INVITE sip:a SIP/2.0\r\nAuthorization: Digest a=b,\r\n c=d\r\nTo: <sip:a>\r\n\r\n",
        );
        assert_eq!(
            &without_credentials(&wire)[..],
            b"INVITE sip:a SIP/2.0\r\nAuthorization: (hidden)\r\nTo: <sip:a>\r\n\r\n"
        );
        let plain = Bytes::from_static(b"INVITE sip:a SIP/2.0\r\nX-Authorization: 1\r\n\r\n");
        assert_eq!(without_credentials(&plain), plain);
    }
}
