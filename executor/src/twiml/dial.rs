//! `<Dial>`.

use std::time::Duration;

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::client::ClientNoun;
use super::conference::ConferenceNoun;
use super::nouns::{Common, Number, SipNoun};
use super::parse::text_of;
use super::queue::QueueNoun;
use super::recording::{RecordingStatus, RecordingTrack, trims};
use super::report::{Element, Report};
use super::{Link, sip_uri};

/// Most targets of a `<Dial>` (13250).
pub const NOUNS_PER_DIAL_MAX: usize = 10;

/// Call somebody and connect the two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dial {
    /// Where the result goes; `None`: the next verb.
    pub action: Option<Link>,
    /// How long it may ring.
    pub timeout: Duration,
    /// How long the two may talk.
    pub time_limit: Duration,
    /// Whether the caller's `*` ends the callee's leg.
    pub hangup_on_star: bool,
    /// Who is calling; `None`: the caller.
    pub caller_id: Option<String>,
    /// Whether the caller is answered only when the callee is.
    pub answer_on_bridge: bool,
    /// What the caller hears while it rings; `None`: by itself.
    pub ring_tone: Option<String>,
    /// What is recorded.
    pub record: DialRecord,
    /// Whom the recording holds.
    pub recording_track: RecordingTrack,
    /// Whether silence is cut off the recording.
    pub trim_silence: bool,
    /// Told about the states of the recording.
    pub recording: Option<RecordingStatus>,
    /// One target after the other instead of all at once.
    pub sequential: bool,
    /// Asked when a party sends REFER.
    pub refer: Option<Link>,
    /// The targets that can be called, at most [`NOUNS_PER_DIAL_MAX`]; a conference or a queue
    /// stands there alone.
    pub nouns: Vec<Noun>,
    /// Why the verb cannot be executed at all: 13000.
    pub fault: Option<ErrorCode>,
}

/// A target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Noun {
    /// A registered client.
    Client(ClientNoun),
    /// A conference.
    Conference(Box<ConferenceNoun>),
    /// A telephone number.
    Number(Number),
    /// Who waits in a queue.
    Queue(QueueNoun),
    /// A SIP URI.
    Sip(SipNoun),
}

/// What of a `<Dial>` is recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DialRecord {
    /// Both in one channel, from the answer.
    Answer,
    /// Each in its channel, from the answer.
    AnswerDual,
    /// Nothing.
    #[default]
    Nothing,
    /// Both in one channel, from the ringing.
    Ringing,
    /// Each in its channel, from the ringing.
    RingingDual,
}

impl Dial {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut dial = Self::parse_attributes(element, report);
        dial.parse_nouns(element, report);
        dial
    }

    fn parse_attributes(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let dial = Self {
            action: a.link("action", "method", ErrorCode::DIAL_METHOD),
            timeout: seconds(a.integer("timeout", 30, 5..=600, ErrorCode::DIAL_TIMEOUT)),
            time_limit: seconds(a.integer(
                "timeLimit",
                14_400,
                1..=86_400,
                ErrorCode::DIAL_TIME_LIMIT,
            )),
            hangup_on_star: a.flag("hangupOnStar", false, ErrorCode::DIAL_HANGUP_ON_STAR),
            caller_id: a
                .text_if("callerId", caller_id_code(element), is_caller_id)
                .map(str::to_owned),
            answer_on_bridge: a.flag("answerOnBridge", false, ErrorCode::DIAL_ANSWER_ON_BRIDGE),
            ring_tone: a
                .text_if("ringTone", ErrorCode::DIAL_RING_TONE, |tone| {
                    RING_TONES.contains(&tone)
                })
                .filter(|tone| *tone != "automatic")
                .map(str::to_owned),
            record: record(a),
            recording_track: RecordingTrack::parse(a),
            trim_silence: trims(a, false, ErrorCode::RECORD_TRIM),
            recording: RecordingStatus::parse(a, ErrorCode::DIAL_METHOD),
            sequential: a.flag("sequential", false, ErrorCode::DIAL_SEQUENTIAL),
            refer: a.link("referUrl", "referMethod", ErrorCode::DIAL_METHOD),
            nouns: Vec::new(),
            fault: None,
        };
        a.without_effect(WITHOUT_EFFECT);
        attributes.finish();
        dial
    }

    fn parse_nouns(&mut self, element: Element<'_>, report: &mut Report) {
        let children: Vec<_> = element.children().filter(Node::is_element).collect();
        let text = text_of(element);
        let has = |name| children.iter().any(|child| child.tag_name().name() == name);
        if has("Conference") && (children.len() > 1 || !text.is_empty()) {
            self.fault = Some(ErrorCode::DIAL_CONFERENCE_MIXED);
            return;
        }
        let children = match children
            .iter()
            .find(|child| child.tag_name().name() == "Queue")
        {
            Some(queue) if children.len() > 1 || !text.is_empty() => {
                let message = "<Queue> stands alone: nothing else of this <Dial> counts";
                report.warn(ErrorCode::DIAL_NESTED, *queue, message.to_owned());
                vec![*queue]
            }
            _ => children,
        };
        if !text.is_empty() && !has_queue(&children) {
            self.nouns.extend(text_noun(element, &text, report));
        }
        let mut parameters = 0;
        for child in children {
            if self.nouns.len() == NOUNS_PER_DIAL_MAX {
                let message = format!("only the first {NOUNS_PER_DIAL_MAX} nouns of <Dial> count");
                report.warn(ErrorCode::SIP_URIS_MANY, child, message);
                return;
            }
            self.nouns
                .extend(noun(element, child, &mut parameters, report));
        }
    }
}

