//! The warnings of one document.

use roxmltree::Node;

use crate::{ErrorCode, Location, Warning};

/// An element of the document being read.
pub(super) type Element<'d> = Node<'d, 'd>;

/// Collects warnings while a document is read.
pub(super) struct Report {
    warnings: Vec<Warning>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(&mut self, code: ErrorCode, node: Element<'_>, message: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings
                .push(Warning::at(code, message, location(node)));
        }
    }

    /// An element that nothing here knows, or that may not stand here.
    pub(super) fn unknown_child(&mut self, parent: Element<'_>, child: Element<'_>) {
        let (parent, name) = (parent.tag_name().name(), child.tag_name().name());
        self.warn(
            ErrorCode::SCHEMA,
            child,
            format!("<{}> is not allowed in <{parent}>", short(name)),
        );
    }

    /// Warns about every child element.
    pub(super) fn no_children(&mut self, parent: Element<'_>) {
        for child in parent.children().filter(Node::is_element) {
            self.unknown_child(parent, child);
        }
    }

    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }
}

/// Where an element begins.
pub(super) fn location(node: Element<'_>) -> Location {
    let position = node.document().text_pos_at(node.range().start);
    Location {
        line: position.row,
        column: position.col,
    }
}

/// Text that came from outside, short enough for a message.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

const WARNINGS_MAX: usize = 100;
const QUOTE_CHARS_MAX: usize = 60;
