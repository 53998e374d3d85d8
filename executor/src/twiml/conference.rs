//! `<Conference>`.

use crate::{ErrorCode, Sid, SidKind};

use super::Link;
use super::attributes::Attributes;
use super::parse::text_of;
use super::recording::{RecordingStatus, trims};
use super::report::{Element, Report, short};

/// Longest name of a conference, in characters (13237).
pub const CONFERENCE_NAME_CHARS_MAX: usize = 128;

/// Longest name of a participant, in characters (16024).
pub const LABEL_CHARS_MAX: usize = 128;

/// Most participants of a conference.
pub const PARTICIPANTS_MAX: u32 = 250;

/// A conference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConferenceNoun {
    /// Its name, unique within the account.
    pub name: String,
    /// The participant is not heard by the others.
    pub muted: bool,
    /// When the others hear a beep.
    pub beep: Beep,
    /// Whether the conference may begin with this participant.
    pub start_on_enter: bool,
    /// Whether it ends with this participant.
    pub end_on_exit: bool,
    /// The participant's own name.
    pub label: Option<String>,
    /// How much delay smooths the participant's sound.
    pub jitter_buffer: JitterBuffer,
    /// What is heard until it begins.
    pub wait: Wait,
    /// How many may take part.
    pub participants_max: u32,
    /// Whether it is recorded from its start.
    pub record: bool,
    /// Whether silence is cut off the recording.
    pub trim_silence: bool,
    /// The call of the participant who alone hears this one.
    pub coach: Option<Sid>,
    /// Where events are told.
    pub status_callback: Option<ConferenceStatus>,
    /// Where the states of the recording are told.
    pub recording: Option<RecordingStatus>,
}

/// What is heard by those who wait.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Wait {
    /// A document, which is run again and again.
    Document(Link),
    /// Music.
    #[default]
    Music,
    /// Nothing.
    Silence,
}

/// When the others hear a beep.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Beep {
    /// At both.
    #[default]
    Always,
    /// Never.
    Never,
    /// When the participant comes.
    OnEnter,
    /// When it goes.
    OnExit,
}

/// How much delay smooths a participant's sound.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JitterBuffer {
    /// The most: up to a fifth of a second.
    #[default]
    Large,
    /// Some.
    Medium,
    /// None.
    Off,
    /// Little.
    Small,
}

/// Where the events of a conference are told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConferenceStatus {
    /// Where.
    pub link: Link,
    /// Which.
    pub events: ConferenceEvents,
}

/// The events of a conference that are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConferenceEvents {
    /// It began.
    pub start: bool,
    /// It ended.
    pub end: bool,
    /// A participant came.
    pub join: bool,
    /// A participant went.
    pub leave: bool,
    /// A participant began or ceased to speak.
    pub speaker: bool,
}

impl ConferenceNoun {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let events_url = a.callback("eventCallbackUrl", "eventCallbackMethod", ErrorCode::SCHEMA);
        let noun = Self {
            name: text_of(element),
            muted: a.flag("muted", false, ErrorCode::CONFERENCE_MUTED),
            beep: Beep::parse(a),
            start_on_enter: a.flag("startConferenceOnEnter", true, ErrorCode::CONFERENCE_START),
            end_on_exit: a.flag("endConferenceOnExit", false, ErrorCode::CONFERENCE_END),
            label: a
                .text_if("participantLabel", ErrorCode::CONFERENCE_LABEL, is_label)
                .map(str::to_owned),
            jitter_buffer: JitterBuffer::parse(a),
            wait: Wait::parse(a, "waitMethod", ErrorCode::CONFERENCE_WAIT_METHOD),
            participants_max: a.integer(
                "maxParticipants",
                PARTICIPANTS_MAX,
                2..=PARTICIPANTS_MAX,
                ErrorCode::SCHEMA,
            ),
            record: records(a),
            trim_silence: trims(a, true, ErrorCode::CONFERENCE_TRIM),
            coach: coach(a),
            status_callback: ConferenceStatus::parse(a),
            recording: RecordingStatus::parse(a, ErrorCode::SCHEMA).or_else(|| {
                let link = events_url?;
                Some(RecordingStatus {
                    link,
                    ..RecordingStatus::default()
                })
            }),
        };
        a.without_effect(&["region", "recordingConfigurationId"]);
        attributes.finish();
        report.no_children(element);
        let length = noun.name.chars().count();
        if noun.name.is_empty() || length > CONFERENCE_NAME_CHARS_MAX {
            let message = format!("{:?} is no name of a conference", short(&noun.name));
            report.warn(ErrorCode::CONFERENCE_NAME, element, message);
            return None;
        }
        Some(noun)
    }
}