fn noun(
    dial: Element<'_>,
    element: Element<'_>,
    parameters: &mut usize,
    report: &mut Report,
) -> Option<Noun> {
    match element.tag_name().name() {
        "Client" => ClientNoun::parse(element, parameters, report).map(Noun::Client),
        "Conference" => ConferenceNoun::parse(element, report)
            .map(Box::new)
            .map(Noun::Conference),
        "Number" => Number::parse(element, report).map(Noun::Number),
        "Queue" => QueueNoun::parse(element, report).map(Noun::Queue),
        "Sip" => SipNoun::parse(element, report).map(Noun::Sip),
        name @ ("Sim" | "Application" | "WhatsApp") => {
            let message = format!("<{name}> is not supported by this version and is skipped");
            report.warn(ErrorCode::NOT_SUPPORTED, element, message);
            None
        }
        name => {
            let message = format!(
                "<{}> is not allowed in <{}>",
                super::report::short(name),
                dial.tag_name().name()
            );
            report.warn(ErrorCode::DIAL_NESTED, element, message);
            None
        }
    }
}

fn has_queue(children: &[Element<'_>]) -> bool {
    children
        .iter()
        .any(|child| child.tag_name().name() == "Queue")
}

/// The text of a `<Dial>`: a number, or in old documents `client:…` or `sip:…`.
fn text_noun(element: Element<'_>, text: &str, report: &mut Report) -> Option<Noun> {
    if let Some(identity) = text.strip_prefix("client:") {
        let identity = ClientNoun::checked_identity(identity, element, report)?;
        return Some(Noun::Client(ClientNoun {
            identity,
            ..ClientNoun::default()
        }));
    }
    if sip_uri::has_sip_scheme(text) {
        return SipNoun::of(text, Common::default(), element, report).map(Noun::Sip);
    }
    Number::of(text, Common::default(), element, report).map(Noun::Number)
}

fn record(attributes: &mut Attributes<'_, '_>) -> DialRecord {
    let known = |text: &str| RECORDS.iter().any(|(name, _)| *name == text);
    let value = attributes
        .text_if("record", ErrorCode::DIAL_RECORD, known)
        .unwrap_or_default();
    RECORDS
        .iter()
        .find(|(name, _)| *name == value)
        .map(|(_, record)| *record)
        .unwrap_or_default()
}

/// The number of the warning for a bad `callerId`.
fn caller_id_code(element: Element<'_>) -> ErrorCode {
    let long = element
        .attribute("callerId")
        .is_some_and(|id| id.len() > CALLER_ID_BYTES_MAX);
    let mut children = element.children();
    if long {
        ErrorCode::SIP_CALLER_ID_LONG
    } else if children.any(|child| child.has_tag_name("Sip")) {
        ErrorCode::SIP_CALLER_ID
    } else {
        ErrorCode::DIAL_CALLER_ID
    }
}

/// A number, a user name, `client:…` or a SIP address: nothing that could leave its header.
fn is_caller_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-_.@:*#".contains(&byte);
    !text.is_empty() && text.len() <= CALLER_ID_BYTES_MAX && text.bytes().all(plain)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Longest `callerId` (13248).
const CALLER_ID_BYTES_MAX: usize = 254;
const RECORDS: &[(&str, DialRecord)] = &[
    ("do-not-record", DialRecord::Nothing),
    ("false", DialRecord::Nothing),
    ("record-from-answer", DialRecord::Answer),
    ("true", DialRecord::Answer),
    ("record-from-ringing", DialRecord::Ringing),
    ("record-from-answer-dual", DialRecord::AnswerDual),
    ("record-from-ringing-dual", DialRecord::RingingDual),
];
const RING_TONES: &[&str] = &[
    "automatic",
    "at",
    "au",
    "bg",
    "br",
    "be",
    "ch",
    "cl",
    "cn",
    "cz",
    "de",
    "dk",
    "ee",
    "es",
    "fi",
    "fr",
    "gr",
    "hu",
    "il",
    "in",
    "it",
    "lt",
    "jp",
    "mx",
    "my",
    "nl",
    "no",
    "nz",
    "ph",
    "pl",
    "pt",
    "ru",
    "se",
    "sg",
    "th",
    "uk",
    "us",
    "us-old",
    "tw",
    "ve",
    "za",
];
/// `callReason` is for display on a telephone network, the others belong to other products.
const WITHOUT_EFFECT: &[&str] = &["callReason", "events", "recordingConfigurationId"];
