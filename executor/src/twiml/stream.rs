//! `<Start>`, `<Stop>` and `<Connect>` with their `<Stream>`.

use roxmltree::Node;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;
use super::report::{Element, Report};

/// Longest name and value of a `<Parameter>` together, in characters, plus one.
pub const STREAM_PARAMETER_CHARS_LIMIT: usize = 500;

/// Most `<Parameter>`s of a `<Stream>`.
pub const STREAM_PARAMETERS_MAX: usize = 64;

/// A WebSocket that gets the leg's sound.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stream {
    /// Where, as written.
    pub url: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is sent.
    pub tracks: StreamTracks,
    /// Told when it begins, ends or fails.
    pub status_callback: Option<Link>,
    /// `customParameters`.
    pub parameters: Vec<(String, String)>,
}

/// What a stream sends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StreamTracks {
    /// Both, each marked.
    Both,
    /// What comes from the caller.
    #[default]
    Inbound,
    /// What goes to the caller.
    Outbound,
}

/// Talk with a WebSocket until it is closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connect {
    /// Where the end is told; `None`: the next verb.
    pub action: Option<Link>,
    /// The other end; `None` if there is none that can be reached.
    pub stream: Option<Stream>,
}

impl Stream {
    fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let known = |text: &str| matches!(text, "inbound_track" | "outbound_track" | "both_tracks");
        let tracks = match a.text_if("track", ErrorCode::STREAM_TRACK, known) {
            Some("outbound_track") => StreamTracks::Outbound,
            Some("both_tracks") => StreamTracks::Both,
            _ => StreamTracks::Inbound,
        };
        let stream = Self {
            url: a.text("url").unwrap_or_default().trim().to_owned(),
            name: a
                .text("name")
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            tracks,
            status_callback: a.link("statusCallback", "statusCallbackMethod", ErrorCode::SCHEMA),
            parameters: Vec::new(),
        };
        a.without_effect(&["connectorName"]);
        attributes.finish();
        if stream.url.is_empty() {
            let message = "<Stream> has no url".to_owned();
            report.warn(ErrorCode::STREAM_URL, element, message);
            return None;
        }
        let parameters = parameters(element, report);
        Some(Self {
            parameters,
            ..stream
        })
    }
}

impl StreamTracks {
    /// How many tracks that are.
    pub fn count(self) -> u32 {
        match self {
            Self::Both => 2,
            Self::Inbound | Self::Outbound => 1,
        }
    }
}

impl Connect {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let action = attributes.link("action", "method", ErrorCode::SCHEMA);
        attributes.finish();
        let mut stream = None;
        for child in element.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "Stream" if stream.is_some() => {
                    let message = "only the first <Stream> of <Connect> counts".to_owned();
                    report.warn(ErrorCode::SCHEMA, child, message);
                }
                "Stream" => {
                    stream = Stream::parse(child, report).map(|s| inbound(s, child, report))
                }
                name @ ("AiSession"
                | "Assistant"
                | "Autopilot"
                | "Conversation"
                | "ConversationRelay"
                | "ConversationRelaySession"
                | "Room"
                | "VirtualAgent") => {
                    let message = format!("<{name}> is not supported by this version");
                    report.warn(ErrorCode::NOT_SUPPORTED, child, message);
                }
                _ => report.unknown_child(element, child),
            }
        }
        Self { action, stream }
    }
}

/// A stream in both directions sends what comes from the caller only.
fn inbound(stream: Stream, element: Element<'_>, report: &mut Report) -> Stream {
    if stream.tracks != StreamTracks::Inbound {
        let message = "<Connect> sends the inbound track only".to_owned();
        report.warn(ErrorCode::STREAM_TRACK, element, message);
    }
    Stream {
        tracks: StreamTracks::Inbound,
        ..stream
    }
}

/// The streams of a `<Start>`.
pub(super) fn started(element: Element<'_>, report: &mut Report) -> Vec<Stream> {
    Attributes::of(element, report).finish();
    let mut streams = Vec::new();
    for child in element.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Stream" => streams.extend(Stream::parse(child, report)),
            name => unsupported(name, element, child, report),
        }
    }
    streams
}

/// The names of the streams of a `<Stop>`.
pub(super) fn stopped(element: Element<'_>, report: &mut Report) -> Vec<String> {
    Attributes::of(element, report).finish();
    let mut names = Vec::new();
    for child in element.children().filter(Node::is_element) {
        if child.tag_name().name() != "Stream" {
            unsupported(child.tag_name().name(), element, child, report);
            continue;
        }
        let mut attributes = Attributes::of(child, report);
        let name = attributes.text("name").unwrap_or_default().to_owned();
        attributes.finish();
        report.no_children(child);
        if name.is_empty() {
            let message = "<Stream> of <Stop> has no name".to_owned();
            report.warn(ErrorCode::SCHEMA, child, message);
        } else {
            names.push(name);
        }
    }
    names
}

fn unsupported(name: &str, parent: Element<'_>, child: Element<'_>, report: &mut Report) {
    if matches!(name, "Recording" | "Siprec" | "Transcription") {
        let message = format!("<{name}> is not supported by this version and is skipped");
        report.warn(ErrorCode::NOT_SUPPORTED, child, message);
    } else {
        let parent = parent.tag_name().name();
        let message = format!(
            "<{}> is not allowed in <{parent}>",
            super::report::short(name)
        );
        report.warn(ErrorCode::START_NESTED, child, message);
    }
}

fn parameters(element: Element<'_>, report: &mut Report) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for child in element.children().filter(Node::is_element) {
        if child.tag_name().name() != "Parameter" {
            report.unknown_child(element, child);
            continue;
        }
        let mut attributes = Attributes::of(child, report);
        let name = attributes.text("name").unwrap_or_default().to_owned();
        let value = attributes.text("value").unwrap_or_default().to_owned();
        attributes.finish();
        let length = name.chars().count() + value.chars().count();
        let message = if name.is_empty() {
            "a <Parameter> without a name is not sent".to_owned()
        } else if length >= STREAM_PARAMETER_CHARS_LIMIT {
            format!(
                "a <Parameter> of {STREAM_PARAMETER_CHARS_LIMIT} characters or more is not sent"
            )
        } else if parameters.len() == STREAM_PARAMETERS_MAX {
            format!("only {STREAM_PARAMETERS_MAX} <Parameter>s are sent")
        } else {
            parameters.push((name, value));
            continue;
        };
        report.warn(ErrorCode::STREAM_PARAMETER, child, message);
    }
    parameters
}
