//! The markup in a `<Say>`.

use std::fmt::Write as _;

use super::report::{Element, Report};

/// The content of a `<Say>`.
#[derive(Default)]
pub(super) struct Content {
    /// All text, without markup.
    pub(super) text: String,
    /// The content as XML with the elements of SSML that are known, if there are any.
    pub(super) ssml: Option<String>,
}

/// Reads the content: other elements are reported, and of them only the text counts.
pub(super) fn read(element: Element<'_>, report: &mut Report) -> Content {
    let mut content = Content::default();
    let mut ssml = String::new();
    let mut marked = false;
    walk(element, report, &mut content.text, &mut ssml, &mut marked);
    content.ssml = marked.then(|| ssml.trim().to_owned());
    content
}

/// The depth is bounded by [`DEPTH_MAX`](super::DEPTH_MAX).
fn walk(
    element: Element<'_>,
    report: &mut Report,
    text: &mut String,
    ssml: &mut String,
    marked: &mut bool,
) {
    for child in element.children() {
        if child.is_text() {
            let written = child.text().unwrap_or_default();
            text.push_str(written);
            escape(written, ssml);
        } else if child.is_element() {
            let name = child.tag_name().name();
            if !ELEMENTS.contains(&name) {
                report.unknown_child(element, child);
                walk(child, report, text, ssml, marked);
                continue;
            }
            *marked = true;
            open(child, ssml);
            let separates = matches!(name, "break" | "p" | "s");
            text.push_str(if separates { " " } else { "" });
            walk(child, report, text, ssml, marked);
            text.push_str(if separates { " " } else { "" });
            close(child, ssml);
        }
    }
}

fn open(element: Element<'_>, ssml: &mut String) {
    ssml.push('<');
    ssml.push_str(element.tag_name().name());
    for attribute in element.attributes() {
        // SSML has attributes without a namespace, and `xml:lang`.
        let prefix = match attribute.namespace() {
            None => "",
            Some(roxmltree::NS_XML_URI) => "xml:",
            Some(_) => continue,
        };
        // Writing to a string cannot fail.
        write!(ssml, " {prefix}{}=\"", attribute.name()).ok();
        escape(attribute.value(), ssml);
        ssml.push('"');
    }
    ssml.push_str(if element.has_children() { ">" } else { "/>" });
}

fn close(element: Element<'_>, ssml: &mut String) {
    if element.has_children() {
        write!(ssml, "</{}>", element.tag_name().name()).ok();
    }
}

fn escape(text: &str, xml: &mut String) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            c => xml.push(c),
        }
    }
}

const ELEMENTS: &[&str] = &[
    "break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w",
];
