//! What of SSML goes to the synthesizer.
//!
//! The document's markup is read and written anew: elements and attributes that are not listed
//! here, and values that are not understood, leave only their text. So nothing that the document's
//! author writes reaches the synthesizer as markup of another kind, such as `<audio>`, which would
//! read files.

use roxmltree::{Document, Node, ParsingOptions};

use super::voice::Voice;

/// The markup for a text: from its SSML if that can be read, or else from the text itself.
pub(super) fn sanitized(text: &str, ssml: Option<&str>, voice: Voice) -> String {
    let from_ssml = ssml.and_then(|ssml| Writer::new(voice).document(ssml));
    from_ssml.unwrap_or_else(|| {
        let mut writer = Writer::new(voice);
        writer.text(text);
        writer.finish()
    })
}

struct Writer {
    out: String,
    voice: Voice,
    /// What `<break>` may still add.
    pause_left_ms: u32,
}

impl Writer {
    fn new(voice: Voice) -> Self {
        Self {
            out: "<speak>".to_owned(),
            voice,
            pause_left_ms: PAUSE_MS_MAX,
        }
    }

    fn finish(mut self) -> String {
        self.out.push_str("</speak>");
        self.out
    }

    fn document(mut self, ssml: &str) -> Option<String> {
        let whole = format!("<speak>{ssml}</speak>");
        let options = ParsingOptions {
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&whole, options).ok()?;
        self.children(document.root_element(), 0);
        Some(self.finish())
    }

    fn children(&mut self, node: Node<'_, '_>, depth: u32) {
        for child in node.children() {
            if let Some(text) = child.text().filter(|_| child.is_text()) {
                self.text(text);
            } else if child.is_element() && depth < DEPTH_MAX {
                self.element(child, depth + 1);
            }
        }
    }

    fn element(&mut self, node: Node<'_, '_>, depth: u32) {
        match node.tag_name().name() {
            "break" => self.pause(node),
            "emphasis" => {
                let level = node.attribute("level").filter(|it| EMPHASIS.contains(it));
                let level = level.unwrap_or("moderate");
                self.wrap("emphasis", &format!(" level=\"{level}\""), node, depth);
            }
            "lang" => self.language(node, depth),
            name @ ("p" | "s") => self.wrap(name, "", node, depth),
            "prosody" => {
                let attributes = prosody(node);
                self.wrap("prosody", &attributes, node, depth);
            }
            "say-as" => self.say_as(node, depth),
            "sub" => match node.attribute("alias") {
                Some(alias) => self.text(alias),
                None => self.children(node, depth),
            },
            _ => self.children(node, depth),
        }
    }

    fn wrap(&mut self, name: &str, attributes: &str, node: Node<'_, '_>, depth: u32) {
        self.out.push_str(&format!("<{name}{attributes}>"));
        self.children(node, depth);
        self.out.push_str(&format!("</{name}>"));
    }

    fn pause(&mut self, node: Node<'_, '_>) {
        let millis = match node.attribute("time") {
            Some(time) => time_ms(time).unwrap_or(0),
            None => match node.attribute("strength").unwrap_or("medium") {
                "none" => 0,
                "x-weak" => 100,
                "weak" => 250,
                "strong" => 750,
                "x-strong" => 1000,
                _ => 500,
            },
        };
        let millis = millis.min(BREAK_MS_MAX).min(self.pause_left_ms);
        self.pause_left_ms -= millis;
        self.out.push_str(&format!("<break time=\"{millis}ms\"/>"));
    }

    /// The synthesizer knows `<voice>` for this.
    fn language(&mut self, node: Node<'_, '_>, depth: u32) {
        let language = node.attribute((XML, "lang")).unwrap_or_default();
        match self.voice.in_language(language) {
            Some(voice) => {
                self.wrap("voice", &voice.attributes(), node, depth);
            }
            None => self.children(node, depth),
        }
    }

    fn say_as(&mut self, node: Node<'_, '_>, depth: u32) {
        let kind = match node.attribute("interpret-as").unwrap_or_default() {
            "characters" | "spell-out" | "verbatim" => "characters",
            "digits" => "tts:digits",
            "telephone" => "telephone",
            // What is not to be heard.
            "expletive" | "bleep" => {
                self.out.push_str("<break time=\"300ms\"/>");
                return;
            }
            _ => return self.children(node, depth),
        };
        let attributes = format!(" interpret-as=\"{kind}\"");
        self.wrap("say-as", &attributes, node, depth);
    }

    /// Text for the synthesizer: without control characters, and without the brackets that it
    /// would take for names of sounds.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '[' if self.out.ends_with('[') => self.out.push_str(" ["),
                c if c.is_control() => self.out.push(' '),
                c => self.out.push(c),
            }
        }
    }
}

fn prosody(node: Node<'_, '_>) -> String {
    let mut attributes = String::new();
    for (name, words) in PROSODY {
        let value = node.attribute(*name);
        if let Some(value) = value.filter(|value| words.contains(value) || is_amount(value)) {
            attributes.push_str(&format!(" {name}=\"{value}\""));
        }
    }
    attributes
}

/// `85%`, `+10%`, `-6dB`, `+2st`.
fn is_amount(value: &str) -> bool {
    let digits = value.trim_start_matches(['+', '-']);
    let number = digits.trim_end_matches(|c: char| c == '%' || c.is_ascii_alphabetic());
    let unit = digits.get(number.len()..).unwrap_or_default();
    (1..=6).contains(&number.len())
        && value.len() - digits.len() <= 1
        && number.chars().all(|c| c.is_ascii_digit() || c == '.')
        && matches!(unit, "%" | "dB" | "st")
}

