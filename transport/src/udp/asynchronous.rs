//! A UDP socket for a task.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;

use super::{Datagram, Outgoing, PeerUnreachable, SendReport, UdpSocket};

/// A [`UdpSocket`] whose datagrams a task awaits.
#[derive(Debug)]
pub struct AsyncUdpSocket {
    socket: UdpSocket,
    /// The same socket, as the runtime watches it.
    watched: tokio::net::UdpSocket,
}

impl AsyncUdpSocket {
    /// Must be called within the runtime that will use the socket.
    ///
    /// # Errors
    /// When the process has no file descriptor left, or the runtime cannot watch the socket.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let watched = tokio::net::UdpSocket::from_std(socket.io.try_clone()?)?;
        Ok(Self { socket, watched })
    }

    /// The bound address, with the port that was chosen.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Waits until [`Self::recv_batch`] may have something, be it datagrams or errors. Cancel safe.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.watched
            .ready(Interest::READABLE | Interest::ERROR)
            .await
            .map(drop)
    }

    /// As [`UdpSocket::recv_batch`]; what ICMP has reported goes to `errors`.
    ///
    /// # Errors
    /// Those of the socket itself.
    pub fn recv_batch(
        &mut self,
        sink: &mut Vec<Datagram>,
        errors: &mut Vec<PeerUnreachable>,
    ) -> io::Result<usize> {
        let Self { socket, watched } = self;
        let nothing = || Err(io::ErrorKind::WouldBlock.into());
        let mut received = Ok(0);
        // The closures say "nothing" where the runtime is to wait for the kernel's next word; what
        // came of it all is in `received` and `errors`.
        let look = watched.try_io(Interest::READABLE, || {
            received = socket.recv_batch(sink);
            match received {
                Ok(count) if count > 0 => Ok(()),
                _ => nothing(),
            }
        });
        look.unwrap_or_default();
        // The runtime may not have looked since they came.
        if socket.is_faulted() {
            socket.recv_errors(errors);
        }
        let look = watched.try_io(Interest::ERROR, || match socket.recv_errors(errors) {
            0 => nothing(),
            _ => Ok(()),
        });
        look.unwrap_or_default();
        received
    }

    /// As [`UdpSocket::send_batch`].
    pub fn send_batch(&mut self, batch: &[Outgoing<'_>]) -> &SendReport {
        self.socket.send_batch(batch)
    }
}
