//! The sockets of the executor: datagrams and connections in, messages out.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
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
    /// What waits to be written to connections, by token.
    sending: HashMap<u64, TransactionId>,
    last_token: u64,
    datagrams: Vec<Datagram>,
}

impl Wire {
    pub(crate) fn new(
        udp: Vec<(ListenerId, AsyncUdpSocket)>,
        settings: Arc<Settings>,
        mailbox: mpsc::Sender<Mail>,
    ) -> Self {
        let events = Arc::new(Connections { settings, mailbox });
        Self {
            udp,
            streams: Streams::new(StreamLimits::default().within_open_files(), events),
            sending: HashMap::new(),
            last_token: 0,
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
            self.last_token += 1;
            if let Some(transaction) = transaction
                && self.sending.len() < SENDING_MAX
            {
                self.sending.insert(self.last_token, transaction);
            }
            self.streams.send(path.to, wire, self.last_token);
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
        self.sending.remove(&token)
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
}

impl Connections {
    /// A full mailbox loses a message as a full socket does; its sender repeats it or gives up.
    fn offer(&self, mail: Mail) {
        self.mailbox.try_send(mail).ok();
    }
}

impl StreamEvents for Connections {
    fn message(&self, flow: Flow, bytes: Bytes) {
        self.offer(Mail::Message(flow, bytes));
    }

    fn malformed(&self, _: Flow, _: sip::frame::FrameError) -> Option<Bytes> {
        None
    }

    fn sent(&self, token: u64, _: Flow) {
        self.offer(Mail::Sent(token, true));
    }

    fn closed(&self, _: ConnectionId) {}

    fn send_failed(&self, token: u64, _: SendFailure) {
        self.offer(Mail::Sent(token, false));
    }

    fn exempt(&self, remote: SocketAddr) -> bool {
        self.settings.trusts(remote)
    }
}

/// Messages that wait to be written and whose failure would be noticed.
const SENDING_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

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
