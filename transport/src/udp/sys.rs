//! The system calls that have no safe wrapper: recvmmsg, sendmmsg, the socket's error queue, and how
//! to wait for them.
//!
//! Everything `unsafe` of this crate is in this file. Pointers handed to the kernel point into heap
//! memory that the structs here own and that is written only by [`Receiver::receive`] and
//! [`Sender::send`] themselves.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libc::{
    c_int, c_void, cmsghdr, iovec, mmsghdr, msghdr, pollfd, sockaddr_in, sockaddr_in6,
    sockaddr_storage,
};

use super::datagram::{Outgoing, PeerUnreachable, Unreachable};

/// Datagrams in one recvmmsg.
pub(super) const RECV_BATCH: usize = 32;
/// Datagrams in one sendmmsg.
pub(super) const SEND_BATCH: usize = 64;
/// The part of a datagram that is received in place. Real SIP stays below it; what is longer is
/// copied once.
pub(super) const HEAD: usize = 2_048;

/// The longest payload that the length field of UDP can express.
const DATAGRAM_MAX: usize = 65_535;
const TAIL: usize = DATAGRAM_MAX - HEAD;
/// Room for the packet information (40 bytes with its header) and the drop counter (24), twice
/// over.
const CONTROL: usize = 128;
/// What an ICMP message quotes of our datagram: RFC 1812 §4.3.2.3 wants 576 bytes of packet, IPv6
/// up to 1,280.
const QUOTE: usize = 1_280;
/// IOV_MAX of Linux: more pieces are refused by the kernel.
const PIECES_MAX: usize = 1_024;

/// Sets an integer socket option.
pub(super) fn set_option(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<c_void>(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A counter that wakes whoever polls it.
pub(super) fn event() -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits until one of `fds` is ready; how many are.
pub(super) fn poll(fds: &mut [pollfd], timeout: Duration) -> io::Result<usize> {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: the pointers describe `fds` and `timeout`, which outlive the call; a null mask leaves
    // the signals alone.
    let count = unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as libc::nfds_t,
            &raw const timeout,
            ptr::null(),
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// A buffer for control messages, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// The memory behind recvmmsg.
pub(super) struct Receiver {
    heads: Vec<BytesMut>,
    /// One tail a slot. Never touched pages of it cost address space only.
    tails: Vec<u8>,
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    vectors: Box<[[iovec; 2]]>,
    headers: Box<[mmsghdr]>,
    /// Slots from the front whose pointers and lengths must be set again before the next call.
    stale: usize,
}

// SAFETY: the raw pointers in `vectors` and `headers` point into memory that this struct owns; no
// thread keeps another reference to it, so it may move between threads as a whole.
unsafe impl Send for Receiver {}

/// One received datagram, still in the receiver's memory.
pub(super) struct Received<'a> {
    /// The first [`HEAD`] bytes, or all.
    pub(super) head: &'a mut BytesMut,
    /// The rest.
    pub(super) tail: &'a [u8],
    pub(super) source: SocketAddr,
    pub(super) local: Option<IpAddr>,
    /// The kernel's running count of datagrams dropped because the receive buffer was full.
    pub(super) drops: Option<u32>,
    pub(super) truncated: bool,
}

impl Receiver {
    /// `fresh` makes a buffer with at least [`HEAD`] bytes of room.
    pub(super) fn new(mut fresh: impl FnMut() -> BytesMut) -> Self {
        // SAFETY: all zeroes is a valid value of these C structs: null pointers and zero lengths.
        let (name, vector, header) = unsafe {
            (
                mem::zeroed::<sockaddr_storage>(),
                mem::zeroed::<[iovec; 2]>(),
                mem::zeroed::<mmsghdr>(),
            )
        };
        Self {
            heads: (0..RECV_BATCH).map(|_| fresh()).collect(),
            tails: vec![0; RECV_BATCH * TAIL],
            names: vec![name; RECV_BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL]); RECV_BATCH].into_boxed_slice(),
            vectors: vec![vector; RECV_BATCH].into_boxed_slice(),
            headers: vec![header; RECV_BATCH].into_boxed_slice(),
            stale: RECV_BATCH,
        }
    }

    /// One recvmmsg. `Ok(n)`: [`Self::received`] may be asked for the slots below `n`, before the
    /// next call.
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        for slot in 0..self.stale {
            self.prepare(slot);
        }
        self.stale = 0;
        // SAFETY: every header points to a name, a control buffer and two vectors that are as long
        // as it says and live until the call returns; MSG_DONTWAIT and a null timeout make the
        // kernel keep none of them.
        let count = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                RECV_BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            return Err(io::Error::last_os_error());
        };
        debug_assert!(count <= RECV_BATCH);
        self.stale = count;
        for slot in 0..count {
            let filled = (self.headers[slot].msg_len as usize).min(HEAD);
            // SAFETY: `prepare` cleared the buffer and offered HEAD bytes of its spare room, and
            // the kernel has written the first `filled` of them.
            unsafe { self.heads[slot].set_len(filled) };
        }
        Ok(count)
    }

    /// The datagram in `slot`. `None`: without a usable source address. The head must be renewed by
    /// the caller so that it has room for [`HEAD`] bytes again.
    pub(super) fn received(&mut self, slot: usize) -> Option<Received<'_>> {
        let header = &self.headers[slot];
        let length = (header.msg_len as usize).min(DATAGRAM_MAX);
        let source = address(&self.names[slot])?;
        let (local, drops) = packet_information(&header.msg_hdr);
        let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let start = slot * TAIL;
        Some(Received {
            head: &mut self.heads[slot],
            tail: &self.tails[start..start + length.saturating_sub(HEAD)],
            source,
            local,
            drops,
            truncated,
        })
    }

    fn prepare(&mut self, slot: usize) {
        let head = &mut self.heads[slot];
        head.clear();
        // A buffer that was renewed has the room already.
        head.reserve(HEAD);
        self.vectors[slot] = [
            iovec {
                iov_base: head.spare_capacity_mut().as_mut_ptr().cast(),
                iov_len: HEAD,
            },
            iovec {
                iov_base: self.tails[slot * TAIL..(slot + 1) * TAIL]
                    .as_mut_ptr()
                    .cast(),
                iov_len: TAIL,
            },
        ];
        let header = &mut self.headers[slot].msg_hdr;
        header.msg_name = (&raw mut self.names[slot]).cast();
        header.msg_namelen = size_of::<sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = self.vectors[slot].as_mut_ptr();
        header.msg_iovlen = 2;
        header.msg_control = (&raw mut self.controls[slot]).cast();
        header.msg_controllen = CONTROL as _;
        header.msg_flags = 0;
    }
}

