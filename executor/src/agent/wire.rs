//! The sockets of the executor: datagrams and connections in, messages out.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;

use bytes::Bytes;
use sip::TransactionId;
use tokio::sync::mpsc;
use transport::{
    AsyncUdpSocket, ConnectionId, Datagram, FailedSend, Flow, ListenerId, Outgoing, SendFailure,
    SendFault, StreamEvents, StreamLimits, Streams,
};

use crate::settings::Settings;

use super::Mail;
use super::path::Path;

/// All sockets.
pub(crate) struct Wire {
    udp: Vec<(ListenerId, AsyncUdpSocket)>,
    streams: Arc<Streams>,
    sending: Sending,
    datagrams: Vec<Datagram>,
}

impl Wire {
    pub(crate) fn new(
        udp: Vec<(ListenerId, AsyncUdpSocket)>,
        settings: Arc<Settings>,
        mailbox: mpsc::Sender<Mail>,
    ) -> Self {
        let events = Arc::new(Connections {
            settings,
            mailbox,
            streams: OnceLock::new(),
        });
        let limits = StreamLimits::default().within_open_files();
        let streams = Streams::new(limits, Arc::clone(&events) as Arc<dyn StreamEvents>);
        events.streams.get_or_init(|| Arc::downgrade(&streams));
        Self {
            udp,
            streams,
            sending: Sending::default(),
            datagrams: Vec::new(),
        }
    }

