//! What the adapters of HTTP services share.
//!
//! Their URLs are the operator's own, so the guard against private addresses does not apply; nor
//! are redirects followed, which would send a caller's voice elsewhere.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use reqwest::redirect;

use crate::Roots;

use super::SoundError;

/// A client for services of the operator.
pub(super) fn client(roots: &Roots) -> Result<reqwest::Client, reqwest::Error> {
    // An error only says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .user_agent(concat!("Hookswitch/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .tls_certs_merge(roots.http()?)
        .connect_timeout(CONNECT_WITHIN)
        .build()
}

/// The type and the body of a 200, within a bound.
pub(super) async fn body(
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<(Option<String>, Bytes), SoundError> {
    let status = response.status();
    if !status.is_success() {
        return Err(SoundError::internal(format!(
            "the service answered {status}"
        )));
    }
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > bytes_max {
            let detail = format!("the service sent more than {bytes_max} bytes");
            return Err(SoundError::internal(detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((content_type, body.freeze()))
}

/// The URL is left out: it may hold a secret.
pub(super) fn failed(error: reqwest::Error) -> SoundError {
    let error = error.without_url();
    let mut root: &dyn std::error::Error = &error;
    while let Some(source) = root.source() {
        root = source;
    }
    SoundError::internal(format!("the service cannot be asked: {root}"))
}

/// A service that takes longer for its handshakes is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
