//! UDP in batches.
//!
//! One socket a worker: `&mut self` and no lock. A receive takes up to 32 datagrams from the kernel
//! in one call, into buffers that come back when the last holder of a payload drops it; a send
//! gives up to 64 to the kernel in one call, each gathered from pieces that are never copied in
//! user space.
//!
//! A peer that is gone does not disturb the others: what ICMP says about it waits beside the
//! datagrams for [`UdpSocket::recv_errors`].
//!
//! [`UdpSocket`] never waits. A thread of its own waits with a [`Sleeper`], which costs one system
//! call and is not woken when a datagram has left; a task waits with [`AsyncUdpSocket`].

mod asynchronous;
mod bind;
mod datagram;
mod pool;
mod sleep;
mod sys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket as StdSocket};
use std::os::fd::{AsFd, BorrowedFd};

use bytes::BytesMut;

pub use asynchronous::AsyncUdpSocket;
pub use bind::{Granted, UdpOptions};
pub use datagram::{
    Datagram, FailedSend, Outgoing, PeerUnreachable, SendFault, SendReport, Unreachable,
};
pub use sleep::{Ready, Sleeper, Waker};

use pool::Pool;
use sys::{RECV_BATCH, Receiver, Report, SEND_BATCH, Sender};

/// A bound UDP socket.
pub struct UdpSocket {
    io: StdSocket,
    local: SocketAddr,
    recv_buffer: Granted,
    receiver: Receiver,
    pool: Pool,
    sender: Sender,
    report: SendReport,
    /// A call has failed for what ICMP said of some peer, which the error queue tells in full.
    faulted: bool,
    drops: Drops,
}

impl UdpSocket {
    /// What one [`Self::recv_batch`] takes at most: where it takes so much, more may be there.
    pub const RECV_MAX: usize = RECV_CALLS_MAX * RECV_BATCH;

    /// Binds `address`.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the kernel lacks one of the options.
    pub fn bind(address: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        Self::from_std(bind::bind(address, options)?, options)
    }

