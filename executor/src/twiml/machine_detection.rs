//! Whether it is told who has answered: the attributes of `<Number>` and `<Sip>` for it.

use std::time::Duration;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;

/// What is to be found out about who has answered, and where it is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MachineDetection {
    /// Whether the end of a machine's greeting is waited for (`DetectMessageEnd`).
    pub message_end: bool,
    /// When it is given up.
    pub timeout: Duration,
    /// A greeting that is longer is a machine's.
    pub speech: Duration,
    /// A pause that is longer ends a greeting.
    pub speech_end: Duration,
    /// Nobody speaks for so long.
    pub silence: Duration,
    /// Told who has answered.
    pub callback: Link,
}

impl MachineDetection {
    /// `None`: nobody asks, or nobody would be told.
    pub(super) fn parse(attributes: &mut Attributes<'_, '_>) -> Option<Self> {
        let code = ErrorCode::SCHEMA;
        let mut millis = |name, default, range| {
            let millis = attributes.integer(name, default, range, code);
            Duration::from_millis(millis.into())
        };
        let speech = millis("machineDetectionSpeechThreshold", 2400, 1000..=6000);
        let speech_end = millis("machineDetectionSpeechEndThreshold", 1200, 500..=5000);
        let silence = millis("machineDetectionSilenceTimeout", 5000, 2000..=10_000);
        let seconds = attributes.integer("machineDetectionTimeout", 30, 3..=60, code);
        let callback = attributes.callback("amdStatusCallback", "amdStatusCallbackMethod", code);
        let kind = attributes.text_if("machineDetection", code, |kind| {
            matches!(kind, "Enable" | "DetectMessageEnd")
        })?;
        let Some(callback) = callback else {
            let message = "machineDetection without amdStatusCallback: nobody is told".to_owned();
            attributes.warn(code, message);
            return None;
        };
        Some(Self {
            message_end: kind == "DetectMessageEnd",
            timeout: Duration::from_secs(seconds.into()),
            speech,
            speech_end,
            silence,
            callback,
        })
    }
}
