//! From bytes to a [`Document`].

use std::fmt;

use roxmltree::{Node, ParsingOptions};

use crate::{ErrorCode, Location, Warning};

use super::attributes::Attributes;
use super::content_type::{self, Content};
use super::report::{Element, Report, location, short};
use super::{
    Connect, Dial, Document, Enqueue, Gather, Link, Pause, Play, Record, Refer, RejectReason, Say,
    Step, Verb, fork,
};

/// Largest body, in bytes (11750).
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most elements, texts and comments of a document (12100).
pub const NODES_MAX: u32 = 1_000;

/// Deepest nesting of elements (12100).
pub const DEPTH_MAX: usize = 16;

/// Where the verbs of a document stand that is no TwiML: nothing but the root can stand there.
const ITSELF: Location = Location { line: 1, column: 1 };

/// Why a body is no document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct TwimlError {
    /// The number.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: String,
    /// Where, if the parser knows.
    pub location: Option<Location>,
}

impl Document {
    /// Reads the body of a reply by its `Content-Type`.
    ///
    /// # Errors
    ///
    /// 12300 for a type that is neither XML nor text nor sound, 11750 and 11770 for a body that
    /// is too large or empty, 12100 for broken XML (also: a DTD, white space or a byte order mark
    /// before the prolog, too many nodes, too deep nesting), 12102 for another root element.
    pub fn parse(
        body: &[u8],
        content_type: Option<&str>,
    ) -> Result<(Self, Vec<Warning>), TwimlError> {
        let Some(content) = content_type::of(content_type) else {
            let what = content_type.map_or_else(|| "no Content-Type".to_owned(), short);
            return Err(TwimlError::new(ErrorCode::CONTENT_TYPE, what));
        };
        if content == Content::Audio {
            return Ok((Self::play_itself(), Vec::new()));
        }
        if body.len() > BODY_BYTES_MAX {
            let message = format!("{} bytes; at most {BODY_BYTES_MAX} are read", body.len());
            return Err(TwimlError::new(ErrorCode::BODY_TOO_LARGE, message));
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(TwimlError::new(ErrorCode::BODY_EMPTY, "the body is empty"));
        }
        match (content, parse_xml(body)) {
            (Content::Text, Err(_)) => {
                Ok((Self::speak(&String::from_utf8_lossy(body)), Vec::new()))
            }
            (_, parsed) => parsed,
        }
    }

    /// The document that a sound file stands for: an empty URL is the current document's own.
    fn play_itself() -> Self {
        let play = Play {
            url: Some(String::new()),
            times: 1,
            digits: None,
        };
        Self::of([Verb::Play(play), Verb::Hangup])
    }

    /// A sound file or a plain text that is heard while a caller waits does not end the call. A
    /// `<Hangup>` that was written does: it cannot stand where the root stands.
    pub(crate) fn take_off_hangup(&mut self) {
        let added = |step: &Step| step.verb == Verb::Hangup && step.location == ITSELF;
        if self.steps.last().is_some_and(added) {
            self.steps.pop();
        }
    }

    /// The document that a plain text stands for.
    pub fn speak(text: &str) -> Self {
        Self::of([Verb::Say(Say::plain(text)), Verb::Hangup])
    }

    fn of(verbs: impl IntoIterator<Item = Verb>) -> Self {
        let location = ITSELF;
        Self {
            steps: verbs
                .into_iter()
                .map(|verb| Step { verb, location })
                .collect(),
        }
    }
}

fn parse_xml(body: &[u8]) -> Result<(Document, Vec<Warning>), TwimlError> {
    let text = str::from_utf8(body)
        .map_err(|_| TwimlError::new(ErrorCode::XML_PARSE, "the document is not UTF-8"))?;
    check_start(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        ..Default::default()
    };
    let tree = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
        let position = error.pos();
        TwimlError {
            code: ErrorCode::XML_PARSE,
            message: short(&error.to_string()),
            location: Some(Location {
                line: position.row,
                column: position.col,
            }),
        }
    })?;
    check_depth(&tree)?;
    let root = tree.root_element();
    if root.tag_name().name() != "Response" {
        let message = format!(
            "the root is <{}>, not <Response>",
            short(root.tag_name().name())
        );
        return Err(TwimlError {
            code: ErrorCode::ROOT_NOT_RESPONSE,
            message,
            location: Some(location(root)),
        });
    }
    let mut report = Report::new();
    let steps = parse_verbs(root, &mut report);
    Ok((Document { steps }, report.into_warnings()))
}

/// XML 1.0 §2.8: nothing stands before the prolog; a byte order mark is refused as documented.
fn check_start(text: &str) -> Result<(), TwimlError> {
    let before = if text.starts_with('\u{feff}') {
        "a byte order mark"
    } else if text.trim_start().starts_with("<?xml ") && !text.starts_with("<?xml ") {
        "white space"
    } else {
        return Ok(());
    };
    Err(TwimlError {
        code: ErrorCode::XML_PARSE,
        message: format!("{before} before the XML declaration"),
        location: Some(Location { line: 1, column: 1 }),
    })
}

