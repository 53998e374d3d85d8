//! Writing XML.

/// A document that grows: elements are closed in the order in which they must be.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// A document with its declaration.
    pub(super) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n".to_owned(),
            open: Vec::new(),
        }
    }

    /// Begins an element.
    pub(super) fn begin(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, ">");
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub(super) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push('>');
        }
    }

    /// An element with nothing but attributes.
    pub(super) fn empty(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, "/>");
    }

    /// An element with a text.
    pub(super) fn text(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) {
        self.begin(name, attributes);
        escape(text, &mut self.text);
        self.end();
    }

    /// The document, with what is open closed.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text.push_str("\r\n");
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], close: &str) {
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
        self.text.push_str(close);
    }
}

/// A text as it stands between tags and in attributes. Line ends and tabs are written as references,
/// so that no reader makes blanks of them (XML 1.0 §2.11, §3.3.3); what no document may have (§2.2)
/// becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let odd = "a<b> & \"c\" 'd'\r\n\te ]]> é \u{1F600}";
        let mut writer = Writer::new();
        writer.begin("root", &[("one", odd), ("two", "\0\u{b}\u{fffe}")]);
        writer.empty("empty", &[("x", "")]);
        writer.begin("deep", &[]);
        writer.text("text", &[], odd);
        let document = writer.finish();
        let read = roxmltree::Document::parse(&document).unwrap();
        let root = read.root_element();
        assert_eq!(root.attribute("one"), Some(odd));
        assert_eq!(root.attribute("two"), Some("\u{fffd}\u{fffd}\u{fffd}"));
        let text = read.descendants().find(|node| node.has_tag_name("text"));
        assert_eq!(text.unwrap().text(), Some(odd));
    }
}
