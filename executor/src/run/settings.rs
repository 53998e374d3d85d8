//! What a run is told before it starts.

use std::time::Duration;

use crate::webhook::{CallStatus, Hook};

/// The settings of a leg, from the SIP domain and the executor's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first document.
    pub voice: Hook,
    /// Asked after an error.
    pub fallback: Option<Hook>,
    /// Told when the leg ends.
    pub status_callback: Option<Hook>,
    /// What the caller gets if there is no document to run.
    pub fetch_failed: FetchFailed,
    /// The `CallStatus` of a leg that the caller cancelled.
    pub cancelled: CallStatus,
    /// Whether a `<Stream>` may be a plain `ws:` one.
    pub plain_streams: bool,
    /// The bounds.
    pub limits: Limits,
}

/// What the caller gets when the webhooks failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FetchFailed {
    /// 200, an announcement, BYE.
    #[default]
    Announce,
    /// 503 if nothing could be fetched, 500 if the document is broken; BYE if already answered. A proxy
    /// makes 500 of that 503, which has no Retry-After (RFC 3261 §16.7 step 6).
    Reject,
}

/// The bounds of a run. Each has a documented default.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest time without an answer: then 480. 180 s, below Timer C (RFC 3261 §16.6 step 11).
    pub pre_answer: Duration,
    /// A provisional response at least this often (RFC 3261 §13.3.1.1): 60 s.
    pub ring_interval: Duration,
    /// Longest call after the answer: 4 h.
    pub call_length: Duration,
    /// Documents in a row that only redirect: 10.
    pub redirects_max: u32,
    /// Final response to REFER: 32 s (Timer F).
    pub refer_response: Duration,
    /// First NOTIFY after the 2xx to REFER: 15 s.
    pub refer_notify: Duration,
    /// Last NOTIFY after the first one, if the subscription does not say less: 120 s.
    pub refer_end: Duration,
    /// How long the transferred caller has to send the BYE itself: 2 s.
    pub refer_hang_up: Duration,
    /// How long a result may take to be reported after the leg's end: 32 s.
    pub wrap_up: Duration,
}

impl Settings {
    /// Settings with defaults for everything but the first document.
    pub fn new(voice: Hook) -> Self {
        Self {
            voice,
            fallback: None,
            status_callback: None,
            fetch_failed: FetchFailed::default(),
            cancelled: CallStatus::NoAnswer,
            plain_streams: false,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pre_answer: Duration::from_secs(180),
            ring_interval: Duration::from_secs(60),
            call_length: Duration::from_secs(14_400),
            redirects_max: 10,
            refer_response: Duration::from_secs(32),
            refer_notify: Duration::from_secs(15),
            refer_end: Duration::from_secs(120),
            refer_hang_up: Duration::from_secs(2),
            wrap_up: Duration::from_secs(32),
        }
    }
}
