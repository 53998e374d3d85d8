//! `<Record>`.

use std::time::Duration;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;
use super::gather::is_key;
use super::recording::{RecordingStatus, trims};
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
    /// Told about the states of the recording.
    pub recording: Option<RecordingStatus>,
}

impl Record {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let method = a.method("method", ErrorCode::RECORD_METHOD);
        let url = a.text("action").unwrap_or_default().trim().to_owned();
        let timeout = a.integer("timeout", 5, 0..=SECS_MAX, ErrorCode::RECORD_TIMEOUT);
        let finish_on_key = a
            .text_if("finishOnKey", ErrorCode::RECORD_FINISH_ON_KEY, is_key)
            .unwrap_or("1234567890*#")
            .to_owned();
        let length = a.integer(
            "maxLength",
            3600,
            2..=SECS_MAX,
            ErrorCode::RECORD_MAX_LENGTH,
        );
        let play_beep = a.flag("playBeep", true, ErrorCode::RECORD_PLAY_BEEP);
        let trim_silence = trims(a, true, ErrorCode::RECORD_TRIM);
        let recording = RecordingStatus::parse(a, ErrorCode::RECORD_METHOD);
        let wants_text = a.flag("transcribe", false, ErrorCode::RECORD_TRANSCRIBE);
        if wants_text || a.text("transcribeCallback").is_some() {
            let message = "transcription is not supported by this version".to_owned();
            a.warn(ErrorCode::NOT_SUPPORTED, message);
        }
        a.without_effect(&["recordingConfigurationId", "transcribeCallback"]);
        attributes.finish();
        report.no_children(element);
        Self {
            action: Link { url, method },
            timeout: Duration::from_secs(timeout.into()),
            finish_on_key,
            length_max: Duration::from_secs(length.into()),
            play_beep,
            trim_silence,
            recording,
        }
    }
}

const SECS_MAX: u32 = 86_400;
