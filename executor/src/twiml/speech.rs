//! What `<Gather>` says about speech.

use std::time::Duration;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;
use super::media::{LANGUAGE, is_language};

/// Most hints of a `<Gather>`.
pub const HINTS_MAX: usize = 500;

/// Longest hint, in characters.
pub const HINT_CHARS_MAX: usize = 100;

/// Longest speech.
pub const SPEECH_SECS_MAX: u32 = 60;

/// How speech is recognised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpeechInput {
    /// How much silence ends it.
    pub timeout: SpeechTimeout,
    /// The language.
    pub language: String,
    /// Words and phrases that are likely.
    pub hints: Vec<String>,
    /// Whether swear words are masked.
    pub profanity_filter: bool,
    /// Told what was understood so far.
    pub partial_result: Option<Link>,
    /// Whether speech stops the prompts.
    pub barge_in: bool,
    /// The longest speech.
    pub length_max: Duration,
    /// The model, as written.
    pub model: Option<String>,
    /// Whether the better model is wanted.
    pub enhanced: bool,
}

/// How much silence ends speech.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpeechTimeout {
    /// So much.
    After(Duration),
    /// The recogniser knows: the first pause.
    Auto,
}

impl SpeechInput {
    /// `timeout` is the one of the `<Gather>`.
    pub(super) fn parse(attributes: &mut Attributes<'_, '_>, timeout: Duration) -> Self {
        let a = attributes;
        let model = a.text_if("speechModel", ErrorCode::GATHER_SPEECH_MODEL, is_model);
        a.without_effect(&["debug"]);
        Self {
            timeout: speech_timeout(a, timeout, model),
            language: a
                .text_if("language", ErrorCode::GATHER_LANGUAGE, is_language)
                .unwrap_or(LANGUAGE)
                .to_owned(),
            hints: hints(a),
            profanity_filter: a.flag("profanityFilter", true, ErrorCode::GATHER_PROFANITY_FILTER),
            partial_result: a.callback(
                "partialResultCallback",
                "partialResultCallbackMethod",
                ErrorCode::GATHER_PARTIAL_METHOD,
            ),
            barge_in: a.flag("bargeIn", true, ErrorCode::GATHER_BARGE_IN),
            length_max: Duration::from_secs(
                a.integer(
                    "maxSpeechTime",
                    SPEECH_SECS_MAX,
                    1..=SPEECH_SECS_MAX,
                    ErrorCode::GATHER_MAX_SPEECH_TIME,
                )
                .into(),
            ),
            model: model.map(str::to_owned),
            enhanced: a.flag("enhanced", false, ErrorCode::SCHEMA),
        }
    }
}

/// Without one, the silence is the `timeout` of the `<Gather>`. A model that was named cannot be
/// combined with `auto` (13335).
fn speech_timeout(
    attributes: &mut Attributes<'_, '_>,
    timeout: Duration,
    model: Option<&str>,
) -> SpeechTimeout {
    let usual = SpeechTimeout::After(timeout.max(SILENCE_MIN));
    if attributes.peek("speechTimeout") != Some("auto") {
        let code = ErrorCode::GATHER_SPEECH_TIMEOUT;
        let seconds = attributes.integer("speechTimeout", 0, 1..=SPEECH_SECS_MAX, code);
        return match seconds {
            0 => usual,
            seconds => SpeechTimeout::After(Duration::from_secs(seconds.into())),
        };
    }
    attributes.without_effect(&["speechTimeout"]);
    if model.is_some() {
        let message = "speechTimeout cannot be auto with a speechModel".to_owned();
        attributes.warn(ErrorCode::GATHER_SPEECH_TIMEOUT_AUTO, message);
        return usual;
    }
    SpeechTimeout::Auto
}

fn hints(attributes: &mut Attributes<'_, '_>) -> Vec<String> {
    let text = attributes.text("hints").unwrap_or_default();
    let all: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|hint| !hint.is_empty())
        .collect();
    let fits = |hint: &&str| hint.chars().count() <= HINT_CHARS_MAX;
    let hints: Vec<_> = all
        .iter()
        .copied()
        .filter(fits)
        .take(HINTS_MAX)
        .map(str::to_owned)
        .collect();
    if hints.len() < all.len() {
        let message =
            format!("only {HINTS_MAX} hints of at most {HINT_CHARS_MAX} characters count");
        attributes.warn(ErrorCode::GATHER_HINTS, message);
    }
    hints
}

fn is_model(model: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&model.len()) && model.bytes().all(fits)
}

/// `timeout="0"` leaves no time to breathe.
const SILENCE_MIN: Duration = Duration::from_secs(1);
