//! A circuit breaker: a web server that fails again and again is not asked for a while, and whoever would ask
//! it learns so at once. The fallback URL then decides without a wait, and the server has time to recover.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use crate::ErrorCode;

use super::classify::{Failure, Verdict};

/// When a web server is not asked any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerConfig {
    /// Failures of a server in a row after which it is not asked: no connection, no response in time or a
    /// broken one, a 5xx. 0: it always is.
    pub failures_max: u32,
    /// How long it is not asked. Then one request is made, and decides whether the others may follow.
    pub pause: Duration,
}

/// What the breaker has done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WebhookCounters {
    /// Servers that are not asked now.
    pub open: u64,
    /// How many times a server was not asked any more.
    pub opened: u64,
    /// Requests that were not made for that reason.
    pub refused: u64,
}

/// Tells what the breaker has done, from any thread.
#[derive(Clone)]
pub struct WebhookMeter(pub(super) Breaker);

/// The servers that fail. Clones share them.
#[derive(Clone)]
pub(super) struct Breaker(Arc<Inner>);

struct Inner {
    config: BreakerConfig,
    /// By host and port. A server of which nothing bad is known has no row.
    servers: Mutex<HashMap<String, Server>>,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// A server whose last requests have failed.
struct Server {
    failures: u32,
    last: ErrorCode,
    /// When the last one failed.
    at: Instant,
    /// The request that decides whether it is asked again is under way.
    probing: bool,
}

/// A request that was let through. Dropped without a verdict, as that of a caller who has hung up, it says
/// nothing about the server.
#[must_use]
pub(super) struct Ticket {
    inner: Arc<Inner>,
    server: String,
    /// Whether it is the one that decides.
    probe: bool,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig) -> Self {
        Self(Arc::new(Inner {
            config,
            servers: Mutex::default(),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Refuses a request whose server is not asked now: the failure is the server's last.
    pub(super) fn check(&self, url: &Url, now: Instant) -> Result<(), Failure> {
        match self.0.servers().get(&name(url)) {
            Some(server) => self.0.check(server, now),
            None => Ok(()),
        }
    }

    /// The same for a request that is made now.
    pub(super) fn admit(&self, url: &Url, now: Instant) -> Result<Ticket, Failure> {
        let name = name(url);
        let mut probe = false;
        if let Some(server) = self.0.servers().get_mut(&name) {
            self.0.check(server, now)?;
            probe = self.0.is_open(server);
            server.probing = probe;
        }
        Ok(Ticket {
            inner: Arc::clone(&self.0),
            server: name,
            probe,
        })
    }
}

impl Inner {
    fn is_open(&self, server: &Server) -> bool {
        let max = self.config.failures_max;
        max > 0 && server.failures >= max
    }

    fn check(&self, server: &Server, now: Instant) -> Result<(), Failure> {
        let paused = now.saturating_duration_since(server.at) < self.config.pause;
        if !self.is_open(server) || !(paused || server.probing) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let detail = format!(
            "not asked: {} requests to this server failed",
            server.failures
        );
        Err(Failure::fatal(server.last, detail))
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<String, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The request came to an end.
    pub(super) fn judge<T>(self, result: &Result<T, Failure>, now: Instant) {
        match result {
            Ok(_) => self.answered(),
            Err(failure) => match failure.verdict() {
                Verdict::Answered => self.answered(),
                Verdict::Failed => self.failed(failure.code, now),
                Verdict::Unknown => {}
            },
        }
    }

    /// The server did not do its part.
    pub(super) fn failed(&self, code: ErrorCode, now: Instant) {
        let inner = &self.inner;
        let mut servers = inner.servers();
        if servers.len() >= SERVERS_MAX && !servers.contains_key(&self.server) {
            // What was long ago does not count any more.
            let memory = MEMORY.max(2 * inner.config.pause);
            servers.retain(|_, server| now.saturating_duration_since(server.at) < memory);
            if servers.len() >= SERVERS_MAX {
                return;
            }
        }
        let server = servers.entry(self.server.clone()).or_insert(Server {
            failures: 0,
            last: code,
            at: now,
            probing: false,
        });
        let was_open = inner.is_open(server);
        if was_open && !self.probe {
            // It was made before, and does not make the pause longer.
            return;
        }
        server.failures = server.failures.saturating_add(1);
        (server.last, server.at) = (code, now);
        if inner.is_open(server) && !was_open {
            inner.opened.fetch_add(1, Ordering::Relaxed);
            let (server, code) = (&self.server, code.number());
            tracing::warn!(%server, code, "a web server fails: it is not asked for a while");
        }
    }

    fn answered(&self) {
        let known = self.inner.servers().remove(&self.server);
        if known.is_some_and(|known| self.inner.is_open(&known)) {
            tracing::info!(server = %self.server, "a web server is asked again");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probe
            && let Some(server) = self.inner.servers().get_mut(&self.server)
        {
            server.probing = false;
        }
    }
}

impl WebhookMeter {
    /// What there is to tell.
    pub fn read(&self) -> WebhookCounters {
        let inner = &self.0.0;
        let servers = inner.servers();
        WebhookCounters {
            open: servers
                .values()
                .filter(|server| inner.is_open(server))
                .count() as u64,
            opened: inner.opened.load(Ordering::Relaxed),
            refused: inner.refused.load(Ordering::Relaxed),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures_max: 10,
            pause: Duration::from_secs(5),
        }
    }
}

impl std::fmt::Debug for WebhookMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WebhookMeter").field(&self.read()).finish()
    }
}

fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}")
}

/// More failing servers at a time than a node has customers; what comes beyond is asked every time.
const SERVERS_MAX: usize = 10_000;
/// How long failures are remembered when the table is full.
const MEMORY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::super::classify::Class;
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn breaker(failures_max: u32) -> Breaker {
        Breaker::new(BreakerConfig {
            failures_max,
            pause: PAUSE,
        })
    }

    fn url(host: &str) -> Url {
        Url::parse(&format!("http://{host}/path")).unwrap()
    }

    fn fail(breaker: &Breaker, host: &str, now: Instant) {
        let ticket = breaker.admit(&url(host), now).ok().unwrap();
        ticket.failed(ErrorCode::CONNECT_REFUSED, now);
    }

    fn counters(breaker: &Breaker) -> [u64; 3] {
        let WebhookCounters {
            open,
            opened,
            refused,
        } = WebhookMeter(breaker.clone()).read();
        [open, opened, refused]
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_request_closes_it() {
        let (breaker, began) = (breaker(3), Instant::now());
        for _ in 0..5 {
            fail(&breaker, "a", began);
            fail(&breaker, "a", began);
            let good: Result<(), Failure> = Ok(());
            breaker
                .admit(&url("a"), began)
                .ok()
                .unwrap()
                .judge(&good, began);
        }
        assert_eq!(counters(&breaker), [0, 0, 0]);
        let late = breaker.admit(&url("a"), began).ok().unwrap();
        for _ in 0..3 {
            fail(&breaker, "a", began);
        }
        let refused = breaker.admit(&url("a"), began).err().unwrap();
        assert_eq!(refused.code, ErrorCode::CONNECT_REFUSED);
        assert_eq!(refused.class, Class::Final);
        assert!(breaker.check(&url("a"), began + PAUSE / 2).is_err());
        // Another port is another server, and so is another host.
        assert!(breaker.check(&url("a:81"), began).is_ok());
        assert!(breaker.admit(&url("b"), began).is_ok());
        assert_eq!(counters(&breaker), [1, 1, 2]);
        // One that was under way when it opened does not make the pause longer.
        late.failed(ErrorCode::TOTAL_TIMEOUT, began + PAUSE / 2);

        let later = began + PAUSE;
        assert!(breaker.check(&url("a"), later).is_ok());
        let probe = breaker.admit(&url("a"), later).ok().unwrap();
        assert!(breaker.admit(&url("a"), later).is_err());
        // A caller who hangs up leaves the decision to the next.
        drop(probe);
        let probe = breaker.admit(&url("a"), later).ok().unwrap();
        probe.failed(ErrorCode::TOTAL_TIMEOUT, later);
        drop(probe);
        let refused = breaker.admit(&url("a"), later + PAUSE / 2).err().unwrap();
        assert_eq!(refused.code, ErrorCode::TOTAL_TIMEOUT);
        let probe = breaker.admit(&url("a"), later + PAUSE).ok().unwrap();
        let missing: Result<(), _> = Err(Failure::new(
            ErrorCode::HTTP_RETRIEVAL,
            Class::ClientError,
            "status 404",
        ));
        probe.judge(&missing, later + PAUSE);
        assert_eq!(counters(&breaker), [0, 1, 4]);
        fail(&breaker, "a", later + PAUSE);
        assert!(breaker.admit(&url("a"), later + PAUSE).is_ok());
    }

    #[test]
    fn a_breaker_of_zero_never_opens() {
        let (breaker, now) = (breaker(0), Instant::now());
        for _ in 0..100 {
            fail(&breaker, "a", now);
        }
        assert_eq!(counters(&breaker), [0, 0, 0]);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_was_long_ago() {
        let (breaker, began) = (breaker(1), Instant::now());
        for number in 0..SERVERS_MAX {
            fail(&breaker, &format!("host-{number}"), began);
        }
        fail(&breaker, "one-more", began);
        assert_eq!(breaker.0.servers().len(), SERVERS_MAX);
        assert!(breaker.admit(&url("one-more"), began).is_ok());
        fail(&breaker, "one-more", began + MEMORY);
        assert_eq!(breaker.0.servers().len(), 1);
        assert!(breaker.admit(&url("one-more"), began + MEMORY).is_err());
    }
}
