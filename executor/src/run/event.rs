//! What happens to a leg.

use std::time::Duration;

use crate::Sid;
use crate::webhook::{FetchError, FetchId, Hook, Reply};

use super::{DialId, MediaId, MediaOutcome, Party, Recording, Speech, StreamId, TimerId};

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
    /// How the caller fares in its conference.
    Conference(ConferenceNotice),
    /// A callee answered (and passed its screening), or somebody came out of the queue: it waits
    /// to be bridged.
    DialAnswered,
    /// All legs of the `<Dial>` are over, and its recording is written. Comes exactly once for
    /// each [`Action::Dial`](super::Action::Dial) and
    /// [`Action::DialQueue`](super::Action::DialQueue), also after
    /// [`Action::CancelDial`](super::Action::CancelDial),
    /// [`Action::ReleaseCallee`](super::Action::ReleaseCallee) and
    /// [`Action::TransferCallee`](super::Action::TransferCallee) (of a callee that is kept: when
    /// it cannot come back any more).
    DialEnded(DialId, Vec<DialOutcome>),
    /// The recording of the `<Dial>` has begun.
    DialRecording(Recording),
    /// Of a queue: who was taken from it is gone before the bridge; the next one is waited for.
    DialQueueWaits,
    /// A callee rings. Of a queue: somebody was taken from it, and hears a document first.
    DialRinging {
        /// It sent 183 with a session description.
        early_media: bool,
    },
    /// The caller's turn in the queue has come.
    Dequeued {
        /// The call that took it.
        by: Sid,
        /// `QueueSid`.
        queue: Sid,
        /// How long it has waited.
        waited: Duration,
        /// What the caller is to hear first. Then
        /// [`Action::Connect`](super::Action::Connect), also if there is nothing to hear.
        whisper: Option<Hook>,
    },
    /// The caller pressed a key.
    Digit(char),
    /// The caller waits in a queue: it is in, or is back at the head because who took it is gone.
    Enqueued(QueuePlace),
    /// The webhook answered [`Action::Fetch`](super::Action::Fetch).
    Fetched(FetchId, Box<Result<Reply, FetchError>>),
    /// The operator ends the call.
    HangUp,
    /// A medium ended by itself, or a recording ended because it was stopped.
    MediaDone(MediaId, MediaOutcome),
    /// The caller is out of the queue, and out of the bridge if it was bridged. Comes exactly once
    /// for each [`Action::Enqueue`](super::Action::Enqueue).
    QueueEnded(QueueEnd),
    /// The answer to [`Action::AskQueue`](super::Action::AskQueue).
    QueuePlace(QueuePlace),
    /// Our REFER got a 2xx.
    ReferAccepted(u16),
    /// NOTIFY of our REFER came, and was answered.
    ReferNotified {
        /// The code in the `message/sipfrag` body; `None` if there is none.
        code: Option<u16>,
        /// `Subscription-State: terminated`.
        terminated: bool,
        /// The `expires` parameter of `Subscription-State`.
        expires: Option<Duration>,
    },
    /// Our REFER got a final response of 300 or more, or none (408).
    ReferRefused(u16),
    /// A party sent REFER, which waits for
    /// [`Action::AnswerRefer`](super::Action::AnswerRefer).
    ReferRequested {
        /// Who.
        by: Party,
        /// The value of Refer-To.
        refer_to: String,
    },
    /// The recording of a `<Record>` has begun.
    RecordingStarted(MediaId, Recording),
    /// The recogniser has something to tell before its end.
    Speech(MediaId, Speech),
    /// The leg is there: the first event, once.
    Start,
    /// A stream or a recording session is over: its server ended it, or it failed.
    StreamEnded {
        /// Which.
        id: StreamId,
        /// `StreamSid` or `SiprecSid`.
        sid: Sid,
        /// What went wrong, with its number: 31900 to 31960, or 90130 and 90134.
        error: Option<StreamError>,
    },
    /// A stream is connected, or a recording session has begun.
    StreamStarted {
        /// Which.
        id: StreamId,
        /// `StreamSid` or `SiprecSid`.
        sid: Sid,
    },
    /// A timer fired.
    TimerFired(TimerId),
    /// The end of a transfer that may come back
    /// ([`Action::TransferCallee`](super::Action::TransferCallee)): the final response of the
    /// target, 200 if it answered.
    TransferEnded(u16),
}

/// How a participant fares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConferenceNotice {
    /// It is in, but the conference has not begun: it waits.
    Waits,
    /// It talks with the others.
    Talks,
    /// It is out. Comes exactly once for each
    /// [`Action::JoinConference`](super::Action::JoinConference).
    Ended(ConferenceEnd),
}

/// Why a participant is out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConferenceEnd {
    /// The conference is over.
    Over,
    /// It left, or was taken out.
    Left,
    /// It never was in: there were enough already (16020).
    Full,
    /// It never was in: another participant has its label (16025).
    LabelTaken,
    /// It never was in: whom it should coach is no participant (13240).
    NobodyToCoach,
}

/// Where a caller stands in its queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueuePlace {
    /// `QueueSid`.
    pub sid: Sid,
    /// From 1.
    pub position: u32,
    /// How long it has waited.
    pub waited: Duration,
    /// How long those who were dequeued had waited on average.
    pub average: Duration,
    /// How many wait.
    pub size: u32,
    /// How many may.
    pub size_max: u32,
}

/// How a stay in a queue ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueEnd {
    /// Why.
    pub reason: QueueReason,
    /// `QueueSid`, if it was in.
    pub sid: Option<Sid>,
    /// How long it waited until its turn came or it left.
    pub waited: Duration,
}

/// Why a stay in a queue ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueReason {
    /// It was bridged with who dequeued it, and that is over.
    Bridged,
    /// It never was in: enough wait already.
    Full,
    /// [`Action::LeaveQueue`](super::Action::LeaveQueue).
    Left,
    /// It never was in: there are too many queues, or it is in one already.
    Refused,
}

/// Why a stream or a recording session failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamError {
    /// The number.
    pub code: crate::ErrorCode,
    /// What happened.
    pub detail: String,
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
    /// From its answer to its end; of a queue, from the bridge.
    pub duration: Duration,
    /// Why it ended.
    pub reason: DialReason,
    /// The recording of the `<Dial>`, if there is one.
    pub recording: Option<Recording>,
    /// The queue that it came from, and how long it had waited there.
    pub queue: Option<(Sid, Duration)>,
}

/// Why a callee's leg ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DialReason {
    /// [`Action::CancelDial`](super::Action::CancelDial), or another target answered first.
    Cancelled,
    /// The callee hung up.
    CalleeHungUp,
    /// There is no such queue.
    NoQueue,
    /// A final response other than 2xx, or none at all.
    #[default]
    Refused,
    /// It rang for the whole `timeout`, or nobody was in the queue for so long.
    RingTimeout,
    /// Its screening document did not let the call through.
    ScreenedOut,
}
