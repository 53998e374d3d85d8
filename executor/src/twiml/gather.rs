//! `<Gather>`.

use std::time::Duration;

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::report::{Element, Report};
use super::speech::SpeechInput;
use super::{Link, Pause, Play, Say};

/// Collect keys or speech while prompts are heard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gather {
    /// Where the input goes; the default is the current document.
    pub action: Link,
    /// Whether keys count as input.
    pub dtmf: bool,
    /// How speech counts as input, if it does.
    pub speech: Option<SpeechInput>,
    /// How long to wait for the first or next key, or for speech.
    pub timeout: Duration,
    /// The key that ends the input.
    pub finish_on_key: Option<char>,
    /// How many keys end the input.
    pub digits_max: Option<u32>,
    /// Whether `action` is asked even without input.
    pub action_on_empty_result: bool,
    /// What is heard meanwhile.
    pub prompts: Vec<Prompt>,
}

/// What may stand in a `<Gather>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Prompt {
    /// Wait.
    Pause(Pause),
    /// Play a file.
    Play(Play),
    /// Speak a text.
    Say(Say),
}

impl Gather {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let action = attributes
            .link("action", "method", ErrorCode::GATHER_METHOD)
            .unwrap_or_else(|| Link {
                url: String::new(),
                method: default_method(element),
            });
        let timeout = attributes.integer(
            "timeout",
            5,
            0..=TIMEOUT_SECS_MAX,
            ErrorCode::GATHER_TIMEOUT,
        );
        let finish_on_key = finish_key(&mut attributes);
        let digits_max = digits_max(&mut attributes);
        let empty = ErrorCode::GATHER_ACTION_ON_EMPTY_RESULT;
        let action_on_empty_result = attributes.flag("actionOnEmptyResult", false, empty);
        let (dtmf, speech) = input(&mut attributes);
        let timeout = Duration::from_secs(timeout.into());
        let input = SpeechInput::parse(&mut attributes, timeout);
        attributes.finish();
        Self {
            action,
            dtmf,
            speech: speech.then_some(input),
            timeout,
            finish_on_key,
            digits_max,
            action_on_empty_result,
            prompts: prompts(element, report),
        }
    }
}

/// `method` counts although `action` is left to its default.
fn default_method(element: Element<'_>) -> crate::webhook::Method {
    element
        .attribute("method")
        .and_then(|method| crate::webhook::Method::parse(method.trim()))
        .unwrap_or_default()
}

fn finish_key(attributes: &mut Attributes<'_, '_>) -> Option<char> {
    let one_key = |text: &str| text.is_empty() || (text.len() == 1 && is_key(text));
    match attributes.text_if("finishOnKey", ErrorCode::GATHER_FINISH_ON_KEY, one_key) {
        Some(text) => text.chars().next(),
        None => Some('#'),
    }
}

fn digits_max(attributes: &mut Attributes<'_, '_>) -> Option<u32> {
    let value = attributes.integer("numDigits", 0, 1..=DIGITS_MAX, ErrorCode::GATHER_NUM_DIGITS);
    Some(value).filter(|number| *number > 0)
}

/// Whether keys count, and whether speech does.
fn input(attributes: &mut Attributes<'_, '_>) -> (bool, bool) {
    let known = |text: &str| {
        let mut words = text.split_whitespace().peekable();
        words.peek().is_some() && words.all(|word| matches!(word, "dtmf" | "speech"))
    };
    match attributes.text_if("input", ErrorCode::GATHER_INPUT, known) {
        Some(text) => (text.contains("dtmf"), text.contains("speech")),
        None => (true, false),
    }
}

fn prompts(element: Element<'_>, report: &mut Report) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    for child in element.children().filter(Node::is_element) {
        let prompt = match child.tag_name().name() {
            "Pause" => Some(Prompt::Pause(Pause::parse(child, report))),
            "Play" => {
                Play::parse(child, report).and_then(|play| without_digits(play, child, report))
            }
            "Say" => Say::parse(child, report).map(Prompt::Say),
            name => {
                let message = format!(
                    "<{}> is not allowed in <Gather>",
                    super::report::short(name)
                );
                report.warn(ErrorCode::GATHER_NESTED, child, message);
                None
            }
        };
        prompts.extend(prompt);
    }
    prompts
}

fn without_digits(play: Play, element: Element<'_>, report: &mut Report) -> Option<Prompt> {
    if play.digits.is_some() {
        let message = "digits cannot be played inside <Gather>".to_owned();
        report.warn(ErrorCode::PLAY_DIGITS, element, message);
    }
    play.url.is_some().then_some(Prompt::Play(Play {
        digits: None,
        ..play
    }))
}

/// Whether a text is made of keys of a telephone.
pub(super) fn is_key(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'*' | b'#'))
}

const TIMEOUT_SECS_MAX: u32 = 14_400;
const DIGITS_MAX: u32 = 256;
