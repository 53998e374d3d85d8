//! One fetch: attempts, and in each attempt redirects and challenges.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE, WWW_AUTHENTICATE};
use url::Url;

use crate::{ErrorCode, Warning};

use super::auth::Challenge;
use super::breaker::Ticket;
use super::classify::{Class, Failure};
use super::outgoing::{Outgoing, random_token};
use super::phases::{ReadTimedOut, bounded};
use super::request::shown;
use super::{
    CallContext, Client, Exchange, FetchError, Method, Overrides, Reply, Request, RetryPolicy,
    call_params, incoming,
};

/// Most cookies that one response sets.
const COOKIES_MAX: usize = 16;
/// Most redirects (11215).
pub(super) const REDIRECTS_MAX: u32 = 10;
/// The bound on everything, whatever the overrides say.
const TOTAL_MAX: Duration = Duration::from_secs(15);

/// One request of a run, over all its attempts.
pub(super) struct Fetch<'f> {
    client: &'f Client,
    call: &'f CallContext,
    request: &'f Request,
    overrides: Overrides,
    warnings: Vec<Warning>,
    params: Vec<(String, String)>,
    /// The same on all attempts, so that the application can tell a repetition.
    token: String,
    exchange: Exchange,
    /// The request that is under way.
    asking: Option<Ticket>,
}

/// Where an attempt stands.
struct Hop {
    /// With userinfo, without the call's parameters.
    url: Url,
    method: Method,
    redirects: u32,
    challenged: bool,
}

/// What one HTTP response means.
enum Step {
    Done(Box<Reply>),
    Again,
}