fn check_depth(tree: &roxmltree::Document<'_>) -> Result<(), TwimlError> {
    // Depth beyond the limit is found without walking far: each node looks up at most that far.
    let too_deep = tree.descendants().filter(Node::is_element).find(|node| {
        node.ancestors()
            .take(DEPTH_MAX + 2)
            .filter(Node::is_element)
            .count()
            > DEPTH_MAX
    });
    match too_deep {
        None => Ok(()),
        Some(node) => {
            let position = tree.text_pos_at(node.range().start);
            Err(TwimlError {
                code: ErrorCode::XML_PARSE,
                message: format!("elements are nested deeper than {DEPTH_MAX}"),
                location: Some(Location {
                    line: position.row,
                    column: position.col,
                }),
            })
        }
    }
}

fn parse_verbs(root: Element<'_>, report: &mut Report) -> Vec<Step> {
    Attributes::of(root, report).finish();
    let mut steps = Vec::new();
    for child in root.children() {
        if child.is_element() {
            if let Some(verb) = parse_verb(root, child, report) {
                steps.push(Step {
                    verb,
                    location: location(child),
                });
            }
        } else if child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty()) {
            report.warn(
                ErrorCode::SCHEMA,
                child,
                "text outside of a verb".to_owned(),
            );
        }
    }
    steps
}

fn parse_verb(root: Element<'_>, element: Element<'_>, report: &mut Report) -> Option<Verb> {
    match element.tag_name().name() {
        "Connect" => Some(Verb::Connect(Box::new(Connect::parse(element, report)))),
        "Dial" => Some(Verb::Dial(Box::new(Dial::parse(element, report)))),
        "Enqueue" => Some(Verb::Enqueue(Box::new(Enqueue::parse(element, report)))),
        "Gather" => Some(Verb::Gather(Box::new(Gather::parse(element, report)))),
        "Hangup" => Some(parse_hangup(element, report)),
        "Leave" => Some(parse_leave(element, report)),
        "Pause" => Some(Verb::Pause(Pause::parse(element, report))),
        "Play" => Play::parse(element, report).map(Verb::Play),
        "Record" => Some(Verb::Record(Box::new(Record::parse(element, report)))),
        "Redirect" => Some(parse_redirect(element, report)),
        "Refer" => Refer::parse(element, report).map(Verb::Refer),
        "Reject" => Some(parse_reject(element, report)),
        "Say" => Say::parse(element, report).map(Verb::Say),
        "Start" => Some(Verb::Start(fork::started(element, report))),
        "Stop" => Some(Verb::Stop(fork::stopped(element, report))),
        name @ ("Pay" | "Prompt" | "Sms" | "Message") => {
            let message = format!("<{name}> is not supported by this version and is skipped");
            report.warn(ErrorCode::NOT_SUPPORTED, element, message);
            None
        }
        _ => {
            report.unknown_child(root, element);
            None
        }
    }
}

fn parse_hangup(element: Element<'_>, report: &mut Report) -> Verb {
    Attributes::of(element, report).finish();
    skip_parameters(element, report);
    Verb::Hangup
}

fn parse_leave(element: Element<'_>, report: &mut Report) -> Verb {
    Attributes::of(element, report).finish();
    report.no_children(element);
    Verb::Leave
}

fn parse_reject(element: Element<'_>, report: &mut Report) -> Verb {
    let mut attributes = Attributes::of(element, report);
    let known = |value: &str| matches!(value, "busy" | "rejected");
    let reason = match attributes.text_if("reason", ErrorCode::REJECT_REASON, known) {
        Some("busy") => RejectReason::Busy,
        _ => RejectReason::Rejected,
    };
    attributes.finish();
    skip_parameters(element, report);
    Verb::Reject(reason)
}

/// Newer libraries can write `<Parameter>` into `<Hangup>` and `<Reject>`; it has no effect.
fn skip_parameters(element: Element<'_>, report: &mut Report) {
    for child in element.children().filter(Node::is_element) {
        if child.tag_name().name() != "Parameter" {
            report.unknown_child(element, child);
        }
    }
}

fn parse_redirect(element: Element<'_>, report: &mut Report) -> Verb {
    let mut attributes = Attributes::of(element, report);
    let method = attributes.method("method", ErrorCode::REDIRECT_METHOD);
    attributes.finish();
    report.no_children(element);
    Verb::Redirect(Link {
        url: text_of(element),
        method,
    })
}

/// The trimmed text directly inside an element, without comments and children.
pub(super) fn text_of(element: Element<'_>) -> String {
    let text: String = element
        .children()
        .filter_map(|child| child.text().filter(|_| child.is_text()))
        .collect();
    text.trim().to_owned()
}

impl TwimlError {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            location: None,
        }
    }
}

impl From<TwimlError> for Warning {
    fn from(error: TwimlError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            location: error.location,
        }
    }
}

impl fmt::Display for TwimlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Warning::from(self.clone()).fmt(f)
    }
}
