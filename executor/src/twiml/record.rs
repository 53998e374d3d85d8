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
    /// Whether the recording is written down, and who is told the text.
    pub transcription: Option<Transcription>,
}

/// `transcribe`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transcription {
    /// `transcribeCallback`: gets the text by POST. Without one it is in the call's log.
    pub callback: Option<Link>,
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
        let transcription = Transcription::parse(a);
        let length = length(a, transcription.is_some());
        let play_beep = a.flag("playBeep", true, ErrorCode::RECORD_PLAY_BEEP);
        let trim_silence = trims(a, true, ErrorCode::RECORD_TRIM);
        let recording = RecordingStatus::parse(a, ErrorCode::RECORD_METHOD);
        a.without_effect(&["recordingConfigurationId"]);
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
            transcription,
        }
    }
}

impl Transcription {
    /// `transcribe`, which a callback stands for as well. The callback has no method: it is a POST.
    fn parse(attributes: &mut Attributes<'_, '_>) -> Option<Self> {
        let url = attributes.text("transcribeCallback").map(str::trim);
        let callback = url.filter(|url| !url.is_empty()).map(|url| Link {
            url: url.to_owned(),
            ..Link::default()
        });
        let code = ErrorCode::RECORD_TRANSCRIBE;
        let wanted = attributes.flag("transcribe", callback.is_some(), code);
        wanted.then_some(Self { callback })
    }
}

/// `maxLength`. What is to be written down is short, and has another default.
fn length(attributes: &mut Attributes<'_, '_>, is_transcribed: bool) -> u32 {
    let default = if is_transcribed {
        TRANSCRIBED_SECS_MAX
    } else {
        3600
    };
    let code = ErrorCode::RECORD_MAX_LENGTH;
    let length = attributes.integer("maxLength", default, 2..=SECS_MAX, code);
    if is_transcribed && length > TRANSCRIBED_SECS_MAX {
        let message = format!(
            "{length} s is too long to be transcribed: <Record> ends after {TRANSCRIBED_SECS_MAX}"
        );
        attributes.warn(ErrorCode::RECORD_TRANSCRIBE_LENGTH, message);
        return TRANSCRIBED_SECS_MAX;
    }
    length
}

const SECS_MAX: u32 = 86_400;
/// What is longer is not transcribed.
const TRANSCRIBED_SECS_MAX: u32 = 120;
