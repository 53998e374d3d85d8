//! What the run wants done.

use std::time::Duration;

use crate::webhook::{CallStatus, FetchId, Hook, Request};
use crate::{Secret, Warning, twiml};

/// Something to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Stop a request: drop its future. No `Fetched` is needed.
    AbortFetch(FetchId),
    /// Send 200 OK with a session description: the waiting callee's if a `<Dial>` is answered,
    /// otherwise the executor's own. Then [`Event::Answered`](super::Event::Answered).
    Answer,
    /// Connect the media of the answered caller and the answered callee.
    Bridge,
    /// End every leg of the `<Dial>`: CANCEL or BYE. Then `DialEnded`.
    CancelDial,
    /// A screening document let the call through: this leg may be bridged.
    Connect,
    /// Call the targets.
    Dial(Box<DialPlan>),
    /// Make a request. Then `Fetched`.
    Fetch(Box<Request>),
    /// The run is over and wants no more events. Always the last action, exactly once.
    Finished(Finish),
    /// Send BYE.
    HangUp,
    /// Send REFER in the dialog. Then `ReferAccepted` or `ReferRefused`, then `ReferNotified`.
    Refer(ReferPlan),
    /// Answer the INVITE with a final error.
    Reject {
        /// The code.
        status: u16,
        /// The reason phrase.
        reason: &'static str,
    },
    /// Send 180, or 183 with the callee's session description.
    Ring {
        /// 183, because the callee sends early media.
        early_media: bool,
    },
    /// Speak, play or record. Then `MediaDone`.
    StartMedia(Box<Media>),
    /// Start a timer; one of the same kind that still runs is replaced.
    StartTimer(TimerId, Duration),
    /// Make a request whose answer does not matter to the run; a failure is a 15003 warning.
    StatusCallback(Box<Request>),
    /// Stop a medium. Only a recording answers with `MediaDone`.
    StopMedia(MediaId),
    /// Stop a timer.
    StopTimer(TimerId),
    /// Something for the call's record, in words.
    Trace(Trace),
    /// Something numbered for the log and the call's record.
    Warn(Warning),
}

/// A line in the record of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The verb or step, such as `Say` or `document`.
    pub topic: &'static str,
    /// What happens.
    pub text: String,
}

/// How the leg ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Finish {
    /// The final `CallStatus`.
    pub status: CallStatus,
    /// The final response to the INVITE.
    pub sip_code: u16,
    /// From the answer to the end; zero if it was not answered.
    pub duration: Duration,
}

/// The number of a medium within its run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MediaId(pub u32);

/// Something to hear or to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// Tells the media of one run apart.
    pub id: MediaId,
    /// What.
    pub kind: MediaKind,
}

/// What to render.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaKind {
    /// A file.
    Play {
        /// Where it is.
        url: url::Url,
        /// How many times; 0 is without end.
        times: u32,
    },
    /// Keys to send as telephone events; `w` is half a second, `W` a second.
    PlayDigits(String),
    /// Record the caller.
    Record(twiml::Record),
    /// Text to speech.
    Speak(twiml::Say),
}

/// A timer of a run. There is at most one of each kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimerId {
    /// What it is for.
    pub kind: TimerKind,
    /// Tells it from earlier ones of its kind.
    pub generation: u32,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TimerKind {
    /// The longest call.
    CallLength,
    /// `timeLimit` of `<Dial>`.
    DialLimit,
    /// Waiting for a key.
    GatherInput,
    /// `<Pause>`.
    Pause,
    /// The longest time without an answer.
    PreAnswer,
    /// The end of the transfer after the first NOTIFY.
    ReferEnd,
    /// The final response to REFER.
    ReferResponse,
    /// The first NOTIFY.
    ReferNotify,
    /// The caller's BYE after a transfer.
    ReferHangUp,
    /// RFC 3261 §13.3.1.1: a provisional response every minute.
    Ring,
    /// What is still owed after the leg's end.
    WrapUp,
}

/// `<Dial>` as a plan: nothing is left to parse.
#[derive(Clone, Debug, PartialEq)]
pub struct DialPlan {
    /// Who to call, 1 to 10.
    pub targets: Vec<DialTarget>,
    /// One after the other instead of all at once.
    pub sequential: bool,
    /// How long each may ring.
    pub timeout: Duration,
    /// The user part of From, if given; otherwise the caller's From.
    pub caller_id: Option<String>,
    /// The caller is answered only by the bridge.
    pub answer_on_bridge: bool,
    /// What to record.
    pub record: twiml::DialRecord,
    /// `ringTone`, for an answered caller.
    pub ring_tone: Option<String>,
}

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub struct DialTarget {
    /// Where.
    pub to: DialTo,
    /// Header fields of the INVITE, checked, in order.
    pub headers: Vec<(String, String)>,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Keys to send after the answer.
    pub send_digits: Option<String>,
    /// The screening document, for [`Run::screening`](super::Run::screening).
    pub screening: Option<Hook>,
    /// Status callbacks of this leg.
    pub status_callback: Option<LegCallback>,
}

/// Where a target is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DialTo {
    /// A registered client.
    Client(String),
    /// A number, for the trunk.
    Number(String),
    /// A SIP URI without headers, such as `sip:alice@example.com;transport=tcp`.
    Sip(String),
}

/// User name and password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Status callbacks of a callee's leg.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegCallback {
    /// Where.
    pub hook: Hook,
    /// At which stages.
    pub events: twiml::CallbackEvents,
}

/// `<Refer>` as a plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferPlan {
    /// The URI for Refer-To, as written. The header is `Refer-To: <…>`.
    pub refer_to: String,
}

impl Trace {
    pub(super) fn new(topic: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            text: text.into(),
        }
    }
}
