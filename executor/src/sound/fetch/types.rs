//! Which types of files are sounds.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::ErrorCode;
use crate::webhook::DownloadError;

/// The types that `<Play>` takes.
const TYPES: &[&str] = &[
    "audio/aiff",
    "audio/basic",
    "audio/gsm",
    "audio/mp3",
    "audio/mpeg",
    "audio/mulaw",
    "audio/ulaw",
    "audio/vnd.wave",
    "audio/wav",
    "audio/wave",
    "audio/x-aifc",
    "audio/x-aiff",
    "audio/x-gsm",
    "audio/x-wav",
];

/// Refuses what is no sound (13420), before its body is read.
pub(super) fn check(headers: &HeaderMap) -> Result<(), DownloadError> {
    let declared = of(headers);
    let plain = declared.as_deref().unwrap_or_default();
    if TYPES.contains(&plain) {
        return Ok(());
    }
    let detail = match declared {
        Some(other) => {
            let shown: String = other.chars().take(60).collect();
            format!("the file is {shown:?}, which is no sound that can be played")
        }
        None => "the file has no Content-Type".to_owned(),
    };
    Err(DownloadError {
        code: ErrorCode::PLAY_CONTENT_TYPE,
        detail,
    })
}

/// The type without parameters, in lower case.
pub(super) fn of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let plain = value.split(';').next().unwrap_or_default();
    Some(plain.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_sounds_pass() {
        let check = |value: &'static str| {
            let header = (CONTENT_TYPE, HeaderValue::from_static(value));
            check(&HeaderMap::from_iter([header])).is_ok()
        };
        for sound in ["audio/mpeg", "Audio/X-Wav; rate=8000", "audio/basic"] {
            assert!(check(sound), "{sound}");
        }
        for other in ["text/html", "audio/ogg", "application/octet-stream", ""] {
            assert!(!check(other), "{other}");
        }
        assert!(super::check(&HeaderMap::new()).is_err());
    }
}
