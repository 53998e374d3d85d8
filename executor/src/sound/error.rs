//! Why there is no sound.

use crate::ErrorCode;
use crate::webhook::DownloadError;

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
}

impl From<DownloadError> for SoundError {
    fn from(error: DownloadError) -> Self {
        Self::new(error.code, error.detail)
    }
}