/// The memory behind sendmmsg.
pub(super) struct Sender {
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    /// The pieces of all datagrams of a batch, one after the other.
    vectors: Vec<iovec>,
    headers: Box<[mmsghdr]>,
    /// The socket has several addresses, so a source may be asked for.
    wildcard: bool,
}

// SAFETY: as for `Receiver`; pointers to the caller's slices are only used within `send`.
unsafe impl Send for Sender {}

impl Sender {
    pub(super) fn new(wildcard: bool) -> Self {
        // SAFETY: all zeroes is a valid value of these C structs.
        let (name, header) =
            unsafe { (mem::zeroed::<sockaddr_storage>(), mem::zeroed::<mmsghdr>()) };
        Self {
            names: vec![name; SEND_BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL]); SEND_BATCH].into_boxed_slice(),
            vectors: Vec::new(),
            wildcard,
            headers: vec![header; SEND_BATCH].into_boxed_slice(),
        }
    }

    /// One sendmmsg of at most [`SEND_BATCH`] datagrams of a `batch` that is not empty: how many
    /// the kernel took. An error is that of the first one.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, batch: &[Outgoing<'_>]) -> io::Result<usize> {
        let fit = |outgoing: &&Outgoing<'_>| outgoing.slices.len() <= PIECES_MAX;
        let count = batch.iter().take(SEND_BATCH).take_while(fit).count();
        let batch = &batch[..count];
        if batch.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        self.vectors.clear();
        self.vectors.extend(
            batch
                .iter()
                .flat_map(|outgoing| outgoing.slices)
                .map(|slice| iovec {
                    iov_base: slice.as_ptr().cast_mut().cast(),
                    iov_len: slice.len(),
                }),
        );
        let mut first = 0;
        for (slot, outgoing) in batch.iter().enumerate() {
            self.prepare(slot, first, outgoing);
            first += outgoing.slices.len();
        }
        // SAFETY: every header points to a name, a control buffer and vectors of this struct, none
        // of which is touched before the call returns, and the vectors point to slices that the
        // borrow of `batch` keeps alive. The kernel only reads them.
        let count = unsafe {
            libc::sendmmsg(
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                batch.len() as u32,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn prepare(&mut self, slot: usize, first: usize, outgoing: &Outgoing<'_>) {
        let vectors = &mut self.vectors[first..first + outgoing.slices.len()];
        let length = set_address(&mut self.names[slot], outgoing.destination);
        let header = &mut self.headers[slot].msg_hdr;
        header.msg_name = (&raw mut self.names[slot]).cast();
        header.msg_namelen = length;
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len() as _;
        header.msg_flags = 0;
        header.msg_control = (&raw mut self.controls[slot]).cast();
        header.msg_controllen = CONTROL as _;
        header.msg_controllen = if self.wildcard {
            set_source(header, outgoing) as _
        } else {
            0
        };
        if header.msg_controllen == 0 {
            header.msg_control = ptr::null_mut();
        }
    }
}

/// What was found in the error queue.
pub(super) enum Report {
    /// The peer cannot be reached.
    Unreachable(PeerUnreachable),
    /// RFC 3261 §18.4 wants it ignored, or it is about sending and was reported there.
    Ignorable,
}

/// Takes one report off the socket's error queue.
pub(super) fn receive_error(fd: BorrowedFd<'_>) -> io::Result<Report> {
    let mut quote = [0_u8; QUOTE];
    let mut control = Control([0; CONTROL]);
    // SAFETY: all zeroes is a valid value of both C structs.
    let (mut name, mut header) =
        unsafe { (mem::zeroed::<sockaddr_storage>(), mem::zeroed::<msghdr>()) };
    let mut vector = iovec {
        iov_base: quote.as_mut_ptr().cast(),
        iov_len: QUOTE,
    };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = CONTROL as _;
    // SAFETY: the header points to locals that outlive the call and are as long as it says.
    let length = unsafe {
        libc::recvmsg(
            fd.as_raw_fd(),
            &raw mut header,
            libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
        )
    };
    let Ok(length) = usize::try_from(length) else {
        return Err(io::Error::last_os_error());
    };
    let (Some(destination), Some(reason)) = (address(&name), unreachable_reason(&header)) else {
        return Ok(Report::Ignorable);
    };
    Ok(Report::Unreachable(PeerUnreachable {
        destination,
        reason,
        quoted: Bytes::copy_from_slice(&quote[..length.min(QUOTE)]),
    }))
}

/// Calls `visit` with level, type and content of each control message.
fn for_each_control(header: &msghdr, mut visit: impl FnMut(c_int, c_int, &[u8])) {
    // SAFETY: `header` describes a control buffer of this module as the kernel has filled it, so
    // CMSG_FIRSTHDR and CMSG_NXTHDR stay inside it and give headers that are aligned, or null.
    unsafe {
        let mut message: *const cmsghdr = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let length = ((*message).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            let data = std::slice::from_raw_parts(libc::CMSG_DATA(message), length);
            visit((*message).cmsg_level, (*message).cmsg_type, data);
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
}

/// Our address and the drop counter.
fn packet_information(header: &msghdr) -> (Option<IpAddr>, Option<u32>) {
    let (mut local, mut drops) = (None, None);
    for_each_control(header, |level, kind, data| match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // in_pktinfo: interface, local address (ours even for a broadcast), address in the
            // header.
            if let Some(octets) = data
                .get(4..8)
                .and_then(|octets| <[u8; 4]>::try_from(octets).ok())
            {
                local = Some(IpAddr::V4(Ipv4Addr::from(octets)));
            }
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            if let Some(octets) = data
                .get(..16)
                .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
            {
                local = Some(IpAddr::V6(Ipv6Addr::from(octets)));
            }
        }
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
            drops = data
                .get(..4)
                .and_then(|octets| octets.try_into().ok())
                .map(u32::from_ne_bytes);
        }
        _ => {}
    });
    (local, drops)
}

