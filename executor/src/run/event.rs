//! What happens to a leg.

use std::time::Duration;

use crate::Sid;
use crate::webhook::{FetchError, FetchId, Hook, Reply};

use super::{MediaId, TimerId};

/// Something that happened, told to [`Run::step`](super::Run::step).
///
/// Events that belong to something the run has already given up (an old fetch, a stopped timer
/// or medium) are ignored, so the caller need not check.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer to [`Action::Answer`](super::Action::Answer): the ACK came (`true`), or the
    /// answer could not be established and the leg is gone (`false`). RFC 3261 §13.3.1.4: no BYE
    /// before the ACK, hence not earlier.
    Answered(bool),
    /// The caller sent CANCEL, before the answer.
    CallerCancelled,
    /// The caller sent BYE, or the dialog was lost.
    CallerHungUp,
    /// A callee answered (and passed its screening): it waits to be bridged.
    DialAnswered,
    /// All legs of the `<Dial>` are over. Comes exactly once for each
    /// [`Action::Dial`](super::Action::Dial), also after
    /// [`Action::CancelDial`](super::Action::CancelDial).
    DialEnded(Vec<DialOutcome>),
    /// A callee rings.
    DialRinging {
        /// It sent 183 with a session description.
        early_media: bool,
    },
    /// The caller pressed a key.
    Digit(char),
    /// The webhook answered [`Action::Fetch`](super::Action::Fetch).
    Fetched(FetchId, Box<Result<Reply, FetchError>>),
    /// The operator ends the call.
    HangUp,
    /// A medium ended by itself, or a recording ended because it was stopped.
    MediaDone(MediaId, MediaOutcome),
    /// REFER got a 2xx.
    ReferAccepted(u16),
    /// NOTIFY of the REFER came, and was answered.
    ReferNotified {
        /// The code in the `message/sipfrag` body; `None` if there is none.
        code: Option<u16>,
        /// `Subscription-State: terminated`.
        terminated: bool,
        /// The `expires` parameter of `Subscription-State`.
        expires: Option<Duration>,
    },
    /// REFER got a final response of 300 or more, or none (408).
    ReferRefused(u16),
    /// The operator puts another document in place of the current one.
    Replace(Hook),
    /// The leg is there: the first event, once.
    Start,
    /// A timer fired.
    TimerFired(TimerId),
}

/// How a medium ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaOutcome {
    /// It could not be rendered; the reason in a few words.
    Failed(String),
    /// Spoken or played to its end.
    Finished,
    /// A recording ended with sound in it.
    Recorded(Recording),
    /// A recording ended, and there was only silence.
    Silent,
}

/// A recording.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recording {
    /// `RecordingUrl`, if there is a file.
    pub url: Option<String>,
    /// `RecordingSid`, if there is a file.
    pub sid: Option<Sid>,
    /// `RecordingDuration`.
    pub duration: Duration,
}

/// How one target of a `<Dial>` ended, in the order in which they ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DialOutcome {
    /// The leg's `CallSid`.
    pub call_sid: Option<Sid>,
    /// Its Call-ID.
    pub sip_call_id: Option<String>,
    /// The last final response to its INVITE: 200 for an answered leg, 503 for a transport
    /// failure, 408 for no response.
    pub sip_code: Option<u16>,
    /// Header fields of that response, name as received and raw value; only `X-…` are reported.
    pub sip_headers: Vec<(String, Vec<u8>)>,
    /// It rang: a 18x was seen.
    pub rang: bool,
    /// It answered.
    pub answered: bool,
    /// It was bridged with the caller.
    pub bridged: bool,
    /// From its answer to its end.
    pub duration: Duration,
    /// Why it ended.
    pub reason: DialReason,
}

/// Why a callee's leg ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DialReason {
    /// [`Action::CancelDial`](super::Action::CancelDial), or another target answered first.
    Cancelled,
    /// The callee hung up.
    CalleeHungUp,
    /// A final response other than 2xx, or none at all.
    #[default]
    Refused,
    /// It rang for the whole `timeout`.
    RingTimeout,
    /// Its screening document did not let the call through.
    ScreenedOut,
}
