//! `<Stream>` of `<Start>` and `<Connect>`.

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::fork::parameters;
use super::report::{Element, Report};
use super::{Link, StreamTracks};

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

/// Talk with a WebSocket until it is closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connect {
    /// Where the end is told; `None`: the next verb.
    pub action: Option<Link>,
    /// The other end; `None` if there is none that can be reached.
    pub stream: Option<Stream>,
}

impl Stream {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let tracks = StreamTracks::read(a, ErrorCode::STREAM_TRACK, StreamTracks::Inbound);
        let stream = Self {
            url: a.text("url").unwrap_or_default().trim().to_owned(),
            name: a
                .text("name")
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            tracks,
            status_callback: a.callback(
                "statusCallback",
                "statusCallbackMethod",
                ErrorCode::SCHEMA,
            ),
            parameters: Vec::new(),
        };
        a.without_effect(&["connectorName"]);
        attributes.finish();
        if stream.url.is_empty() {
            let message = "<Stream> has no url".to_owned();
            report.warn(ErrorCode::STREAM_URL, element, message);
            return None;
        }
        let parameters = parameters(element, ErrorCode::STREAM_PARAMETER, report);
        Some(Self {
            parameters,
            ..stream
        })
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
