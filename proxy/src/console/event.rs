//! What can happen to a call, as the console tells it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::wire;

/// One event of a call.
///
/// Messages may be slices of a receive buffer: the log copies what it keeps.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A response left the proxy, on its way to whoever sent the request.
    Answered {
        /// Where it went.
        to: Peer,
        /// Its status.
        status: u16,
        /// The response as sent.
        message: Bytes,
    },
    /// The call is over. Optional: a BYE and a final response say so too.
    Ended {
        /// The final status of the call.
        status: u16,
        /// From the answer to the end.
        duration: Duration,
    },
    /// Something that the application's developer should know, with its number.
    Error {
        /// The number, as in the documentation of TwiML errors.
        code: u32,
        /// How bad it is.
        level: Level,
        /// What happened, as a sentence.
        text: String,
    },
    /// A chain of filters saw one message.
    Filters {
        /// The name of the chain.
        chain: Arc<str>,
        /// Which hook of the filters ran.
        hook: FilterHook,
        /// The filters in the order in which they ran.
        steps: Vec<FilterStep>,
    },
    /// A request left the proxy.
    Forwarded {
        /// Where it went.
        to: Peer,
        /// The request as sent.
        message: Bytes,
    },
    /// Anything else worth a line.
    Note {
        /// The line.
        text: String,
    },
    /// A request reached the proxy. An INVITE outside a dialog opens the call.
    Received {
        /// Where it came from.
        from: Peer,
        /// The request as received.
        message: Bytes,
    },
    /// A response reached the proxy.
    Response {
        /// Where it came from.
        from: Peer,
        /// Its status.
        status: u16,
        /// The response as received.
        message: Bytes,
    },
    /// The webhook answered, or did not.
    Twiml {
        /// The request.
        id: u32,
        /// The HTTP status; 0 if there is none.
        status: u16,
        /// The `Content-Type`, as sent.
        content_type: String,
        /// The document.
        body: Bytes,
        /// All parameters that were sent, in order.
        parameters: Vec<(String, String)>,
        /// How long the answer took, over all attempts.
        elapsed: Duration,
        /// Why there is no document.
        error: Option<String>,
    },
    /// The executor asks the webhook what to do.
    Webhook {
        /// Tells the requests of one call apart.
        id: u32,
        /// The HTTP method.
        method: String,
        /// The URL.
        url: String,
        /// The parameters that are known before it is sent.
        parameters: Vec<(String, String)>,
        /// Why: `voice`, `fallback`, `gather action`, …
        kind: String,
    },
}

/// The other end of a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// How the message travels.
    pub transport: sip::Transport,
    /// Its address.
    pub address: SocketAddr,
    /// What to call it: `executor`, or the name of a trunk.
    pub name: Option<Arc<str>>,
}

/// Which hook of the filters ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterHook {
    /// `on_branch`: the copy of a request that goes to one target.
    Branch,
    /// `on_request`: a request on its way in.
    Request,
    /// `on_response`: a response on its way back.
    Response,
}

/// What one filter did to a message.
#[derive(Clone, Debug)]
pub struct FilterStep {
    /// The type of the filter.
    pub name: Arc<str>,
    /// What it changed.
    pub changes: Vec<Change>,
    /// How long it took.
    pub nanos: u64,
    /// What it decided, if not to continue.
    pub verdict: Option<String>,
}

/// One difference that a filter made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The name of the header; `start line` and `body` stand for themselves.
    pub header: String,
    /// The value before, if there was one.
    pub before: Option<Vec<u8>>,
    /// The value after, if there is one.
    pub after: Option<Vec<u8>>,
}

/// What happened to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has another value.
    Changed,
    /// It is gone.
    Removed,
}

/// How bad a numbered notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The call did not do what the document asked for.
    Error,
    /// It did, but something was odd.
    Warning,
}

impl Peer {
    /// A peer without a name.
    pub fn new(transport: sip::Transport, address: SocketAddr) -> Self {
        Self {
            transport,
            address,
            name: None,
        }
    }

    /// The same peer with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl CallEvent {
    /// The INVITE that begins a call: a request outside a dialog (RFC 3261 §12.2: no To tag).
    pub(super) fn begins_call(&self) -> Option<(&Peer, &Bytes)> {
        match self {
            Self::Received { from, message } if wire::begins_call(message) => Some((from, message)),
            _ => None,
        }
    }
}
