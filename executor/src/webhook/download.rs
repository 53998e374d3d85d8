//! A file that a document names: GET without the parameters of the call, unsigned, and otherwise
//! under the rules of all requests: the guard at every hop, the gate, the URL's own overrides.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use url::Url;

use crate::ErrorCode;

use super::auth::Challenge;
use super::breaker::Ticket;
use super::call::{REDIRECTS_MAX, retryable};
use super::classify::{Class, Failure};
use super::incoming::Bounds;
use super::outgoing::random_token;
use super::phases::{ReadTimedOut, bounded};
use super::request::bare;
use super::{Client, Held, Overrides, Room, Validators, incoming};

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
    /// Where the body has to find room.
    pub(crate) room: &'d Room,
    /// The bound on everything.
    pub(crate) time_max: Duration,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Downloaded {
    /// The whole file.
    File {
        headers: HeaderMap,
        body: Bytes,
        /// The room that the body takes.
        held: Held,
        /// Whether it is what the URL names, and not only what it leads to this time: then the headers say
        /// nothing about the URL.
        lasting: bool,
    },
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
    /// A redirect that may lead elsewhere the next time was followed.
    moved: bool,
    challenge: Option<Challenge>,
}

impl Client {
    /// Gets a file, with retries, redirects and challenges. Dropping the future cancels it.
    pub(crate) async fn download(&self, get: &Download<'_>) -> Result<Downloaded, DownloadError> {
        let (mut overrides, _) = Overrides::parse(get.url.fragment());
        overrides.read = overrides.read.min(get.time_max);
        let total = get.time_max;
        let mut asking = None;
        let attempts = self.download_attempts(get, &overrides, &mut asking);
        let done = tokio::time::timeout(total, attempts).await;
        match done {
            Ok(Ok(downloaded)) => Ok(downloaded),
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => {
                let code = ErrorCode::TOTAL_TIMEOUT;
                if let Some(asking) = asking {
                    asking.failed(code, Instant::now());
                }
                let detail = format!("not done in {total:?}");
                Err(DownloadError { code, detail })
            }
        }
    }

    async fn download_attempts(
        &self,
        get: &Download<'_>,
        overrides: &Overrides,
        asking: &mut Option<Ticket>,
    ) -> Result<Downloaded, Failure> {
        let mut retries = 0;
        loop {
            let failure = match self.download_once(get, overrides, asking).await {
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
        asking: &mut Option<Ticket>,
    ) -> Result<Downloaded, Failure> {
        let mut hop = Hop {
            url: get.url.clone(),
            redirects: 0,
            moved: false,
            challenge: None,
        };
        loop {
            let (_place, ticket) = self.enter(&hop.url).await?;
            *asking = Some(ticket);
            let step = self.download_hop(get, overrides, &mut hop).await;
            if let Some(ticket) = asking.take() {
                ticket.judge(&step, Instant::now());
            }
            if let Some(downloaded) = step? {
                return Ok(downloaded);
            }
        }
    }

    /// One HTTP request; nothing if it has to be asked again, here or elsewhere.
    async fn download_hop(
        &self,
        get: &Download<'_>,
        overrides: &Overrides,
        hop: &mut Hop,
    ) -> Result<Option<Downloaded>, Failure> {
        // What is known is known about the URL, and not about where it leads this time.
        let known = get.known.filter(|_| !hop.moved);
        let sent = self.http(overrides).execute(hop.request(known));
        let response = match bounded(overrides.connect, overrides.read, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::of(&error)),
            Err(ReadTimedOut) => {
                let detail = format!("no response within {:?}", overrides.read);
                return Err(Failure::new(ErrorCode::TOTAL_TIMEOUT, Class::Read, detail));
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::UNAUTHORIZED && hop.take_challenge(&headers) {
            return Ok(None);
        }
        if incoming::is_redirect(status) {
            return hop.follow(status, &headers).map(|()| None);
        }
        if status == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Some(Downloaded::NotModified { headers }));
        }
        if !status.is_success() {
            return Err(incoming::refused(status));
        }
        (get.check)(&headers)?;
        if declared(&headers).is_some_and(|length| length > get.bytes_max as u64) {
            let detail = format!("the file has more than {} bytes", get.bytes_max);
            return Err(Failure::fatal(ErrorCode::BODY_TOO_LARGE, detail));
        }
        let mut held = get.room.hold();
        let bounds = Bounds {
            pause_max: overrides.read,
            bytes_max: get.bytes_max,
            held: Some(&mut held),
        };
        let body = incoming::body_of(response, bounds).await?;
        Ok(Some(Downloaded::File {
            headers,
            body,
            held,
            lasting: !hop.moved,
        }))
    }
}

impl Hop {
    fn request(&mut self, known: Option<&Validators>) -> reqwest::Request {
        let mut request = reqwest::Request::new(Method::GET, bare(&self.url));
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("audio/*, */*;q=0.1"));
        if let Some(known) = known {
            known.ask(headers);
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

    fn follow(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
        if self.redirects == REDIRECTS_MAX {
            let detail = format!("more than {REDIRECTS_MAX} redirects");
            return Err(Failure::fatal(ErrorCode::TOO_MANY_REDIRECTS, detail));
        }
        self.url = incoming::redirect(&self.url, headers)?;
        self.redirects += 1;
        // RFC 9110 §15.4: these two say where the URL is from now on, the others where it leads this time.
        let lasting = matches!(
            status,
            StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
        );
        self.moved |= !lasting;
        self.challenge = None;
        Ok(())
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
