//! `<Record>`.

use std::time::Duration;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;
use super::gather::is_key;
use super::report::{Element, Report};

/// Record the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where the result goes; the default is the current document.
    pub action: Link,
    /// The silence that ends the recording; zero switches this off.
    pub timeout: Duration,
    /// The keys that end the recording.
    pub finish_on_key: String,
    /// The longest recording.
    pub length_max: Duration,
    /// Whether a beep comes first.
    pub play_beep: bool,
    /// Whether silence is cut off at both ends.
    pub trim_silence: bool,
    /// Told when the recording is ready.
    pub status_callback: Option<Link>,
}

impl Record {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let method = attributes.method("method", ErrorCode::RECORD_METHOD);
        let url = attributes
            .text("action")
            .unwrap_or_default()
            .trim()
            .to_owned();
        let timeout = attributes.integer("timeout", 5, 0..=SECS_MAX, ErrorCode::RECORD_TIMEOUT);
        let finish_on_key = attributes
            .text_if("finishOnKey", ErrorCode::RECORD_FINISH_ON_KEY, is_key)
            .unwrap_or("1234567890*#")
            .to_owned();
        let length = attributes.integer(
            "maxLength",
            3600,
            2..=SECS_MAX,
            ErrorCode::RECORD_MAX_LENGTH,
        );
        let play_beep = attributes.flag("playBeep", true, ErrorCode::RECORD_PLAY_BEEP);
        let known = |text: &str| matches!(text, "trim-silence" | "do-not-trim");
        let trim = attributes.text_if("trim", ErrorCode::RECORD_TRIM, known);
        let status_callback = attributes.link(
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            ErrorCode::RECORD_METHOD,
        );
        if attributes.flag("transcribe", false, ErrorCode::RECORD_TRANSCRIBE) {
            let message = "transcription is not supported by this version".to_owned();
            attributes.warn(ErrorCode::NOT_SUPPORTED, message);
        }
        attributes.without_effect(&[
            "recordingConfigurationId",
            "recordingStatusCallbackEvent",
            "transcribeCallback",
        ]);
        attributes.finish();
        report.no_children(element);
        Self {
            action: Link { url, method },
            timeout: Duration::from_secs(timeout.into()),
            finish_on_key,
            length_max: Duration::from_secs(length.into()),
            play_beep,
            trim_silence: trim != Some("do-not-trim"),
            status_callback,
        }
    }
}

const SECS_MAX: u32 = 14_400;
