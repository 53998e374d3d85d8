//! A file that a document names: GET without the parameters of the call, unsigned, and otherwise
//! under the rules of all requests: the guard at every hop, the gate, the URL's own overrides.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use url::Url;

use crate::ErrorCode;

use super::auth::Challenge;
use super::call::{REDIRECTS_MAX, retryable};
use super::classify::{Class, Failure};
use super::outgoing::random_token;
use super::phases::{ReadTimedOut, bounded};
use super::request::bare;
use super::{Client, Overrides, incoming};

/// One file to get.
pub(crate) struct Download<'d> {
    /// Where, with userinfo and connection overrides if it has them.
    pub(crate) url: &'d Url,
    /// What is known already.
    pub(crate) known: Option<&'d Validators>,
    /// Looks at the headers before the body is read.
    pub(crate) check: &'d (dyn Fn(&HeaderMap) -> Result<(), DownloadError> + Sync),
    /// The largest body after decompression.
    pub(crate) bytes_max: usize,
    /// The bound on everything.
    pub(crate) time_max: Duration,
}

/// What a server can be asked about an older reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validators {
    /// `ETag`.
    pub(crate) etag: Option<HeaderValue>,
    /// `Last-Modified`.
    pub(crate) last_modified: Option<HeaderValue>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Downloaded {
    /// The whole file.
    File { headers: HeaderMap, body: Bytes },
    /// What is known is still right.
    NotModified { headers: HeaderMap },
}

/// Why nothing came.
#[derive(Clone, Debug)]
pub(crate) struct DownloadError {
    /// The number.
    pub(crate) code: ErrorCode,
    /// What happened, without secrets.
    pub(crate) detail: String,
}

/// Where an attempt stands.
struct Hop {
    url: Url,
    redirects: u32,
    challenge: Option<Challenge>,
}

impl Client {
    /// Gets a file, with retries, redirects and challenges. Dropping the future cancels it.
    pub(crate) async fn download(&self, get: &Download<'_>) -> Result<Downloaded, DownloadError> {
        let (mut overrides, _) = Overrides::parse(get.url.fragment());
        overrides.read = overrides.read.min(get.time_max);
        let total = get.time_max;
        let done = tokio::time::timeout(total, self.download_attempts(get, &overrides)).await;
        match done {
            Ok(Ok(downloaded)) => Ok(downloaded),
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(DownloadError {
                code: ErrorCode::TOTAL_TIMEOUT,
                detail: format!("not done in {total:?}"),
            }),
        }
    }

    async fn download_attempts(
        &self,
        get: &Download<'_>,
        overrides: &Overrides,
    ) -> Result<Downloaded, Failure> {
        let mut retries = 0;
        loop {
            let failure = match self.download_once(get, overrides).await {
                Ok(downloaded) => return Ok(downloaded),
                Err(failure) => failure,
            };
            if retries == overrides.retries || !retryable(overrides.policy, failure.class) {
                return Err(failure);
            }
            retries += 1;
        }
    }

    /// One attempt: from the URL of the document through redirects and challenges to the file.
    async fn download_once(
        &self,
        get: &Download<'_>,
        overrides: &Overrides,
    ) -> Result<Downloaded, Failure> {
        let mut hop = Hop {
            url: get.url.clone(),
            redirects: 0,
            challenge: None,
        };
        loop {
            let _place = self.enter(&hop.url).await?;
            let request = hop.request(get.known);
            let sent = bounded(
                overrides.connect,
                overrides.read,
                self.http.execute(request),
            );
            let response = match sent.await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(Failure::of(&error)),
                Err(ReadTimedOut) => {
                    let detail = format!("no response within {:?}", overrides.read);
                    return Err(Failure::new(ErrorCode::TOTAL_TIMEOUT, Class::Read, detail));
                }
            };
            let (status, headers) = (response.status(), response.headers().clone());
            if status == StatusCode::UNAUTHORIZED && hop.take_challenge(&headers) {
                continue;
            }
            if incoming::is_redirect(status) {
                hop.follow(&headers)?;
                continue;
            }
            if status == StatusCode::NOT_MODIFIED && get.known.is_some() {
                return Ok(Downloaded::NotModified { headers });
            }
            if !status.is_success() {
                return Err(incoming::refused(status));
            }
            (get.check)(&headers)?;
            if declared(&headers).is_some_and(|length| length > get.bytes_max as u64) {
                let detail = format!("the file has more than {} bytes", get.bytes_max);
                return Err(Failure::fatal(ErrorCode::BODY_TOO_LARGE, detail));
            }
            let body = incoming::body_of(response, overrides.read, get.bytes_max).await?;
            return Ok(Downloaded::File { headers, body });
        }
    }
}

impl Hop {
    fn request(&mut self, known: Option<&Validators>) -> reqwest::Request {
        let mut request = reqwest::Request::new(Method::GET, bare(&self.url));
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("audio/*, */*;q=0.1"));
        if let Some(known) = known {
            let etag = known.etag.clone();
            headers.extend(etag.map(|value| (IF_NONE_MATCH, value)));
            let date = known.last_modified.clone();
            headers.extend(date.map(|value| (IF_MODIFIED_SINCE, value)));
        }
        let cnonce = random_token();
        let answer = self
            .challenge
            .as_mut()
            .and_then(|challenge| challenge.answer("GET", &self.url, &cnonce))
            .and_then(|answer| HeaderValue::from_str(&answer).ok());
        if let Some(mut answer) = answer {
            answer.set_sensitive(true);
            headers.insert(AUTHORIZATION, answer);
        }
        request
    }

    /// Takes a 401 that can be answered. Once a hop: a second one says that the answer was wrong.
    fn take_challenge(&mut self, headers: &HeaderMap) -> bool {
        let has_credentials = !self.url.username().is_empty() || self.url.password().is_some();
        if !has_credentials || self.challenge.is_some() {
            return false;
        }
        let headers = headers.get_all(WWW_AUTHENTICATE).iter();
        self.challenge = Challenge::choose(headers.filter_map(|value| value.to_str().ok()));
        self.challenge.is_some()
    }

    fn follow(&mut self, headers: &HeaderMap) -> Result<(), Failure> {
        if self.redirects == REDIRECTS_MAX {
            let detail = format!("more than {REDIRECTS_MAX} redirects");
            return Err(Failure::fatal(ErrorCode::TOO_MANY_REDIRECTS, detail));
        }
        self.url = incoming::redirect(&self.url, headers)?;
        self.redirects += 1;
        self.challenge = None;
        Ok(())
    }
}

impl Validators {
    /// The validators of a reply, if it has any.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let validators = Self {
            etag: headers.get(ETAG).cloned(),
            last_modified: headers.get(LAST_MODIFIED).cloned(),
        };
        (validators.etag.is_some() || validators.last_modified.is_some()).then_some(validators)
    }
}

impl From<Failure> for DownloadError {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            detail: failure.detail,
        }
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self::fatal(error.code, error.detail)
    }
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
