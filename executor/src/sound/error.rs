//! Why there is no sound.

use crate::webhook::DownloadError;
use crate::{ErrorCode, Location, Warning};

/// A failure with its public number.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code} {detail}")]
pub struct SoundError {
    /// The number.
    pub code: ErrorCode,
    /// What happened, as a sentence without secrets.
    pub detail: String,
}

impl SoundError {
    /// A failure.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// A failure of this program or of its surroundings, not of the application.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::INTERNAL, detail)
    }

    /// As a notice for the log and the console.
    pub fn into_warning(self, location: Option<Location>) -> Warning {
        Warning {
            code: self.code,
            message: self.detail,
            location,
        }
    }
}

impl From<DownloadError> for SoundError {
    fn from(error: DownloadError) -> Self {
        Self::new(error.code, error.detail)
    }
}
