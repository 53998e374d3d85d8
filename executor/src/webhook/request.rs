//! What a run asks of a webhook.

use std::fmt;

use url::Url;

/// A URL with the method to use on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hook {
    /// Where; absolute, with userinfo and connection overrides if it has them.
    pub url: Url,
    /// How.
    pub method: Method,
}

/// The two methods of webhooks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Method {
    /// Parameters are appended to the query.
    Get,
    /// Parameters are the form in the body.
    #[default]
    Post,
}

/// One request, without what is the same on every request of a leg
/// (see [`CallContext`](super::CallContext)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Tells the answers of one run apart.
    pub id: FetchId,
    /// Where.
    pub url: Url,
    /// How.
    pub method: Method,
    /// Why.
    pub purpose: Purpose,
    /// The state of the leg to report.
    pub call_status: CallStatus,
    /// The parameters of the verb, in order.
    pub params: Vec<(String, String)>,
}

/// The number of a request within its run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FetchId(pub u32);

/// Why a request is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Events of a conference; the reply is ignored.
    ConferenceCallback,
    /// The `waitUrl` of a `<Conference>`.
    ConferenceWait,
    /// `action` of `<Connect>`.
    ConnectAction,
    /// `action` of `<Dial>`.
    DialAction,
    /// The fallback URL, after an error.
    Fallback,
    /// `action` of `<Gather>`.
    GatherAction,
    /// What a `<Gather>` has understood so far; the reply is ignored.
    PartialResult,
    /// `action` of `<Enqueue>`.
    QueueAction,
    /// The `waitUrl` of an `<Enqueue>`.
    QueueWait,
    /// The `url` of a `<Queue>`, for the caller who was taken out of it.
    QueueWhisper,
    /// `action` of `<Record>`.
    RecordAction,
    /// The states of a recording; the reply is ignored.
    RecordingCallback,
    /// `<Redirect>`, or a document put in place of the current one.
    Redirect,
    /// `action` of `<Refer>`.
    ReferAction,
    /// The `referUrl` of a `<Dial>`, because a party sent REFER.
    ReferRequest,
    /// The `url` of a noun, on the callee's leg before it is bridged.
    Screening,
    /// Events of a recording session by SIPREC; the reply is ignored.
    SiprecCallback,
    /// A status callback; its reply is ignored.
    StatusCallback,
    /// Events of a media stream; the reply is ignored.
    StreamCallback,
    /// The text of a recording; the reply is ignored.
    TranscriptionCallback,
    /// The first document of the leg.
    Voice,
}

/// The state of a leg, in the words of the `CallStatus` parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallStatus {
    /// Busy, or rejected as busy.
    Busy,
    /// Cancelled before the answer.
    Canceled,
    /// Answered and ended.
    Completed,
    /// Could not be completed.
    Failed,
    /// Answered.
    InProgress,
    /// The INVITE was sent.
    Initiated,
    /// Ended without an answer.
    NoAnswer,
    /// Not answered yet.
    Ringing,
}

impl Hook {
    /// A POST hook.
    pub fn post(url: Url) -> Self {
        Self {
            url,
            method: Method::Post,
        }
    }
}

impl Method {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    /// Reads `GET` or `POST`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post]
            .into_iter()
            .find(|method| text.eq_ignore_ascii_case(method.as_str()))
    }
}

impl Purpose {
    /// Whether the request tells the application a result that it would otherwise never learn,
    /// so that it is finished even if the caller has hung up meanwhile.
    pub fn reports_result(self) -> bool {
        matches!(
            self,
            Self::DialAction | Self::QueueAction | Self::RecordAction | Self::ReferAction
        ) || self.is_callback()
    }

    /// Whether the reply is ignored.
    pub fn is_callback(self) -> bool {
        matches!(
            self,
            Self::ConferenceCallback
                | Self::PartialResult
                | Self::RecordingCallback
                | Self::SiprecCallback
                | Self::StatusCallback
                | Self::StreamCallback
                | Self::TranscriptionCallback
        )
    }

    /// Whether the parameters of the call are those of its SIP leg, its parties and its state
    /// too, and not only who it is.
    pub(super) fn is_about_call(self) -> bool {
        !matches!(
            self,
            Self::ConferenceCallback
                | Self::RecordingCallback
                | Self::SiprecCallback
                | Self::StreamCallback
        )
    }
}

impl CallStatus {
    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Canceled => "canceled",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::InProgress => "in-progress",
            Self::Initiated => "initiated",
            Self::NoAnswer => "no-answer",
            Self::Ringing => "ringing",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for FetchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A URL as it may be shown: without userinfo and fragment.
pub(crate) fn shown(url: &Url) -> String {
    bare(url).into()
}

/// A URL as it goes over the wire and into the signature: without userinfo and fragment.
pub(crate) fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    // Both fail only for URLs that cannot have userinfo, which then have none.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url
}
