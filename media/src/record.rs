//! Recordings.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::RecordEnd;

/// How to record.
#[derive(Clone, Debug)]
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
    /// Who keeps account of the file.
    pub keeper: Option<Arc<dyn RecordKeeper>>,
}

/// Keeps account of the file of a recording. It is called on the thread that writes files, first
/// [`begins`](Self::begins) and then [`ended`](Self::ended), and may write files of its own; while
/// it does, the sound of all recordings waits in the queue of that thread.
pub trait RecordKeeper: fmt::Debug + Send + Sync {
    /// The file is about to be made.
    ///
    /// # Errors
    ///
    /// It is not made, and the recording ends with
    /// [`RecordReason::Failed`](crate::RecordReason::Failed).
    fn begins(&self) -> io::Result<()>;

    /// The recording is over, its file complete unless it failed; what is told of it is told
    /// after this.
    ///
    /// # Errors
    ///
    /// It is told as one that failed.
    fn ended(&self, end: &RecordEnd) -> io::Result<()>;
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
            keeper: None,
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
