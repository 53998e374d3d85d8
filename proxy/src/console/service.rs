//! The console on a socket: HTTP/1.1 by pingora, with a bound on everything that a client controls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;

use super::http::Console;

impl Console {
    /// The service that answers at `address`, to be added to a pingora server.
    pub fn service(self, address: SocketAddr) -> Service<ConsoleApp> {
        let mut service = Service::new("console".to_owned(), ConsoleApp::new(self));
        service.add_tcp(&address.to_string());
        service.threads = Some(1);
        service
    }
}

/// Speaks HTTP for a [`Console`].
#[derive(Debug)]
pub struct ConsoleApp {
    console: Console,
    open: AtomicUsize,
}

impl ConsoleApp {
    /// The application for one console.
    pub fn new(console: Console) -> Self {
        Self {
            console,
            open: AtomicUsize::new(0),
        }
    }

    /// One request and its response; the connection, if it can be used again.
    async fn exchange(
        &self,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.set_read_timeout(Some(READ_TIMEOUT));
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        session.set_total_drain_timeout(Some(READ_TIMEOUT));
        // Also bounds how long a connection may stay idle, and a header that drips in.
        match tokio::time::timeout(REQUEST_TIMEOUT, session.read_request()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false) | Err(_)) | Err(_) => return None,
        }
        let request = session.req_header();
        let has_body = !matches!(request.method, Method::GET | Method::HEAD);
        let keeps_alive = !has_body && !*shutdown.borrow();
        session.set_keepalive(keeps_alive.then_some(KEEPALIVE_SECONDS));

        let (parts, body) = self.console.answer(session.req_header()).into_parts();
        session
            .write_response_header(Box::new(parts.into()))
            .await
            .ok()?;
        if session.req_header().method != Method::HEAD {
            session.write_response_body(body.into(), true).await.ok()?;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

#[async_trait]
impl HttpServerApp for ConsoleApp {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let _place = Place::take(&self.open)?;
        self.exchange(session, shutdown).await
    }
}

/// One of the connections that may be open at a time.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(open: &'a AtomicUsize) -> Option<Self> {
        let place = Self(open);
        (open.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that are served at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 128;
/// How long a connection waits for its next request.
const KEEPALIVE_SECONDS: u64 = 30;
/// How long a whole request header may take, idle time included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);
/// How long a read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