/// The reason in a `sock_extended_err`, if it is one of those that RFC 3261 §18.4 wants reported.
fn unreachable_reason(header: &msghdr) -> Option<Unreachable> {
    let mut reason = None;
    for_each_control(header, |level, kind, data| {
        let known = matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        // sock_extended_err: errno in four bytes, then origin, type and code in one each.
        if let (true, Some(&[origin, kind, code])) = (known, data.get(4..7)) {
            reason = match origin {
                libc::SO_EE_ORIGIN_ICMP => icmp_reason(kind, code),
                libc::SO_EE_ORIGIN_ICMP6 => icmp6_reason(kind, code),
                _ => None,
            };
        }
    });
    reason
}

/// RFC 792 and RFC 1812 §5.2.7.1. Source quench and time exceeded are ignored, and so is
/// "fragmentation needed", since we let the network fragment.
fn icmp_reason(kind: u8, code: u8) -> Option<Unreachable> {
    match (kind, code) {
        (3, 4) => None,
        (3, 0 | 6 | 11) => Some(Unreachable::Network),
        (3, 1 | 5 | 7 | 8 | 12) => Some(Unreachable::Host),
        (3, 2) => Some(Unreachable::Protocol),
        (3, 3) => Some(Unreachable::Port),
        (3, 9 | 10 | 13) => Some(Unreachable::Prohibited),
        (3 | 12, _) => Some(Unreachable::Other),
        _ => None,
    }
}