    pub(crate) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Waits until a UDP socket has something. Cancel safe.
    pub(crate) async fn readable(&self) {
        let mut waits: Vec<Pin<Box<dyn Future<Output = io::Result<()>> + '_>>> = Vec::new();
        for (_, socket) in &self.udp {
            waits.push(Box::pin(socket.readable()));
        }
        poll_fn(|cx| {
            let ready = waits
                .iter_mut()
                .any(|wait| wait.as_mut().poll(cx).is_ready());
            if ready {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Takes what the UDP sockets have.
    pub(crate) fn receive(&mut self) -> Vec<(Flow, Bytes)> {
        let mut arrived = Vec::new();
        let mut unreachable = Vec::new();
        for (listener, socket) in &mut self.udp {
            // Nobody looks at the unreachable: silence is what the transactions' timers are for.
            if let Err(error) = socket.recv_batch(&mut self.datagrams, &mut unreachable) {
                tracing::warn!(%error, "SIP socket cannot receive");
            }
            for datagram in self
                .datagrams
                .drain(..)
                .filter(|datagram| !datagram.truncated)
            {
                arrived.push((Flow::udp(*listener, &datagram), datagram.bytes));
            }
        }
        arrived
    }

    /// Sends a message; `false` if it is known at once that it cannot be sent.
    pub(crate) fn send(
        &mut self,
        path: &Path,
        wire: Bytes,
        transaction: Option<TransactionId>,
    ) -> bool {
        if path.is_reliable() {
            let token = self.sending.add(transaction);
            self.streams.send(path.to, wire, token);
            return true;
        }
        let own = |(id, _): &&mut (ListenerId, AsyncUdpSocket)| id.0 == path.listener;
        let Some((_, socket)) = self.udp.iter_mut().find(own) else {
            return false;
        };
        let source = path.to.local_hint;
        let message = Outgoing {
            slices: &[&wire],
            destination: path.to.remote,
            source,
        };
        may_arrive(&socket.send_batch(&[message]).failed)
    }

    /// A message was written, or was not; the transaction it belonged to.
    pub(crate) fn sent(&mut self, token: u64) -> Option<TransactionId> {
        self.sending.waiting.remove(&token)
    }
}

/// What waits to be written to connections.
#[derive(Debug, Default)]
struct Sending {
    last: u64,
    waiting: BTreeMap<u64, TransactionId>,
}

impl Sending {
    /// The token of the next message.
    fn add(&mut self, transaction: Option<TransactionId>) -> u64 {
        self.last += 1;
        if let Some(transaction) = transaction {
            self.waiting.insert(self.last, transaction);
            // What became of the oldest was told long ago, while the mailbox was full.
            if self.waiting.len() > SENDING_MAX {
                self.waiting.pop_first();
            }
        }
        self.last
    }
}

/// Whether a datagram was sent, or is sent again by a timer: what a full send buffer has dropped is
/// no more lost than what the network drops.
fn may_arrive(failed: &[FailedSend]) -> bool {
    let dropped = |failed: &FailedSend| failed.fault == SendFault::Full;
    failed.iter().all(dropped)
}

/// What connections tell, put into the mailbox.
struct Connections {
    settings: Arc<Settings>,
    mailbox: mpsc::Sender<Mail>,
    /// Where they are kept.
    streams: OnceLock<Weak<Streams>>,
}

impl Connections {
    /// That a message was not written is not heard of through a full mailbox: the timers of its
    /// transaction end that.
    fn told(&self, token: u64, sent: bool) {
        self.mailbox.try_send(Mail::Sent(token, sent)).ok();
    }
}

impl StreamEvents for Connections {
    fn message(&self, flow: Flow, bytes: Bytes) {
        if self.mailbox.try_send(Mail::Message(flow, bytes)).is_ok() {
            return;
        }
        // Over a connection nobody repeats what is lost: its end tells the sender.
        tracing::debug!(peer = %flow.remote, "a connection is closed: too much waits to be read");
        if let (Some(id), Some(streams)) = (flow.connection, self.streams.get())
            && let Some(streams) = streams.upgrade()
        {
            streams.close(id);
        }
    }

    fn malformed(&self, _: Flow, _: sip::frame::FrameError) -> Option<Bytes> {
        None
    }

    fn sent(&self, token: u64, _: Flow) {
        self.told(token, true);
    }

    fn closed(&self, _: ConnectionId) {}

    fn send_failed(&self, token: u64, _: SendFailure) {
        self.told(token, false);
    }

    fn exempt(&self, remote: SocketAddr) -> bool {
        self.settings.trusts(remote)
    }
}

/// Messages that wait to be written and whose failure is noticed; the oldest yields to one more.
const SENDING_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use sip::{ClientKey, Instant, Layer, LayerLimits, Timers};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_full_mailbox_closes_the_connection() {
        let settings = Settings::new(Vec::new(), Vec::new(), Vec::new());
        let (mailbox, mut mails) = mpsc::channel(1);
        let wire = Wire::new(Vec::new(), Arc::new(settings), mailbox);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::clone(wire.streams());
        tokio::spawn(async move { streams.accept_on(listener, ListenerId(0)).await });
        let mut peer = TcpStream::connect(address).await.unwrap();
        let message = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        peer.write_all(message.repeat(2).as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        let first = mails.recv().await;
        assert!(matches!(first, Some(Mail::Message(..))), "{first:?}");
    }

    #[test]
    fn what_is_never_told_of_is_forgotten() {
        let mut layer = Layer::new(Timers::default(), LayerLimits::default(), 1);
        let key = ClientKey {
            branch: b"z9hG4bK1",
            method: b"OPTIONS",
        };
        let client = layer.create_client(&key, Bytes::new(), (), true, Instant::ZERO);
        let transaction = TransactionId::from(client.unwrap());
        let mut sending = Sending::default();
        for _ in 0..SENDING_MAX {
            sending.add(Some(transaction));
        }
        let last = sending.add(Some(transaction));
        assert_eq!(sending.waiting.len(), SENDING_MAX);
        assert_eq!(sending.waiting.remove(&last), Some(transaction));
    }

    #[test]
    fn a_full_send_buffer_is_no_end() {
        let failed = |fault| may_arrive(&[FailedSend { index: 0, fault }]);
        assert!(may_arrive(&[]));
        assert!(failed(SendFault::Full));
        for fault in [
            SendFault::Denied,
            SendFault::TooLarge,
            SendFault::Unreachable,
            SendFault::Other(1),
        ] {
            assert!(!failed(fault), "{fault:?}");
        }
    }
}
