//! Connections that peers open: from a plain listener, or from pingora.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions};
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;
use sip::Transport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::Streams;
use super::table::{IpPlace, Place};
use crate::flow::{Flow, ListenerId};

impl Streams {
    /// Serves `listener` until the future is dropped; connections live on.
    ///
    /// # Errors
    /// When the listener has no address, which cannot be once it is bound.
    pub async fn accept_on(
        self: Arc<Self>,
        listener: TcpListener,
        id: ListenerId,
    ) -> std::io::Result<()> {
        let bound = listener.local_addr()?;
        let mut pause = ACCEPT_PAUSE;
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors: the kernel keeps the connection and would say so again at
                    // once.
                    self.counters.accept_errors.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%bound, %error, "cannot accept connections");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                    continue;
                }
            };
            pause = ACCEPT_PAUSE;
            let Some(places) = self.admit(remote) else {
                continue;
            };
            let hub = Arc::clone(&self);
            tokio::spawn(async move {
                let local = stream.local_addr().unwrap_or(bound);
                // Nagle only delays; a connection that is broken already will tell so itself.
                drop(stream.set_nodelay(true));
                let flow = hub.inbound(Transport::Tcp, local, remote, id);
                hub.serve(stream, flow, places).await;
            });
        }
    }

    /// Room for one more connection from `remote`, or the reason why not is counted.
    fn admit(self: &Arc<Self>, remote: SocketAddr) -> Option<(Place, Option<IpPlace>)> {
        let Some(place) = self.table.place(self.limits.connections) else {
            self.counters.refused_total.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if self.events.exempt(remote) {
            return Some((place, None));
        }
        let ip_place = self
            .table
            .ip_place(remote.ip(), self.limits.connections_per_ip);
        if ip_place.is_none() {
            self.counters.refused_per_ip.fetch_add(1, Ordering::Relaxed);
        }
        ip_place.map(|ip_place| (place, Some(ip_place)))
    }

    fn inbound(
        &self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        listener: ListenerId,
    ) -> Flow {
        Flow {
            transport,
            local,
            remote,
            connection: Some(self.table.next_id()),
            listener,
        }
    }

    /// Runs a connection that a peer has opened.
    async fn serve<S>(
        self: &Arc<Self>,
        io: S,
        flow: Flow,
        (place, ip_place): (Place, Option<IpPlace>),
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let Some(id) = flow.connection else {
            return;
        };
        let link = self.new_link(id, flow.transport, flow.remote);
        self.table.insert(&link);
        self.registered(link, place).run(flow, io, ip_place).await;
    }
}

/// One listening address for streams.
#[derive(Clone, Debug)]
pub struct StreamListener {
    /// What [`Flow::listener`] will say.
    pub id: ListenerId,
    /// The name of the service in logs.
    pub name: String,
    /// Where to listen.
    pub address: SocketAddr,
}

/// A pingora service that accepts SIP over TCP. Its connections end with its runtime;
/// [`Streams::close_all`] lets them end well before.
#[must_use]
pub fn service(listener: StreamListener, hub: Arc<Streams>) -> Service<StreamApp> {
    let mut service = Service::new(
        listener.name.clone(),
        StreamApp {
            id: listener.id,
            hub,
        },
    );
    let mut options = TcpSocketOptions::default();
    // As for UDP: IPv4 has listeners of its own.
    options.ipv6_only = listener.address.is_ipv6().then_some(true);
    service.add_listener(
        ListenerConfig::tcp(listener.address.to_string())
            .tcp_socket_options(options)
            .l4_buffer(L4BufferSettings::new(0, WRITE_BUFFER)),
    );
    service
}

/// What [`service`] runs for each connection.
#[derive(Debug)]
pub struct StreamApp {
    id: ListenerId,
    hub: Arc<Streams>,
}

#[async_trait]
impl ServerApp for StreamApp {
    async fn process_new(
        self: &Arc<Self>,
        session: Stream,
        _shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let digest = session.get_socket_digest()?;
        let remote = digest.peer_addr()?.as_inet().copied()?;
        let local = digest.local_addr()?.as_inet().copied()?;
        let places = self.hub.admit(remote)?;
        let flow = self.hub.inbound(Transport::Tcp, local, remote, self.id);
        self.hub.serve(session, flow, places).await;
        None
    }
}

/// The first pause after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause: at most one log line a second.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What pingora gathers before it writes: several small messages in one packet.
const WRITE_BUFFER: usize = 4_096;
