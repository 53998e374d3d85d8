//! What the run wants done.

use std::time::Duration;

use crate::Warning;
use crate::webhook::{CallStatus, FetchId, Request};

use super::{
    ConferencePlan, DialPlan, DialQueuePlan, EnqueuePlan, Media, MediaId, Party, ReferPlan,
    SiprecPlan, StreamId, StreamPlan, TranscriptionPlan, TransferPlan,
};

/// Something to do, in the order given.
#[derive(Clone, Debug)]
pub enum Action {
    /// Stop a request: drop its future. No `Fetched` is needed.
    AbortFetch(FetchId),
    /// Send 200 OK with a session description. Then [`Event::Answered`](super::Event::Answered).
    Answer,
    /// Answer the REFER of a party. 202 begins a subscription (RFC 3515 §2.4.4): send the NOTIFY
    /// with `100 Trying` that it owes at once, and the last one at [`Action::NotifyRefer`].
    AnswerRefer {
        /// Who sent it.
        by: Party,
        /// 202, or the status that refuses it.
        status: u16,
    },
    /// Ask where the caller stands in its queue. Then
    /// [`Event::QueuePlace`](super::Event::QueuePlace).
    AskQueue,
    /// Connect the media of the answered caller and the party that waits for it: the answered
    /// callee, or who was taken from the queue.
    Bridge,
    /// End every leg of the `<Dial>`: CANCEL or BYE. Then `DialEnded`. Of a `<Queue>`: give up
    /// waiting for somebody, or part with who came.
    CancelDial,
    /// The document that this leg was to hear is at its end: it may be bridged. Said by the run of
    /// a screened callee as the last but `Finished`, and by that of a queued caller.
    Connect,
    /// Call the targets. Then `DialRinging`, `DialAnswered`, `DialRecording` and, once, `DialEnded`.
    Dial(Box<DialPlan>),
    /// Take the head of a queue. Then `DialAnswered` when it may be bridged and, once, `DialEnded`.
    DialQueue(Box<DialQueuePlan>),
    /// Put the caller into a queue. Then `Enqueued`, `Dequeued` and, once, `QueueEnded`.
    Enqueue(Box<EnqueuePlan>),
    /// Make a request. Then `Fetched`.
    Fetch(Box<Request>),
    /// The run is over and wants no more events. Always the last action, exactly once.
    Finished(Finish),
    /// Send BYE.
    HangUp,
    /// Put the caller into a conference. Then `Conference`.
    JoinConference(Box<ConferencePlan>),
    /// Take the caller out of its conference. Then `Conference` with the end, as always once.
    LeaveConference,
    /// Take the caller out of the queue, or out of the bridge with who dequeued it. Then
    /// `QueueEnded`.
    LeaveQueue,
    /// A callee that was transferred for the time being ([`TransferPlan::kept`]) has nowhere to
    /// come back to: its leg lives on by itself.
    LetCalleeGo,
    /// Send the last NOTIFY of a REFER, with this status in its `message/sipfrag` and
    /// `Subscription-State: terminated;reason=noresource`.
    NotifyRefer {
        /// Who sent the REFER.
        by: Party,
        /// How the transfer went.
        status: u16,
    },
    /// Take the bridged callee out of the bridge and keep its leg aside, silent: it asked for a
    /// transfer that may fail. Another [`Action::Dial`] may follow meanwhile.
    ParkCallee,
    /// Send REFER in the dialog. Then `ReferAccepted` or `ReferRefused`, then `ReferNotified`.
    Refer(ReferPlan),
    /// Answer the INVITE with a final error.
    Reject {
        /// The code.
        status: u16,
        /// The reason phrase.
        reason: &'static str,
    },
    /// End the leg of the parked callee: BYE. Then the `DialEnded` of its `<Dial>`.
    ReleaseCallee,
    /// The parked callee is the one of the `<Dial>` again. `Bridge` follows.
    RestoreCallee,
    /// Send 180, or 183 with a session description of our own and the callee's early media.
    Ring {
        /// 183, because the callee sends early media.
        early_media: bool,
    },
    /// Speak, play, listen or record. Then `MediaDone`.
    StartMedia(Box<Media>),
    /// Let a recording server hear along. Then `StreamStarted` and `StreamEnded`.
    StartSiprec(Box<SiprecPlan>),
    /// Connect a WebSocket to the leg's sound. Then `StreamStarted` and `StreamEnded`.
    StartStream(Box<StreamPlan>),
    /// Start a timer; one of the same kind that still runs is replaced.
    StartTimer(TimerId, Duration),
    /// Make a request whose answer does not matter to the run; a failure is a 15003 warning.
    StatusCallback(Box<Request>),
    /// Stop a medium. Only a recording answers with `MediaDone`.
    StopMedia(MediaId),
    /// End a recording session. No `StreamEnded` is needed.
    StopSiprec(StreamId),
    /// Close a stream. No `StreamEnded` is needed.
    StopStream(StreamId),
    /// Stop a timer.
    StopTimer(TimerId),
    /// Something for the call's record, in words.
    Trace(Trace),
    /// Write a recording down, and tell the text where it is wanted; this may take longer than the
    /// call. No event is needed.
    Transcribe(Box<TranscriptionPlan>),
    /// Take the bridged callee out of the bridge and give its leg a run of its own,
    /// [`Run::transferee`](super::Run::transferee). If it is kept, the end of the attempt comes as
    /// `TransferEnded`.
    TransferCallee(Box<TransferPlan>),
    /// Said by the run of a transferee that is kept: the final response of the target, 200 if it
    /// answered. Tell it to the run of the caller as
    /// [`Event::TransferEnded`](super::Event::TransferEnded).
    TransferDone(u16),
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
    /// Waiting for a key or for speech.
    GatherInput,
    /// `<Pause>`.
    Pause,
    /// The longest time without an answer.
    PreAnswer,
    /// `timeout` of a `<Dial>` with a `<Queue>`.
    QueueWait,
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
    /// The recogniser's result.
    SpeechResult,
    /// The next request for a document to wait with, when the last one took no time.
    WaitAgain,
    /// What is still owed after the leg's end.
    WrapUp,
}

impl Trace {
    pub(super) fn new(topic: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            text: text.into(),
        }
    }
}
