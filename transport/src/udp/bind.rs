//! How a SIP socket is made.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::os::fd::{AsFd, BorrowedFd};

use libc::c_int;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::sys;

/// What to ask of the system for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    /// Bytes of datagrams that the kernel keeps while the worker is busy; 0 leaves the system's
    /// default.
    pub recv_buffer: usize,
    /// Bytes of datagrams on their way out; 0 leaves the system's default.
    pub send_buffer: usize,
    /// Lets several sockets, one a worker, share the address.
    pub reuse_port: bool,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self {
            recv_buffer: 4 << 20,
            send_buffer: 1 << 20,
            reuse_port: true,
        }
    }
}

/// A size that was asked for and what the system gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What the options said; 0: nothing.
    pub asked: usize,
    /// What the kernel reports.
    pub granted: usize,
}

impl Granted {
    /// Whether the operator should be told (`net.core.rmem_max` is the limit without
    /// CAP_NET_ADMIN).
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.granted < self.asked
    }
}

/// A new socket with everything set, bound.
pub(super) fn bind(address: SocketAddr, options: &UdpOptions) -> io::Result<StdSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // IPv4 has listeners of its own; mapped addresses would give one peer two names.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(options.reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Sets what a bound socket needs, also one that was inherited.
pub(super) fn prepare(socket: &StdSocket, options: &UdpOptions) -> io::Result<Granted> {
    socket.set_nonblocking(true)?;
    let fd = socket.as_fd();
    let bound = socket.local_addr()?;
    // Only where there is a choice does the kernel have to say, with each datagram, which address.
    let told = c_int::from(bound.ip().is_unspecified());
    if bound.is_ipv4() {
        sys::set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, told)?;
        sys::set_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, ON)?;
        // A SIP message longer than the path allows is fragmented, not refused (RFC 3261 §18.1.1
        // leaves the choice of TCP to whoever chose the transport).
        sys::set_option(
            fd,
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_DONT,
        )?;
    } else {
        sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, told)?;
        sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, ON)?;
        sys::set_option(
            fd,
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_DONT,
        )?;
    }
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, ON)?;
    size(
        fd,
        libc::SO_SNDBUFFORCE,
        libc::SO_SNDBUF,
        options.send_buffer,
    )?;
    size(
        fd,
        libc::SO_RCVBUFFORCE,
        libc::SO_RCVBUF,
        options.recv_buffer,
    )?;
    Ok(Granted {
        asked: options.recv_buffer,
        // The kernel doubles what it is given, to account for its own bookkeeping, and reports the
        // double.
        granted: SockRef::from(&fd).recv_buffer_size()? / 2,
    })
}

/// Asks for a buffer beyond the system's limit, which only a privileged process gets, else up to
/// the limit.
fn size(fd: BorrowedFd<'_>, force: c_int, plain: c_int, bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let bytes = c_int::try_from(bytes)
        .unwrap_or(c_int::MAX / 2)
        .min(c_int::MAX / 2);
    sys::set_option(fd, libc::SOL_SOCKET, force, bytes)
        .or_else(|_| sys::set_option(fd, libc::SOL_SOCKET, plain, bytes))
}

const ON: c_int = 1;
