//! `<Start>` and `<Stop>`: copies of the call's sound for somebody else.

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::report::{Element, Report};
use super::{Siprec, Stream};

/// Longest name and value of a `<Parameter>` together, in characters, plus one.
pub const STREAM_PARAMETER_CHARS_LIMIT: usize = 500;

/// Most `<Parameter>`s of a `<Stream>` or a `<Siprec>`.
pub const STREAM_PARAMETERS_MAX: usize = 64;

/// A copy of the leg's sound that begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaFork {
    /// For a recording server.
    Siprec(Siprec),
    /// For a WebSocket.
    Stream(Stream),
}

/// The name of a copy that ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaForkName {
    /// Of a `<Siprec>`.
    Siprec(String),
    /// Of a `<Stream>`.
    Stream(String),
}

/// What a copy has of the sound.
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

impl StreamTracks {
    /// How many tracks that are.
    pub fn count(self) -> u32 {
        match self {
            Self::Both => 2,
            Self::Inbound | Self::Outbound => 1,
        }
    }

    /// `track`, or what stands for it.
    pub(super) fn read(
        attributes: &mut Attributes<'_, '_>,
        code: ErrorCode,
        default: Self,
    ) -> Self {
        let known = |text: &str| matches!(text, "inbound_track" | "outbound_track" | "both_tracks");
        match attributes.text_if("track", code, known) {
            Some("both_tracks") => Self::Both,
            Some("inbound_track") => Self::Inbound,
            Some("outbound_track") => Self::Outbound,
            _ => default,
        }
    }
}

/// What a `<Start>` begins.
pub(super) fn started(element: Element<'_>, report: &mut Report) -> Vec<MediaFork> {
    Attributes::of(element, report).finish();
    let mut forks = Vec::new();
    for child in element.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Siprec" => forks.push(MediaFork::Siprec(Siprec::parse(child, report))),
            "Stream" => forks.extend(Stream::parse(child, report).map(MediaFork::Stream)),
            name => unsupported(name, element, child, report),
        }
    }
    forks
}

/// What a `<Stop>` ends.
pub(super) fn stopped(element: Element<'_>, report: &mut Report) -> Vec<MediaForkName> {
    Attributes::of(element, report).finish();
    let mut names = Vec::new();
    for child in element.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Siprec" => names.extend(stopped_name(child, report).map(MediaForkName::Siprec)),
            "Stream" => names.extend(stopped_name(child, report).map(MediaForkName::Stream)),
            name => unsupported(name, element, child, report),
        }
    }
    names
}

fn stopped_name(element: Element<'_>, report: &mut Report) -> Option<String> {
    let mut attributes = Attributes::of(element, report);
    let name = attributes.text("name").unwrap_or_default().to_owned();
    attributes.finish();
    report.no_children(element);
    if name.is_empty() {
        let noun = element.tag_name().name();
        let message = format!("<{noun}> of <Stop> has no name");
        report.warn(ErrorCode::SCHEMA, element, message);
        return None;
    }
    Some(name)
}

fn unsupported(name: &str, parent: Element<'_>, child: Element<'_>, report: &mut Report) {
    if matches!(name, "Recording" | "Transcription") {
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

/// The `<Parameter>`s of a noun, names and values.
pub(super) fn parameters(
    element: Element<'_>,
    code: ErrorCode,
    report: &mut Report,
) -> Vec<(String, String)> {
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
        report.warn(code, child, message);
    }
    parameters
}
