//! One HTTP response as it comes in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, LOCATION};
use url::Url;

use crate::ErrorCode;

use super::Held;
use super::classify::{Class, Failure};
use super::outgoing::copy_userinfo;
use super::request::bare;

/// Largest body after decompression (11750).
const BODY_BYTES_MAX: usize = crate::twiml::BODY_BYTES_MAX;

/// Reads the body of a document.
pub(super) async fn body(
    response: reqwest::Response,
    pause_max: Duration,
) -> Result<Bytes, Failure> {
    let bounds = Bounds {
        pause_max,
        bytes_max: BODY_BYTES_MAX,
        held: None,
    };
    body_of(response, bounds).await
}

/// The bounds on a body.
pub(super) struct Bounds<'b> {
    /// The time between two packets.
    pub(super) pause_max: Duration,
    /// Its size after decompression.
    pub(super) bytes_max: usize,
    /// The room that it has to find among others.
    pub(super) held: Option<&'b mut Held>,
}

/// Reads a body, bounded after its decompression. From here on nothing is repeated.
pub(super) async fn body_of(
    mut response: reqwest::Response,
    bounds: Bounds<'_>,
) -> Result<Bytes, Failure> {
    let Bounds {
        pause_max,
        bytes_max,
        mut held,
    } = bounds;
    let mut body = BytesMut::new();
    loop {
        let chunk = match tokio::time::timeout(pause_max, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Err(error)) => {
                let Failure { code, detail, .. } = Failure::of(&error);
                return Err(Failure::fatal(code, detail));
            }
            Err(_) => {
                let detail = format!("the body paused for {pause_max:?}");
                return Err(Failure::fatal(ErrorCode::TOTAL_TIMEOUT, detail));
            }
        };
        if body.len() + chunk.len() > bytes_max {
            let detail = format!("the body has more than {bytes_max} bytes");
            return Err(Failure::fatal(ErrorCode::BODY_TOO_LARGE, detail));
        }
        if let Some(held) = &mut held
            && held.grow(chunk.len()).is_err()
        {
            let detail = "too many files are being fetched";
            return Err(Failure::fatal(ErrorCode::INTERNAL, detail));
        }
        body.extend_from_slice(&chunk);
    }
}

/// Where a redirect leads. Credentials go along within the origin only; the overrides in the
/// fragment always do (RFC 9110 §10.2.2).
pub(super) fn redirect(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let target = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| bare(from).join(location).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut target) = target else {
        let detail = "the Location is no http URL";
        return Err(Failure::fatal(ErrorCode::INVALID_REDIRECT, detail));
    };
    target.set_fragment(from.fragment());
    if target.origin() == from.origin() && target.username().is_empty() {
        copy_userinfo(from, &mut target);
    }
    Ok(target)
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A status that is neither success nor a redirect.
pub(super) fn refused(status: StatusCode) -> Failure {
    let class = if status.is_client_error() {
        Class::ClientError
    } else if status.is_server_error() {
        Class::ServerError
    } else {
        Class::Final
    };
    Failure::new(ErrorCode::HTTP_RETRIEVAL, class, format!("status {status}"))
}

/// Whether a reply is a sound file, whose body is fetched by whoever plays it.
pub(super) fn is_audio(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("audio/")
    })
}
