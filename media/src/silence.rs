//! Placeholder: speech or not.

/// Tells speech from silence.
#[derive(Debug, Default)]
pub struct VoiceActivity;

impl VoiceActivity {
    /// A detector.
    pub fn new() -> Self {
        Self
    }

    /// Whether a frame of 20 ms at 8 kHz is speech.
    pub fn push(&mut self, frame: &[i16]) -> bool {
        let sum: i64 = frame.iter().map(|s| i64::from(*s).pow(2)).sum();
        sum > 200 * 200 * frame.len() as i64
    }
}
