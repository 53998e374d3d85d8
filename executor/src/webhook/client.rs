//! [`Client`]: what all requests share.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ipnet::IpNet;
use reqwest::redirect;
use url::Url;

use crate::{ErrorCode, Roots, Warning};

use super::breaker::{Breaker, Ticket};
use super::cache::Cache;
use super::call::Fetch;
use super::classify::Failure;
use super::gate::{Gate, Place};
use super::guard::Guard;
use super::phases::ConnectLayer;
use super::{
    BreakerConfig, CallContext, FetchError, Lookup, Overrides, Purpose, Reply, Request,
    SystemLookup, WebhookMeter, date,
};

/// Makes the requests of all calls. Clones share connections, cache and bounds.
#[derive(Clone)]
pub struct Client {
    with_sni: reqwest::Client,
    without_sni: reqwest::Client,
    guard: Guard,
    gate: Gate,
    breaker: Breaker,
    pub(super) cache: Cache,
}

/// The settings of a [`Client`].
#[derive(Clone)]
pub struct ClientConfig {
    /// Addresses that a webhook may have although they are not public.
    pub allow: Vec<IpNet>,
    /// Requests at a time to one host.
    pub host_running_max: usize,
    /// Requests that wait for one host; more fail at once.
    pub host_waiting_max: usize,
    /// When a server that fails is not asked any more.
    pub breaker: BreakerConfig,
    /// Looks host names up.
    pub lookup: Arc<dyn Lookup>,
    /// Who is believed to vouch for a server, besides the system's authorities.
    pub roots: Roots,
}

/// Why a [`Client`] cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct ClientError(#[from] reqwest::Error);

impl Client {
    /// A client. Installs `ring` as the process's TLS provider if there is none yet.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        // An error only says that a provider is installed already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let guard = Guard::new(config.allow, config.lookup);
        // Connections with and without the name in their handshake are never mixed up.
        let http = |sni: bool| {
            reqwest::Client::builder()
                .user_agent(concat!("Hookswitch/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .tls_sni(sni)
                .tls_certs_merge(config.roots.http()?)
                .dns_resolver(guard.clone())
                .connector_layer(ConnectLayer)
                .pool_max_idle_per_host(config.host_running_max)
                .pool_idle_timeout(IDLE)
                .build()
        };
        let gate = Gate::new(config.host_running_max, config.host_waiting_max);
        Ok(Self {
            with_sni: http(true)?,
            without_sni: http(false)?,
            guard,
            gate,
            breaker: Breaker::new(config.breaker),
            cache: Cache::default(),
        })
    }

    /// Makes a request, with all its retries, redirects and challenges, within 15 seconds.
    /// Dropping the future cancels it.
    ///
    /// # Errors
    ///
    /// A number, a sentence, and what was sent.
    pub async fn fetch(&self, request: &Request, call: &CallContext) -> Result<Reply, FetchError> {
        Fetch::new(self, request, call).run().await
    }

    /// Makes the request of a status callback, with its `Timestamp` if that kind has one. Its reply is ignored; a
    /// failure is a 15003 warning.
    pub async fn status_callback(&self, request: &Request, call: &CallContext) -> Option<Warning> {
        let mut request = request.clone();
        let now = SystemTime::now();
        let timestamp = match request.purpose {
            Purpose::PartialResult
            | Purpose::RecordingCallback
            | Purpose::TranscriptionCallback => None,
            Purpose::SiprecCallback | Purpose::StreamCallback => Some(date::iso8601(now)),
            _ => Some(date::rfc2822(now)),
        };
        let timestamp = timestamp.map(|text| ("Timestamp".to_owned(), text));
        request.params.extend(timestamp);
        let error = self.fetch(&request, call).await.err()?;
        Some(Warning::new(
            ErrorCode::STATUS_CALLBACK,
            format!("status callback failed: {error}"),
        ))
    }
}

impl Client {
    /// The HTTP client for a request with these overrides.
    pub(super) fn http(&self, overrides: &Overrides) -> &reqwest::Client {
        match overrides.server_name {
            true => &self.with_sni,
            false => &self.without_sni,
        }
    }

    /// Waits for a place among the requests to the host of a URL that may be asked at all, and is asked now.
    pub(super) async fn enter(&self, url: &Url) -> Result<(Place, Ticket), Failure> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Failure::fatal(
                ErrorCode::INVALID_URL,
                "it is no http or https URL",
            ));
        }
        if let Err(error) = self.guard.check(url) {
            return Err(Failure::fatal(ErrorCode::BAD_HOST, error.to_string()));
        }
        self.breaker.check(url, Instant::now())?;
        let host = url.host_str().unwrap_or_default();
        let place = self.gate.enter(host).await.map_err(|_| {
            Failure::fatal(
                ErrorCode::CONNECTION_FAILURE,
                "too many requests to this host are waiting",
            )
        })?;
        // It may have failed for those that were before.
        let ticket = self.breaker.admit(url, Instant::now())?;
        Ok((place, ticket))
    }

    /// What the breaker has done, to look at from any thread.
    pub fn meter(&self) -> WebhookMeter {
        WebhookMeter(self.breaker.clone())
    }

    /// The check of addresses, for connections that are no HTTP requests.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            host_running_max: 64,
            host_waiting_max: 1024,
            breaker: BreakerConfig::default(),
            lookup: Arc::new(SystemLookup::new()),
            roots: Roots::default(),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

/// Shorter than the 5 seconds after which common web servers close an idle connection: a request
/// that meets the closing one would fail, and is not repeated by default.
const IDLE: Duration = Duration::from_secs(4);
