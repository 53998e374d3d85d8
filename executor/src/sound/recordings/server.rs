//! The web server of recordings.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::settings::Domains;

use super::body::Never;
use super::respond::Responder;
use super::store::Recordings;

/// Hands recordings out: `GET`, `HEAD` and `DELETE` of
/// `/2010-04-01/Accounts/{AC…}/Recordings/{RE…}`, with `.wav`, `.mp3` or `.json` behind it or nothing.
///
/// It speaks HTTP/1.1 without TLS: that is for the proxy in front of it.
#[derive(Debug)]
pub struct RecordingServer {
    recordings: Recordings,
    domains: Domains,
    listener: StdListener,
    address: SocketAddr,
}

impl RecordingServer {
    /// Binds the address of the settings; `None` if they have none. Needs no runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn bind(recordings: &Recordings, domains: &Domains) -> io::Result<Option<Self>> {
        let Some(listen) = recordings.config().listen else {
            return Ok(None);
        };
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        recordings.served_at(address);
        Ok(Some(Self {
            recordings: recordings.clone(),
            domains: domains.clone(),
            listener,
            address,
        }))
    }

    /// Where it listens, with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves, until the future is dropped; that ends all connections.
    ///
    /// # Errors
    ///
    /// There is no runtime to serve on.
    pub async fn run(self) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let responder = Responder::new(self.recordings.clone(), self.domains);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                accepted = accept(&listener, &places) => {
                    let (stream, place) = accepted;
                    let responder = responder.clone();
                    connections.spawn(async move {
                        let _place = place;
                        let served = serve(stream, responder);
                        // A connection that is too slow has had its time.
                        tokio::time::timeout(CONNECTION_MAX, served).await.ok();
                    });
                }
                Some(_) = connections.join_next() => {}
                _ = sweep.tick() => {
                    let recordings = self.recordings.clone();
                    tokio::task::spawn_blocking(move || recordings.sweep()).await.ok();
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(places).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "the recording server cannot accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, responder: Responder) {
    let service = service_fn(move |request: Request<Incoming>| {
        let responder = responder.clone();
        async move {
            let (parts, _body) = request.into_parts();
            Ok::<_, Never>(responder.answer(&parts).await)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the recording server ended");
    }
}

const CONNECTIONS_MAX: usize = 128;
/// For all requests of one connection.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(100);
/// How often what is too old is deleted, besides when recordings begin and end.
const SWEEP: Duration = Duration::from_secs(60);
