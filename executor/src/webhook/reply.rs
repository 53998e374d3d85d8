//! What a webhook answered, or why it did not.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::{ErrorCode, Warning};

use super::Method;

/// A successful answer: status 2xx.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The final URL, after redirects, without the call's parameters: the base of relative URLs.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// The `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// The body after decompression, at most 64 KiB.
    pub body: Bytes,
    /// What was odd about the request, such as an invalid connection override.
    pub warnings: Vec<Warning>,
    /// What was sent and how it went, for the log and the console.
    pub exchange: Exchange,
}

/// Why there is no reply.
#[derive(Clone, Debug)]
pub struct FetchError {
    /// The number, as in the `ErrorCode` parameter of the fallback request.
    pub code: ErrorCode,
    /// What happened, without secrets.
    pub detail: String,
    /// What was odd about the request before it failed.
    pub warnings: Vec<Warning>,
    /// What was sent and how it went, for the log and the console.
    pub exchange: Exchange,
}

/// One request as it went over the wire, over all its attempts and redirects.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The configured URL, without password and fragment.
    pub url: String,
    /// The method of the first attempt.
    pub method: Method,
    /// All parameters that were sent, in order.
    pub params: Vec<(String, String)>,
    /// How many HTTP requests were made.
    pub requests: u32,
    /// The last status that was seen.
    pub status: Option<u16>,
    /// How long it took altogether.
    pub elapsed: Duration,
}

impl Reply {
    /// A reply made by hand, for tests and for documents that come from the configuration.
    pub fn new(url: Url, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            url,
            status: 200,
            content_type: Some(content_type.to_owned()),
            body: body.into(),
            warnings: Vec::new(),
            exchange: Exchange::default(),
        }
    }
}

impl FetchError {
    /// An error made by hand, for a request that was never sent.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            warnings: Vec::new(),
            exchange: Exchange::default(),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.detail)
    }
}

impl std::error::Error for FetchError {}