/// RFC 4443 §3.1 and §3.4.
fn icmp6_reason(kind: u8, code: u8) -> Option<Unreachable> {
    match (kind, code) {
        (1, 0) => Some(Unreachable::Network),
        (1, 1 | 5 | 6) => Some(Unreachable::Prohibited),
        (1, 3) => Some(Unreachable::Host),
        (1, 4) => Some(Unreachable::Port),
        (4, 1) => Some(Unreachable::Protocol),
        (1 | 4, _) => Some(Unreachable::Other),
        _ => None,
    }
}

/// Writes the control message that asks for a source address; the length of the control data.
fn set_source(header: &msghdr, outgoing: &Outgoing<'_>) -> usize {
    match (outgoing.source, outgoing.destination) {
        (Some(IpAddr::V4(source)), SocketAddr::V4(_)) => {
            let information = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(source.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            set_control(header, libc::IPPROTO_IP, libc::IP_PKTINFO, information)
        }
        (Some(IpAddr::V6(source)), SocketAddr::V6(destination)) => {
            let information = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: source.octets(),
                },
                // A link-local address means nothing without its link.
                ipi6_ifindex: if source.is_unicast_link_local() {
                    destination.scope_id()
                } else {
                    0
                },
            };
            set_control(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, information)
        }
        _ => 0,
    }
}

fn set_control<T: Copy>(header: &msghdr, level: c_int, kind: c_int, content: T) -> usize {
    let size = size_of::<T>() as u32;
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute. The control buffer is CONTROL bytes, aligned,
    // and `content` fits (asserted), so the first header and its data lie inside it.
    unsafe {
        let space = libc::CMSG_SPACE(size) as usize;
        assert!(
            space <= CONTROL,
            "the control buffer holds any packet information"
        );
        let message = libc::CMSG_FIRSTHDR(header);
        if message.is_null() {
            return 0;
        }
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast::<T>(), content);
        space
    }
}

/// The address that the kernel wrote.
fn address(name: &sockaddr_storage) -> Option<SocketAddr> {
    let place: *const sockaddr_storage = name;
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which struct it is, and `sockaddr_storage` is large and
            // aligned enough for it.
            let name = unsafe { &*place.cast::<sockaddr_in>() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*place.cast::<sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Writes `address` for the kernel; its length.
fn set_address(name: &mut sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    let place: *mut sockaddr_storage = name;
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: `sockaddr_storage` is large and aligned enough for any address.
            let name = unsafe { &mut *place.cast::<sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            size_of::<sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let name = unsafe { &mut *place.cast::<sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_flowinfo = 0;
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_scope_id = address.scope_id();
            size_of::<sockaddr_in6>() as libc::socklen_t
        }
    }
}