/// `2s`, `0.5s`, `300ms`.
fn time_ms(value: &str) -> Option<u32> {
    let (number, scale) = match value.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (value.strip_suffix('s')?, 1000.0),
    };
    let number: f64 = number.trim().parse().ok()?;
    // The conversion saturates, and the caller has a bound.
    (number.is_finite() && number >= 0.0).then_some((number * scale) as u32)
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const EMPHASIS: &[&str] = &["moderate", "none", "reduced", "strong"];
const PROSODY: &[(&str, &[&str])] = &[
    (
        "rate",
        &["default", "fast", "medium", "slow", "x-fast", "x-slow"],
    ),
    (
        "pitch",
        &["default", "high", "low", "medium", "x-high", "x-low"],
    ),
    (
        "volume",
        &[
            "default", "loud", "medium", "silent", "soft", "x-loud", "x-soft",
        ],
    ),
];
const NODES_MAX: u32 = 4096;
const DEPTH_MAX: u32 = 32;
const BREAK_MS_MAX: u32 = 10_000;
/// All breaks of one text together.
const PAUSE_MS_MAX: u32 = 120_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn english(text: &str, ssml: Option<&str>) -> String {
        let markup = sanitized(text, ssml, Voice::choose(None, "en-US"));
        let inner = markup.strip_prefix("<speak>").unwrap();
        inner.strip_suffix("</speak>").unwrap().to_owned()
    }

    fn of(ssml: &str) -> String {
        english("", Some(ssml))
    }

    #[test]
    fn the_subset_passes() {
        for same in [
            "<p>a</p><s>b</s>",
            "<emphasis level=\"strong\">a</emphasis>",
            "<prosody rate=\"85%\" pitch=\"+10%\" volume=\"x-loud\">a</prosody>",
            "<prosody volume=\"-6dB\">a</prosody>",
            "<say-as interpret-as=\"characters\">abc</say-as>",
        ] {
            assert_eq!(of(same), same);
        }
        for (written, sent) in [
            ("<break time=\"0.5s\"/>", "<break time=\"500ms\"/>"),
            ("<break strength=\"x-strong\"/>", "<break time=\"1000ms\"/>"),
            ("<break/>", "<break time=\"500ms\"/>"),
            ("<sub alias=\"World Wide Web\">WWW</sub>", "World Wide Web"),
            (
                "<lang xml:lang=\"fr-FR\">bonjour</lang>",
                "<voice xml:lang=\"fr-fr\" gender=\"male\">bonjour</voice>",
            ),
            (
                "<phoneme alphabet=\"ipa\" ph=\"x\">pecan</phoneme>",
                "pecan",
            ),
            ("<w role=\"amazon:VB\">read</w>", "read"),
            (
                "<say-as interpret-as=\"digits\">12</say-as>",
                "<say-as interpret-as=\"tts:digits\">12</say-as>",
            ),
            ("<say-as interpret-as=\"date\">1 May</say-as>", "1 May"),
            (
                "<say-as interpret-as=\"expletive\">word</say-as>",
                "<break time=\"300ms\"/>",
            ),
        ] {
            assert_eq!(of(written), sent, "{written}");
        }
    }

    #[test]
    fn other_markup_leaves_its_text() {
        for (written, sent) in [
            ("<audio src=\"/etc/passwd\">a</audio>", "a"),
            ("<voice name=\"!v/x\">a</voice>", "a"),
            ("<mark name=\"x\"/>a<!-- c --><?pi d?>", "a"),
            (
                "<prosody rate=\"1&quot;/>\" pitch=\"zz%\">a</prosody>",
                "<prosody>a</prosody>",
            ),
            (
                "<emphasis level=\"&lt;\">a</emphasis>",
                "<emphasis level=\"moderate\">a</emphasis>",
            ),
            ("a &lt;audio src=\"x\"/> b", "a &lt;audio src=\"x\"/&gt; b"),
            ("<lang xml:lang=\"../x\">a</lang>", "a"),
        ] {
            assert_eq!(of(written), sent, "{written}");
        }
    }

    #[test]
    fn what_cannot_be_read_falls_back_to_the_text() {
        assert_eq!(english("a < b & c", Some("<p>a")), "a &lt; b &amp; c");
        assert_eq!(english("a", Some("<!DOCTYPE x><p/>")), "a");
        assert_eq!(english("a\u{0}b\u{1b}c", None), "a b c");
        assert_eq!(english("[[[pI#kA:n]]", None), "[ [ [pI#kA:n]]");
    }

    #[test]
    fn breaks_and_depth_are_bounded() {
        assert_eq!(of("<break time=\"1e9s\"/>"), "<break time=\"10000ms\"/>");
        assert_eq!(of("<break time=\"-1s\"/>"), "<break time=\"0ms\"/>");
        let many = of(&"<break time=\"10s\"/>".repeat(40));
        assert_eq!(many.matches("\"10000ms\"").count(), 12);
        assert_eq!(many.matches("\"0ms\"").count(), 28);
        let deep = format!("{}a{}", "<p>".repeat(100), "</p>".repeat(100));
        assert_eq!(of(&deep).matches("<p>").count(), 32);
    }
}