impl Wait {
    /// `waitUrl`: an empty one is silence.
    pub(super) fn parse(
        attributes: &mut Attributes<'_, '_>,
        method: &'static str,
        code: ErrorCode,
    ) -> Self {
        match attributes.link("waitUrl", method, code) {
            None => Self::Music,
            Some(link) if link.url.is_empty() => Self::Silence,
            Some(link) => Self::Document(link),
        }
    }
}

impl Beep {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let known = |text: &str| matches!(text, "true" | "false" | "onEnter" | "onExit");
        match attributes.text_if("beep", ErrorCode::CONFERENCE_BEEP, known) {
            Some("false") => Self::Never,
            Some("onEnter") => Self::OnEnter,
            Some("onExit") => Self::OnExit,
            _ => Self::Always,
        }
    }

    /// Whether the others hear that the participant comes.
    pub fn on_enter(self) -> bool {
        matches!(self, Self::Always | Self::OnEnter)
    }

    /// Whether the others hear that it goes.
    pub fn on_exit(self) -> bool {
        matches!(self, Self::Always | Self::OnExit)
    }
}

impl JitterBuffer {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let known = |text: &str| matches!(text, "off" | "small" | "medium" | "large");
        match attributes.text_if("jitterBufferSize", ErrorCode::SCHEMA, known) {
            Some("off") => Self::Off,
            Some("small") => Self::Small,
            Some("medium") => Self::Medium,
            _ => Self::Large,
        }
    }
}

impl ConferenceStatus {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Option<Self> {
        let link = attributes.callback("statusCallback", "statusCallbackMethod", ErrorCode::SCHEMA);
        let words = attributes.words("statusCallbackEvent", EVENTS, ErrorCode::SCHEMA);
        let has = |word| words.as_ref().is_some_and(|words| words.contains(&word));
        let never: Vec<_> = NEVER.iter().copied().filter(|word| has(*word)).collect();
        if !never.is_empty() {
            let message = format!("there are no events {} in this version", never.join(", "));
            attributes.warn(ErrorCode::NOT_SUPPORTED, message);
        }
        // Without a list the beginning and the end are told.
        let events = ConferenceEvents {
            start: words.is_none() || has("start"),
            end: words.is_none() || has("end"),
            join: has("join"),
            leave: has("leave"),
            speaker: has("speaker"),
        };
        Some(Self {
            link: link?,
            events,
        })
    }
}

fn is_label(text: &str) -> bool {
    let length = text.chars().count();
    let printable = !text.chars().any(|c| c.is_control() || c == '/');
    (1..=LABEL_CHARS_MAX).contains(&length) && printable && text.parse::<Sid>().is_err()
}

fn records(attributes: &mut Attributes<'_, '_>) -> bool {
    let known = |text: &str| {
        matches!(
            text,
            "do-not-record" | "record-from-start" | "true" | "false"
        )
    };
    let value = attributes.text_if("record", ErrorCode::SCHEMA, known);
    matches!(value, Some("record-from-start" | "true"))
}

fn coach(attributes: &mut Attributes<'_, '_>) -> Option<Sid> {
    let call = |text: &str| {
        text.parse::<Sid>()
            .is_ok_and(|sid| sid.kind() == SidKind::Call)
    };
    let value = attributes.text_if("coach", ErrorCode::CONFERENCE_COACH, call)?;
    value.parse().ok()
}

const EVENTS: &[&str] = &[
    "start",
    "end",
    "join",
    "leave",
    "mute",
    "hold",
    "modify",
    "speaker",
    "announcement",
];
/// What only the provider's API brings about.
const NEVER: &[&str] = &["mute", "hold", "modify", "announcement"];
