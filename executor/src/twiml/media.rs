//! `<Say>`, `<Play>` and `<Pause>`.

use std::time::Duration;

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::parse::text_of;
use super::report::{Element, Report};

/// Speak a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Say {
    /// What to say, without markup, white space collapsed.
    pub text: String,
    /// The content as written, if there is SSML in it.
    pub ssml: Option<String>,
    /// The voice, as written.
    pub voice: Option<String>,
    /// The language.
    pub language: String,
    /// How many times; 0 is until the end of the call (1,000 times at most).
    pub times: u32,
}

/// Play a file, or keys, or both.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Play {
    /// The file; an empty URL is the current document.
    pub url: Option<String>,
    /// How many times; 0 is until the end of the call (1,000 times at most).
    pub times: u32,
    /// Keys: `0-9 A-D * #`; `w` waits half a second, `W` a second.
    pub digits: Option<String>,
}

/// Wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pause {
    /// How long.
    pub length: Duration,
}

impl Say {
    /// A text to say once.
    pub fn plain(text: &str) -> Self {
        let text = collapse(text).chars().take(TEXT_CHARS_MAX).collect();
        Self {
            text,
            language: LANGUAGE.to_owned(),
            times: 1,
            ..Self::default()
        }
    }

    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let voice = attributes.text("voice").map(str::to_owned);
        let language = attributes.text("language").unwrap_or(LANGUAGE).to_owned();
        let times = attributes.integer("loop", 1, 0..=LOOP_MAX, ErrorCode::SAY_LOOP);
        attributes.finish();
        for child in element
            .descendants()
            .filter(|node| node.is_element() && *node != element)
        {
            if !SSML.contains(&child.tag_name().name()) {
                report.unknown_child(element, child);
            }
        }
        let spoken: String = element
            .descendants()
            .filter(Node::is_text)
            .filter_map(|node| node.text())
            .collect();
        let mut text = collapse(&spoken);
        if text.is_empty() {
            report.warn(ErrorCode::SAY_TEXT, element, "<Say> has no text".to_owned());
            return None;
        }
        if text.chars().count() > TEXT_CHARS_MAX {
            let message =
                format!("<Say> has more than {TEXT_CHARS_MAX} characters: the rest is cut off");
            report.warn(ErrorCode::SAY_TEXT_LONG, element, message);
            text = text.chars().take(TEXT_CHARS_MAX).collect();
        }
        Some(Self {
            text,
            ssml: inner_xml(element),
            voice,
            language,
            times,
        })
    }
}

impl Play {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let times = attributes.integer("loop", 1, 0..=LOOP_MAX, ErrorCode::PLAY_LOOP);
        let keys = |text: &str| {
            !text.is_empty()
                && text.len() <= KEYS_MAX
                && text
                    .chars()
                    .all(|key| matches!(key, '0'..='9' | 'A'..='D' | 'w' | 'W' | '*' | '#'))
        };
        let digits = attributes
            .text_if("digits", ErrorCode::PLAY_DIGITS, keys)
            .map(str::to_owned);
        attributes.finish();
        report.no_children(element);
        let url = Some(text_of(element)).filter(|url| !url.is_empty());
        if url.is_none() && digits.is_none() {
            let message = "<Play> has neither a URL nor digits".to_owned();
            report.warn(ErrorCode::PLAY_CONTENT_TYPE, element, message);
            return None;
        }
        Some(Self { url, times, digits })
    }
}

impl Pause {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let seconds = attributes.integer("length", 1, 1..=LENGTH_SECS_MAX, ErrorCode::PAUSE_LENGTH);
        attributes.finish();
        report.no_children(element);
        Self {
            length: Duration::from_secs(seconds.into()),
        }
    }
}

/// The source between the tags, if it has elements in it.
fn inner_xml(element: Element<'_>) -> Option<String> {
    element.children().find(Node::is_element)?;
    let (first, last) = (element.first_child()?, element.last_child()?);
    let source = element.document().input_text();
    source
        .get(first.range().start..last.range().end)
        .map(str::to_owned)
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const LANGUAGE: &str = "en-US";
const TEXT_CHARS_MAX: usize = 4096;
const LOOP_MAX: u32 = 1000;
const KEYS_MAX: usize = 256;
const LENGTH_SECS_MAX: u32 = 14_400;
const SSML: &[&str] = &[
    "break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w",
];
