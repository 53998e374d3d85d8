//! SIP over byte streams.
//!
//! [`Streams`] is the hub: it knows every connection, whoever opened it, and bounds all of them
//! together. Inbound connections come from pingora ([`service`]) or a plain listener
//! ([`Streams::accept_on`]); outbound ones are opened by [`Streams::send`] when a [`Destination`]
//! allows it. What happens is told to [`StreamEvents`].
//!
//! The hub never chooses where a message goes: it uses the connection or the address that it was
//! given. The fallback of RFC 3261 §18.2.2 for responses is the caller's decision.

mod accept;
mod backoff;
mod connection;
mod counters;
mod events;
mod limits;
mod outbox;
mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sip::Transport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;

pub use accept::{StreamApp, StreamListener, service};
pub use counters::StreamStats;
pub use events::{SendFailure, StreamEvents};
pub use limits::StreamLimits;

use crate::flow::{ConnectionId, Destination, Flow, ListenerId};
use backoff::Backoff;
use connection::End;
use counters::Counters;
use outbox::{Budget, Outbox, Queued};
use table::{IpPlace, Link, Peer, Place, Table};

/// All stream connections of the process.
pub struct Streams {
    limits: StreamLimits,
    events: Arc<dyn StreamEvents>,
    table: Arc<Table>,
    budget: Arc<Budget>,
    backoff: Backoff,
    counters: Counters,
    /// Connections whose peer has stopped sending, oldest first; some may be gone already.
    half_closed: Mutex<VecDeque<ConnectionId>>,
    runtime: OnceLock<Handle>,
}

impl Streams {
    /// A hub without connections.
    #[must_use]
    pub fn new(limits: StreamLimits, events: Arc<dyn StreamEvents>) -> Arc<Self> {
        Arc::new(Self {
            events,
            table: Arc::new(Table::new()),
            budget: Budget::new(limits.write_queue_total),
            backoff: Backoff::new(limits.connect_backoff, limits.connect_backoff_max),
            counters: Counters::default(),
            half_closed: Mutex::new(VecDeque::new()),
            runtime: OnceLock::new(),
            limits,
        })
    }

    /// Where outbound connections live. Without it, in the runtime of whoever sends the first
    /// message on them, who has to have one.
    pub fn run_on(&self, runtime: Handle) {
        // The first choice stays: connections that live in it exist.
        drop(self.runtime.set(runtime));
    }

    /// Sends one message: over the connection that `destination` names while it lives; else, if it
    /// may, over another one to the same peer, which is opened if there is none. Never waits; what
    /// became of it is told with `token`.
    pub fn send(self: &Arc<Self>, destination: Destination, bytes: Bytes, token: u64) {
        let message = Queued {
            bytes,
            token: Some(token),
        };
        if let Err(failure) = self.route(&destination, message) {
            self.events.send_failed(token, failure);
        }
    }

    /// Closes a connection when all that waits for it is written.
    pub fn close(&self, id: ConnectionId) {
        if let Some(link) = self.table.link(id) {
            link.outbox.close();
        }
    }

    /// Closes all connections likewise.
    pub fn close_all(&self) {
        for link in self.table.all() {
            link.outbox.close();
        }
    }

    /// Whether a connection exists.
    #[must_use]
    pub fn is_alive(&self, id: ConnectionId) -> bool {
        self.table.link(id).is_some()
    }

