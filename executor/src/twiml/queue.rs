//! `<Enqueue>` and `<Queue>`.

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::parse::text_of;
use super::report::{Element, Report};
use super::{Link, Wait};

/// Longest name of a queue, in characters.
pub const QUEUE_NAME_CHARS_MAX: usize = 64;

/// Most callers who can wait in a queue.
pub const QUEUE_SIZE_MAX: u32 = 1000;

/// Wait in a queue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Enqueue {
    /// The name of the queue; `None`: the verb cannot be executed (`QueueResult=error`).
    pub name: Option<String>,
    /// Where the result goes; `None`: the next verb.
    pub action: Option<Link>,
    /// What is heard meanwhile.
    pub wait: Wait,
    /// How many may wait.
    pub size_max: Option<u32>,
}

/// Who waits in a queue, as somebody to talk with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct QueueNoun {
    /// The name of the queue.
    pub name: String,
    /// The document that the waiting caller hears before it is bridged.
    pub whisper: Option<Link>,
}

impl Enqueue {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let action = a.link("action", "method", ErrorCode::ENQUEUE_METHOD);
        let wait = Wait::parse(a, "waitUrlMethod", ErrorCode::ENQUEUE_WAIT_METHOD);
        let size = a.integer("maxQueueSize", 0, 1..=QUEUE_SIZE_MAX, ErrorCode::SCHEMA);
        if a.text("workflowSid").is_some() {
            let message = "workflows are not supported by this version".to_owned();
            a.warn(ErrorCode::NOT_SUPPORTED, message);
        }
        attributes.finish();
        for child in element.children().filter(Node::is_element) {
            if child.tag_name().name() == "Task" {
                let message = "<Task> is not supported by this version".to_owned();
                report.warn(ErrorCode::NOT_SUPPORTED, child, message);
            } else {
                report.unknown_child(element, child);
            }
        }
        let codes = (ErrorCode::ENQUEUE_NAME_SHORT, ErrorCode::ENQUEUE_NAME_LONG);
        Self {
            name: name(element, codes, report),
            action,
            wait,
            size_max: Some(size).filter(|size| *size > 0),
        }
    }
}

impl QueueNoun {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let whisper = attributes.link("url", "method", ErrorCode::QUEUE_METHOD);
        for name in ["reservationSid", "postWorkActivitySid"] {
            if attributes.text(name).is_some() {
                let message = format!("{name} is not supported by this version");
                attributes.warn(ErrorCode::NOT_SUPPORTED, message);
            }
        }
        attributes.finish();
        report.no_children(element);
        let codes = (ErrorCode::QUEUE_NAME_SHORT, ErrorCode::QUEUE_NAME_LONG);
        let name = name(element, codes, report)?;
        Some(Self { name, whisper })
    }
}

fn name(
    element: Element<'_>,
    (too_short, too_long): (ErrorCode, ErrorCode),
    report: &mut Report,
) -> Option<String> {
    let name = text_of(element);
    let code = match name.chars().count() {
        0 => too_short,
        1..=QUEUE_NAME_CHARS_MAX => return Some(name),
        _ => too_long,
    };
    report.warn(code, element, code.summary().to_owned());
    None
}