    /// Takes over a socket that is bound already, for example by the process before this one.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn from_std(socket: StdSocket, options: &UdpOptions) -> io::Result<Self> {
        let recv_buffer = bind::prepare(&socket, options)?;
        let local = socket.local_addr()?;
        let pool = Pool::new(sys::HEAD);
        Ok(Self {
            io: socket,
            local,
            recv_buffer,
            receiver: Receiver::new(|| pool.fresh()),
            pool,
            sender: Sender::new(local.ip().is_unspecified()),
            report: SendReport::default(),
            faulted: false,
            drops: Drops::default(),
        })
    }

    /// The bound address, with the port that was chosen.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The receive buffer that was asked for and granted.
    #[must_use]
    pub const fn recv_buffer(&self) -> Granted {
        self.recv_buffer
    }

    /// Datagrams that the kernel has dropped since the socket was bound because nobody fetched
    /// them. It is told with the next datagram that does arrive.
    #[must_use]
    pub const fn drops(&self) -> u64 {
        self.drops.total
    }

    /// Appends what has arrived to `sink`, at most [`Self::RECV_MAX`] datagrams, so that a flood leaves time for
    /// other work: how many. `Ok(0)`: nothing is there. Never waits, and no peer can make it fail.
    ///
    /// # Errors
    /// Those of the socket itself.
    pub fn recv_batch(&mut self, sink: &mut Vec<Datagram>) -> io::Result<usize> {
        let before = sink.len();
        let mut result = Ok(());
        for _ in 0..RECV_CALLS_MAX {
            match self.receiver.receive(self.io.as_fd()) {
                Ok(count) => {
                    self.deliver(count, sink);
                    if count < RECV_BATCH {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_about_a_peer(&error) => self.faulted = true,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let count = sink.len() - before;
        if count == 0 {
            result.map(|()| 0)
        } else {
            Ok(count)
        }
    }

    /// Whether a call has met an error of some peer since [`Self::recv_errors`] was asked.
    #[must_use]
    pub const fn is_faulted(&self) -> bool {
        self.faulted
    }

    /// Appends the peers that ICMP has reported unreachable to `sink`, at most 64: how many. Worth a
    /// system call where [`Ready::error`] or [`Self::is_faulted`] says so.
    pub fn recv_errors(&mut self, sink: &mut Vec<PeerUnreachable>) -> usize {
        self.faulted = false;
        let before = sink.len();
        for _ in 0..ERRORS_MAX {
            match sys::receive_error(self.io.as_fd()) {
                Ok(Report::Unreachable(report)) => sink.push(report),
                Ok(Report::Ignorable) => {}
                // Empty, or not readable: nothing can be lost but a hint.
                Err(_) => break,
            }
        }
        sink.len() - before
    }

    /// Sends all of `batch` that the kernel takes. Never waits; what it does not take is in the
    /// report, which is valid until the next call.
    pub fn send_batch(&mut self, batch: &[Outgoing<'_>]) -> &SendReport {
        self.report.sent = 0;
        self.report.failed.clear();
        let mut next = 0;
        // Datagrams at `next` that failed with an error which may have been another peer's.
        let mut doubts = 0;
        while next < batch.len() {
            let rest = &batch[next..batch.len().min(next + SEND_BATCH)];
            match self.sender.send(self.io.as_fd(), rest) {
                Ok(0) => break,
                Ok(count) => {
                    self.report.sent += count;
                    next += count;
                    doubts = 0;
                }
                // The kernel hands the pending ICMP error of anyone to whoever calls next, once.
                // Asking again gives the answer about this datagram.
                Err(error) if is_about_a_peer(&error) && doubts < DOUBTS_MAX => {
                    self.faulted = true;
                    doubts += 1;
                }
                Err(error) => {
                    let fault = send_fault(&error);
                    doubts = 0;
                    let failed = if fault == SendFault::Full {
                        batch.len()
                    } else {
                        next + 1
                    };
                    self.report
                        .failed
                        .extend((next..failed).map(|index| FailedSend { index, fault }));
                    next = failed;
                }
            }
        }
        debug_assert_eq!(self.report.sent + self.report.failed.len(), batch.len());
        &self.report
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn send_to(&mut self, bytes: &[u8], destination: SocketAddr) -> Result<(), SendFault> {
        let report = self.send_batch(&[Outgoing {
            slices: &[bytes],
            destination,
            source: None,
        }]);
        report
            .failed
            .first()
            .map_or(Ok(()), |failed| Err(failed.fault))
    }

    fn deliver(&mut self, count: usize, sink: &mut Vec<Datagram>) {
        for slot in 0..count {
            let Some(received) = self.receiver.received(slot) else {
                continue;
            };
            self.drops.note(received.drops);
            let bytes = if received.tail.is_empty() {
                let bytes = received.head.split().freeze();
                self.pool.renew(received.head);
                bytes
            } else {
                let mut whole = BytesMut::with_capacity(received.head.len() + received.tail.len());
                whole.extend_from_slice(received.head);
                whole.extend_from_slice(received.tail);
                whole.freeze()
            };
            sink.push(Datagram {
                bytes,
                source: received.source,
                local: local_address(self.local, received.local, received.source),
                truncated: received.truncated,
            });
        }
        self.pool.end_batch();
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// The kernel counts drops in 32 bits; this counts on.
#[derive(Debug, Default)]
struct Drops {
    seen: u32,
    total: u64,
}

impl Drops {
    const fn note(&mut self, count: Option<u32>) {
        if let Some(count) = count {
            // Datagrams of one batch may carry the counter in any order; it only moves forwards by
            // less than half.
            let moved = count.wrapping_sub(self.seen);
            if moved < u32::MAX / 2 {
                self.total += moved as u64;
                self.seen = count;
            }
        }
    }
}

/// The address of ours that a datagram was sent to.
fn local_address(bound: SocketAddr, received: Option<IpAddr>, source: SocketAddr) -> SocketAddr {
    match (received, source) {
        (Some(IpAddr::V6(ip)), SocketAddr::V6(source)) if ip.is_unicast_link_local() => {
            SocketAddrV6::new(ip, bound.port(), 0, source.scope_id()).into()
        }
        // Unspecified: it arrived before the kernel was asked to tell.
        (Some(ip), _) if !ip.is_multicast() && !ip.is_unspecified() => {
            SocketAddr::new(ip, bound.port())
        }
        _ => bound,
    }
}

/// Whether an error is what ICMP said about some peer, or an interruption: the socket is as good as
/// before.
fn is_about_a_peer(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::EHOSTDOWN
                | libc::ENETUNREACH
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EPROTO
                | libc::EMSGSIZE
                | libc::EACCES
                | libc::ENONET
                | libc::EINTR
        )
    )
}

fn send_fault(error: &io::Error) -> SendFault {
    match error.raw_os_error().unwrap_or(0) {
        libc::EACCES | libc::EPERM => SendFault::Denied,
        libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => SendFault::Full,
        libc::EMSGSIZE => SendFault::TooLarge,
        libc::EADDRNOTAVAIL
        | libc::EAFNOSUPPORT
        | libc::ECONNREFUSED
        | libc::EHOSTDOWN
        | libc::EHOSTUNREACH
        | libc::EINVAL
        | libc::ENETDOWN
        | libc::ENETUNREACH
        | libc::ENODEV => SendFault::Unreachable,
        errno => SendFault::Other(errno),
    }
}

/// recvmmsg calls in one [`UdpSocket::recv_batch`].
const RECV_CALLS_MAX: usize = 4;

/// Error reports that are fetched at once.
const ERRORS_MAX: usize = 64;

/// Times that a send is repeated because the error may have been another peer's.
const DOUBTS_MAX: usize = 2;
