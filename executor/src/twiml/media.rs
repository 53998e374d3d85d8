//! `<Say>`, `<Play>` and `<Pause>`.

use std::time::Duration;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::parse::text_of;
use super::report::{Element, Report};
use super::ssml;

/// Speak a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Say {
    /// What to say, without markup, white space collapsed.
    pub text: String,
    /// The content with its markup, if there is SSML in it: the elements that are known only.
    pub ssml: Option<String>,
    /// The voice: `man`, `woman`, `Polly.…` or `Google.…`; `None`: the usual one.
    pub voice: Option<String>,
    /// The language.
    pub language: String,
    /// How many times, at least once; `loop="0"` is [`LOOP_MAX`] times.
    pub times: u32,
}

/// Play a file, or keys, or both.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Play {
    /// The file; an empty URL is the current document.
    pub url: Option<String>,
    /// How many times, at least once; `loop="0"` is [`LOOP_MAX`] times.
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
        let mut text = collapse(text);
        text.truncate(fitting(&text, BASIC_CHARS_MAX));
        Self {
            text,
            language: LANGUAGE.to_owned(),
            times: 1,
            ..Self::default()
        }
    }

    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let voice = attributes.text_if("voice", ErrorCode::SAY_VOICE, is_voice);
        // The old name of a voice that is gone.
        let voice = voice.map(|voice| if voice == "alice" { "woman" } else { voice });
        let language = attributes
            .text_if("language", ErrorCode::SAY_LANGUAGE, is_language)
            .unwrap_or(LANGUAGE)
            .to_owned();
        let times = times(&mut attributes, ErrorCode::SAY_LOOP);
        attributes.finish();
        let content = ssml::read(element, report);
        let text = collapse(&content.text);
        if text.is_empty() {
            report.warn(ErrorCode::SAY_TEXT, element, "<Say> has no text".to_owned());
            return None;
        }
        let length = fitting(&text, characters_max(voice));
        let whole = length == text.len();
        if !whole {
            let message = "<Say> is too long: the rest is cut off".to_owned();
            report.warn(ErrorCode::SAY_TEXT_LONG, element, message);
        }
        Some(Self {
            text: text.get(..length).unwrap_or_default().to_owned(),
            ssml: content.ssml.filter(|_| whole),
            voice: voice.map(str::to_owned),
            language,
            times,
        })
    }
}

impl Play {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let times = times(&mut attributes, ErrorCode::PLAY_LOOP);
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

/// `loop`.
fn times(attributes: &mut Attributes<'_, '_>, code: ErrorCode) -> u32 {
    match attributes.integer("loop", 1, 0..=LOOP_MAX, code) {
        0 => LOOP_MAX,
        times => times,
    }
}

fn is_voice(voice: &str) -> bool {
    let service = |prefix| {
        voice.strip_prefix(prefix).is_some_and(|name: &str| {
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            !name.is_empty() && name.chars().all(fits)
        })
    };
    matches!(voice, "man" | "woman" | "alice") || service("Polly.") || service("Google.")
}

/// RFC 5646 §2.1, roughly: a language of two or three letters and its subtags.
pub(super) fn is_language(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let alphanumeric = |tag: &str| tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    subtags.next().is_some_and(|language| {
        matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
    }) && subtags.all(|tag| matches!(tag.len(), 1..=8) && alphanumeric(tag))
}

/// The longest text of a voice.
fn characters_max(voice: Option<&str>) -> usize {
    match voice {
        Some(voice) if voice.starts_with("Polly.") => POLLY_CHARS_MAX,
        Some(voice) if voice.starts_with("Google.") => GOOGLE_CHARS_MAX,
        _ => BASIC_CHARS_MAX,
    }
}

/// How many bytes of a text fit: by characters, and by their number when they are URL-encoded.
fn fitting(text: &str, characters_max: usize) -> usize {
    let mut encoded = 0;
    for (count, (at, c)) in text.char_indices().enumerate() {
        encoded += match c {
            ' ' | '*' | '-' | '.' | '_' | '0'..='9' | 'A'..='Z' | 'a'..='z' => 1,
            c => 3 * c.len_utf8(),
        };
        if count == characters_max || encoded > ENCODED_MAX {
            return at;
        }
    }
    text.len()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Most repetitions of a text or a file.
pub const LOOP_MAX: u32 = 1000;
pub(super) const LANGUAGE: &str = "en-US";
const BASIC_CHARS_MAX: usize = 4096;
const POLLY_CHARS_MAX: usize = 3000;
const GOOGLE_CHARS_MAX: usize = 5000;
const ENCODED_MAX: usize = 4500;
const KEYS_MAX: usize = 256;
const LENGTH_SECS_MAX: u32 = 14_400;
