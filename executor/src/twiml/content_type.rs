//! What a `Content-Type` says about a reply.

/// How a body is to be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// A sound file: play it, then hang up.
    Audio,
    /// TwiML if it parses, otherwise a text to speak.
    Text,
    /// TwiML.
    Twiml,
}

/// Reads the type, ignoring parameters and case. `None`: none was sent, or it is another one.
pub(super) fn of(content_type: Option<&str>) -> Option<Content> {
    let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/xml" | "application/xml" | "text/html" => Some(Content::Twiml),
        "text/plain" => Some(Content::Text),
        _ if essence.starts_with("audio/") => Some(Content::Audio),
        _ => None,
    }
}
