//! Recordings.

use std::path::PathBuf;
use std::time::Duration;

/// How to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordSpec {
    /// The WAV file to write; its folder is there, and it itself is not, or is overwritten.
    pub path: PathBuf,
    /// Ends when the peer has been silent for so long, also before it has ever spoken.
    pub silence: Option<Duration>,
    /// Keys that end it.
    pub finish_on: String,
    /// Ends when it is as long as this.
    pub max: Duration,
    /// Play a beep to the peer first; what comes before its end is not recorded.
    pub beep: bool,
    /// Leave out the silence before the first and after the last words.
    pub trim: bool,
    /// Whose voice.
    pub what: RecordTracks,
}

impl RecordSpec {
    /// Records what the peer says until it is stopped, or for an hour.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            silence: None,
            finish_on: String::new(),
            max: Duration::from_secs(3600),
            beep: false,
            trim: false,
            what: RecordTracks::Inbound,
        }
    }
}

/// Whose voice is recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RecordTracks {
    /// What the peer says and hears, mixed.
    Both,
    /// What the peer says on the first channel, what it hears on the second.
    Dual,
    /// What the peer says.
    #[default]
    Inbound,
    /// What the peer hears.
    Outbound,
}
