//! Verbs as plans: nothing is left to parse or to resolve.

use std::time::Duration;

use url::Url;

use crate::webhook::{Hook, Reply};
use crate::{Secret, Sid, twiml};

/// The number of a `<Dial>` within its run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DialId(pub u32);

/// `<Dial>` of somebody who is called.
#[derive(Clone, Debug, PartialEq)]
pub struct DialPlan {
    /// Tells the `<Dial>`s of one run apart.
    pub id: DialId,
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
    pub record: Option<DialRecording>,
    /// The country whose ring tone an answered caller hears while nobody has answered and there
    /// are no early media; `None`: the usual one.
    pub ring_tone: Option<String>,
}

/// What to record of a `<Dial>`. The caller is channel 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DialRecording {
    /// From the first ringing instead of from the bridge.
    pub from_ringing: bool,
    /// Each party in a channel of its own, if both are recorded.
    pub dual: bool,
    /// Whom to record.
    pub track: twiml::RecordingTrack,
    /// Whether silence is cut off at both ends.
    pub trim_silence: bool,
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
    /// Whether it is told who has answered.
    pub detection: Option<Detection>,
}

/// A callback that tells who has answered: see [`Detection::told`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Detection {
    /// Where.
    pub hook: Hook,
    /// What is to be found out.
    pub asked: twiml::MachineDetection,
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

/// Where the states of a recording are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordingCallback {
    /// Where.
    pub hook: Hook,
    /// Which states.
    pub events: twiml::RecordingEvents,
}

/// `<Dial>` with a `<Queue>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialQueuePlan {
    /// Tells the `<Dial>`s of one run apart.
    pub id: DialId,
    /// The name of the queue.
    pub name: String,
    /// The document that the dequeued caller hears before it is bridged.
    pub whisper: Option<Hook>,
}

/// `<Enqueue>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnqueuePlan {
    /// The name of the queue, which is made if there is none.
    pub name: String,
    /// How many may wait, if the document says so.
    pub size_max: Option<u32>,
}

/// `<Dial>` with a `<Conference>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConferencePlan {
    /// The name, unique within the account.
    pub name: String,
    /// Not heard by the others.
    pub muted: bool,
    /// When the others hear a beep.
    pub beep: twiml::Beep,
    /// Whether the conference may begin with this participant.
    pub start_on_enter: bool,
    /// Whether it ends with this participant.
    pub end_on_exit: bool,
    /// The participant's own name within the conference.
    pub label: Option<String>,
    /// How much delay smooths the participant's sound.
    pub jitter_buffer: twiml::JitterBuffer,
    /// How many may take part; the first participant's counts.
    pub participants_max: u32,
    /// Whether it is recorded from its start; the first participant's counts.
    pub record: bool,
    /// Whether silence is cut off the recording.
    pub trim_silence: bool,
    /// The call of the participant who alone hears this one.
    pub coach: Option<Sid>,
    /// Where events are told; the first participant's counts.
    pub status_callback: Option<ConferenceCallback>,
    /// Where the states of the recording are told; the first participant's counts.
    pub recording_callback: Option<RecordingCallback>,
}

/// Where the events of a conference are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConferenceCallback {
    /// Where.
    pub hook: Hook,
    /// Which.
    pub events: twiml::ConferenceEvents,
}

/// `<Refer>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferPlan {
    /// The URI for Refer-To, as written. The header is `Refer-To: <…>`.
    pub refer_to: String,
}

/// The number of a stream or a recording session within its run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StreamId(pub u32);

/// `<Stream>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamPlan {
    /// Tells the streams of one run apart.
    pub id: StreamId,
    /// `wss://…`, without a query.
    pub url: Url,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is sent.
    pub tracks: twiml::StreamTracks,
    /// `customParameters`.
    pub parameters: Vec<(String, String)>,
    /// `<Connect>`: what the server sends is played, and keys are told.
    pub bidirectional: bool,
}

/// `<Siprec>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SiprecPlan {
    /// Tells it from the streams and the other sessions of its run.
    pub id: StreamId,
    /// Which recording server, by the name of the configuration.
    pub connector: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is recorded.
    pub tracks: twiml::StreamTracks,
    /// What the recording server is told beside.
    pub parameters: Vec<(String, String)>,
}

/// A callee's leg that goes on by itself, because the caller transferred it.
#[derive(Clone, Debug)]
pub struct TransferPlan {
    /// What the `referUrl` answered: the transferee's document.
    pub reply: Reply,
    /// The leg comes back to the caller if the transfer fails.
    pub kept: bool,
}

/// One of the two who talk.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// Whose `<Dial>` it is.
    Caller,
    /// Whom it called.
    Callee,
}