impl<'f> Fetch<'f> {
    pub(super) fn new(client: &'f Client, request: &'f Request, call: &'f CallContext) -> Self {
        let (overrides, warnings) = Overrides::parse(request.url.fragment());
        let params = call_params(request, call);
        let exchange = Exchange {
            url: shown(&request.url),
            method: request.method,
            params: params.clone(),
            ..Exchange::default()
        };
        Self {
            client,
            call,
            request,
            overrides,
            warnings,
            params,
            token: random_token(),
            exchange,
            asking: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Reply, FetchError> {
        let began = Instant::now();
        let total = self.overrides.total.min(TOTAL_MAX);
        let result = match tokio::time::timeout(total, self.attempts()).await {
            Ok(result) => result,
            Err(_) => {
                let code = ErrorCode::TOTAL_TIMEOUT;
                if let Some(asking) = self.asking.take() {
                    asking.failed(code, Instant::now());
                }
                Err(Failure::fatal(code, format!("not done in {total:?}")))
            }
        };
        self.exchange.elapsed = began.elapsed();
        match result {
            Ok(mut reply) => {
                reply.warnings = self.warnings;
                reply.exchange = self.exchange;
                Ok(*reply)
            }
            Err(Failure { code, detail, .. }) => Err(FetchError {
                code,
                detail,
                warnings: self.warnings,
                exchange: self.exchange,
            }),
        }
    }

    async fn attempts(&mut self) -> Result<Box<Reply>, Failure> {
        let mut retries = 0;
        loop {
            let failure = match self.attempt().await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            if retries == self.overrides.retries || !retryable(self.overrides.policy, failure.class)
            {
                return Err(failure);
            }
            retries += 1;
        }
    }

    /// One attempt: from the configured URL through its redirects and challenges to a reply.
    async fn attempt(&mut self) -> Result<Box<Reply>, Failure> {
        let mut hop = Hop {
            url: self.request.url.clone(),
            method: self.request.method,
            redirects: 0,
            challenged: false,
        };
        loop {
            let (place, ticket) = self.client.enter(&hop.url).await?;
            self.asking = Some(ticket);
            let step = self.exchange_once(&mut hop).await;
            if let Some(ticket) = self.asking.take() {
                ticket.judge(&step, Instant::now());
            }
            drop(place);
            if let Step::Done(reply) = step? {
                return Ok(reply);
            }
        }
    }

    /// One HTTP request and what its response means.
    async fn exchange_once(&mut self, hop: &mut Hop) -> Result<Step, Failure> {
        let outgoing = Outgoing {
            call: self.call,
            url: &hop.url,
            method: hop.method,
            params: &self.params,
            token: &self.token,
        };
        let wire = outgoing.wire_url();
        let cached = match hop.method {
            Method::Get => self.client.cache.find(wire.as_str()),
            Method::Post => None,
        };
        let request = outgoing.build(&wire, cached.as_ref())?;
        self.exchange.requests += 1;
        let (connect, read) = (self.overrides.connect, self.overrides.read);
        let http = self.client.http(&self.overrides);
        let response = match bounded(connect, read, http.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::of(&error)),
            Err(ReadTimedOut) => {
                let detail = format!("no response within {read:?}");
                return Err(Failure::new(ErrorCode::TOTAL_TIMEOUT, Class::Read, detail));
            }
        };
        let status = response.status();
        self.exchange.status = Some(status.as_u16());
        self.keep_cookies(response.headers(), &wire);
        match status {
            StatusCode::UNAUTHORIZED if self.take_challenge(hop, response.headers()) => {
                Ok(Step::Again)
            }
            StatusCode::NOT_MODIFIED if cached.is_some() => {
                let (body, content_type) = cached
                    .map(|cached| (cached.body, cached.content_type))
                    .unwrap_or_default();
                Ok(Step::Done(Box::new(self.reply(
                    hop,
                    200,
                    content_type,
                    body,
                ))))
            }
            _ if incoming::is_redirect(status) => {
                self.follow(hop, response.headers()).map(|()| Step::Again)
            }
            _ if status.is_success() => self.take_body(hop, &wire, response).await,
            _ => Err(incoming::refused(status)),
        }
    }

    fn keep_cookies(&self, headers: &HeaderMap, url: &Url) {
        for header in headers.get_all(SET_COOKIE).iter().take(COOKIES_MAX) {
            if let Ok(header) = header.to_str() {
                self.call.session.set_cookie(header, url);
            }
        }
    }

    /// Takes a 401 that can be answered. Once a hop: a second one says that the answer was wrong.
    fn take_challenge(&self, hop: &mut Hop, headers: &HeaderMap) -> bool {
        let has_credentials = !hop.url.username().is_empty() || hop.url.password().is_some();
        if !has_credentials || hop.challenged {
            return false;
        }
        let headers = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let Some(challenge) = Challenge::choose(headers) else {
            return false;
        };
        self.call.session.challenged(&hop.url, challenge);
        hop.challenged = true;
        true
    }

    /// RFC 9110 §15.4: 307 and 308 keep the method, the others become GET.
    fn follow(&self, hop: &mut Hop, headers: &HeaderMap) -> Result<(), Failure> {
        let status = self.exchange.status.unwrap_or_default();
        if hop.redirects == REDIRECTS_MAX {
            let detail = format!("more than {REDIRECTS_MAX} redirects");
            return Err(Failure::fatal(ErrorCode::TOO_MANY_REDIRECTS, detail));
        }
        let target = incoming::redirect(&hop.url, headers)?;
        if !matches!(status, 307 | 308) {
            hop.method = Method::Get;
        }
        hop.url = target;
        hop.redirects += 1;
        hop.challenged = false;
        Ok(())
    }

    async fn take_body(
        &self,
        hop: &Hop,
        wire: &Url,
        response: reqwest::Response,
    ) -> Result<Step, Failure> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let ignored =
            self.request.purpose.is_callback() || incoming::is_audio(content_type.as_deref());
        let body = if ignored {
            Bytes::new()
        } else {
            incoming::body(response, self.overrides.read).await?
        };
        if hop.method == Method::Get && !ignored {
            self.client
                .cache
                .keep(wire.as_str(), &headers, content_type.as_deref(), &body);
        }
        Ok(Step::Done(Box::new(self.reply(
            hop,
            status,
            content_type,
            body,
        ))))
    }

    fn reply(&self, hop: &Hop, status: u16, content_type: Option<String>, body: Bytes) -> Reply {
        Reply {
            url: hop.url.clone(),
            status,
            content_type,
            body,
            warnings: Vec::new(),
            exchange: Exchange::default(),
        }
    }
}

pub(super) fn retryable(policy: RetryPolicy, class: Class) -> bool {
    match class {
        Class::ClientError => policy.client_errors,
        Class::Connect => policy.connect,
        Class::Final => false,
        Class::Read => policy.read,
        Class::ServerError => policy.server_errors,
    }
}