    /// Connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// What there is and what happened.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        self.counters.read(self.table.len(), self.budget.used())
    }

    fn route(
        self: &Arc<Self>,
        destination: &Destination,
        mut message: Queued,
    ) -> Result<(), SendFailure> {
        if let Some(link) = destination.connection.and_then(|id| self.table.link(id)) {
            message = match link.outbox.push(message) {
                Ok(()) => return Ok(()),
                Err((message, SendFailure::Closed)) => message,
                Err((_, failure)) => return Err(failure),
            };
        }
        if !destination.open {
            return Err(SendFailure::Gone);
        }
        // The connection that is found may be ending; then it makes way for another one, once.
        for _ in 0..2 {
            let link = self.peer(destination)?;
            message = match link.outbox.push(message) {
                Ok(()) => return Ok(()),
                Err((message, SendFailure::Closed)) => message,
                Err((_, failure)) => return Err(failure),
            };
            self.table.retire(&link);
        }
        Err(SendFailure::Closed)
    }

    /// The connection to the peer, opened if need be.
    fn peer(self: &Arc<Self>, destination: &Destination) -> Result<Arc<Link>, SendFailure> {
        let (transport, remote) = (destination.transport, destination.remote);
        let mut failure = SendFailure::Full;
        let mut opening = None;
        let peer = self.table.peer(transport, remote, || {
            if self.backoff.is_waiting(transport, remote) {
                failure = SendFailure::Backoff;
                return None;
            }
            let runtime = self
                .runtime
                .get()
                .cloned()
                .or_else(|| Handle::try_current().ok());
            let (Transport::Tcp, Some(runtime)) = (transport, runtime) else {
                failure = SendFailure::Unsupported;
                return None;
            };
            let place = self.table.place(self.limits.connections)?;
            opening = Some((runtime, place));
            Some(self.new_link(self.table.next_id(), transport, remote))
        });
        match (peer, opening) {
            (Some(Peer::New(link)), Some((runtime, place))) => {
                let registered = self.registered(Arc::clone(&link), place);
                runtime.spawn(registered.connect(*destination));
                Ok(link)
            }
            (Some(Peer::Known(link) | Peer::New(link)), _) => Ok(link),
            (None, _) => Err(failure),
        }
    }

    fn new_link(&self, id: ConnectionId, transport: Transport, remote: SocketAddr) -> Arc<Link> {
        Arc::new(Link {
            id,
            transport,
            remote,
            outbox: Outbox::new(self.limits.write_queue, Arc::clone(&self.budget)),
            half_closed: AtomicBool::new(false),
        })
    }

    fn registered(self: &Arc<Self>, link: Arc<Link>, place: Place) -> Registered {
        Registered {
            hub: Arc::clone(self),
            link,
            _place: place,
            opened: false,
            failure: SendFailure::Closed,
        }
    }

    /// The peer of `link` has stopped sending but may read on: for how long.
    fn half_closed(&self, link: &Link) -> Duration {
        link.half_closed.store(true, Ordering::Relaxed);
        self.table.retire(link);
        let mut waiting = self
            .half_closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(link.id);
        let oldest = (waiting.len() > self.limits.half_closed_max).then(|| waiting.pop_front());
        drop(waiting);
        if let Some(oldest) = oldest.flatten() {
            self.close(oldest);
        }
        self.limits.half_closed
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A connection that is in the table. However its task ends, also with its runtime, it leaves the
/// table and everyone who waits for one of its messages is told.
struct Registered {
    hub: Arc<Streams>,
    link: Arc<Link>,
    _place: Place,
    opened: bool,
    /// What to tell of messages that were not written.
    failure: SendFailure,
}

impl Registered {
    /// Establishes the connection, then runs it.
    async fn connect(self, destination: Destination) {
        let remote = destination.remote;
        let attempt = timeout(self.hub.limits.connect_timeout, connect(&destination));
        let stream = match attempt.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.connect_failed(connect_failure(&error)),
            Err(_) => return self.connect_failed(SendFailure::TimedOut),
        };
        let Ok(local) = stream.local_addr() else {
            return self.connect_failed(SendFailure::Unreachable);
        };
        self.hub.backoff.succeeded(destination.transport, remote);
        let flow = Flow {
            transport: destination.transport,
            local,
            remote,
            connection: Some(self.link.id),
            listener: ListenerId::OUTBOUND,
        };
        self.run(flow, stream, None).await;
    }

    fn connect_failed(mut self, failure: SendFailure) {
        self.hub
            .counters
            .connect_failed
            .fetch_add(1, Ordering::Relaxed);
        self.hub
            .backoff
            .failed(self.link.transport, self.link.remote);
        self.failure = failure;
    }

    async fn run<S>(mut self, flow: Flow, io: S, ip_place: Option<IpPlace>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        self.opened = true;
        self.link.outbox.open();
        self.hub.counters.opened.fetch_add(1, Ordering::Relaxed);
        self.hub.events.opened(flow);
        let end = connection::run(&self.hub, &self.link, flow, io, ip_place).await;
        self.hub.counters.ended(end);
        if end == End::SlowReader {
            self.failure = SendFailure::SlowReader;
        }
        tracing::debug!(remote = %flow.remote, ?end, "connection closed");
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.table.remove(&self.link);
        for message in self.link.outbox.drain() {
            if let Some(token) = message.token {
                self.hub.events.send_failed(token, self.failure);
            }
        }
        if self.opened {
            self.hub.events.closed(self.link.id);
        }
    }
}

async fn connect(destination: &Destination) -> io::Result<TcpStream> {
    let remote = destination.remote;
    let socket = if remote.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(local) = destination
        .local_hint
        .filter(|local| local.is_ipv4() == remote.is_ipv4())
    {
        // It is a hint: an address that went away must not cost the call.
        drop(socket.bind(SocketAddr::new(local, 0)));
    }
    socket.connect(remote).await
}

fn connect_failure(error: &io::Error) -> SendFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => SendFailure::Refused,
        ErrorKind::TimedOut => SendFailure::TimedOut,
        _ if error.raw_os_error() == Some(libc::EMFILE) => SendFailure::Full,
        _ => SendFailure::Unreachable,
    }
}
