//! Datagrams in batches, through safe wrappers of recvmmsg and sendmmsg.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, getsockopt, recvmmsg, sendmmsg,
    setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use super::clock;
use super::config::Timestamps;

/// Datagrams in one system call.
pub(crate) const BATCH: usize = 32;

/// A longer datagram is malformed to us.
const DATAGRAM_MAX: usize = 4096;
/// Bytes asked for as receive buffer. The kernel doubles it.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How often a send that the kernel has no room for is tried again.
const TRIES: usize = 100;

/// A bound socket that never blocks.
pub(crate) fn bind(address: SocketAddrV4, timestamps: Timestamps) -> io::Result<UdpSocket> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let socket = UdpSocket::bind(address).map_err(explain)?;
    socket.set_nonblocking(true)?;
    // More than the machine's limit needs a right; without it the limit is what one gets.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    setsockopt(
        &socket,
        sockopt::ReceiveTimestampns,
        &(timestamps == Timestamps::Kernel),
    )?;
    Ok(socket)
}

/// What the kernel gave, in bytes.
pub(crate) fn receive_buffer(socket: &UdpSocket) -> usize {
    getsockopt(socket, sockopt::RcvBuf).unwrap_or(0)
}

/// The memory behind recvmmsg.
pub(crate) struct Inbox {
    memory: Box<[u8]>,
    headers: MultiHeaders<SockaddrIn>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        // The only control message is the time, so all of them are equally long: the wrapper relies on that, since
        // it does not give the kernel the full room again.
        let control = nix::cmsg_space!(TimeSpec);
        Self {
            memory: vec![0; BATCH * DATAGRAM_MAX].into(),
            headers: MultiHeaders::preallocate(BATCH, Some(control)),
        }
    }

    /// One recvmmsg: how many there were, each shown to `each` with its source and its time on the monotonic clock.
    /// `None` in place of the bytes: it was too long.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        wall_offset: i64,
        mut each: impl FnMut(Option<&[u8]>, SockaddrIn, u64),
    ) -> usize {
        let mut rooms = self.memory.chunks_exact_mut(DATAGRAM_MAX);
        let mut rooms: [[IoSliceMut<'_>; 1]; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let headers = &mut self.headers;
        let flags = MsgFlags::MSG_DONTWAIT;
        let Ok(messages) = recvmmsg(socket.as_raw_fd(), headers, rooms.iter_mut(), flags, None)
        else {
            // Nothing there, or a report about an earlier datagram that the call has taken off.
            return 0;
        };
        let now = clock::now();
        let mut count = 0;
        for message in messages {
            count += 1;
            let stamp = message
                .cmsgs()
                .ok()
                .and_then(|mut controls| controls.next());
            let time = match stamp {
                Some(ControlMessageOwned::ScmTimestampns(wall)) => {
                    clock::nanoseconds(wall).saturating_add_signed(wall_offset)
                }
                _ => now,
            };
            let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
            let bytes = message.iovs().next().unwrap_or_default();
            if let Some(source) = message.address {
                each(whole.then_some(bytes), source, time);
            }
        }
        count
    }
}

/// Messages to be sent, in one piece of memory that is used again and again.
pub(crate) struct Outbox<M> {
    bytes: Vec<u8>,
    entries: Vec<Entry<M>>,
    headers: MultiHeaders<SockaddrIn>,
    pub(crate) datagrams: u64,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
}

struct Entry<M> {
    end: usize,
    to: SockaddrIn,
    mark: M,
}

impl<M: Copy> Outbox<M> {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            headers: MultiHeaders::preallocate(BATCH, None),
            datagrams: 0,
            calls: 0,
            errors: 0,
        }
    }

    /// Appends a message that `write` writes. It is sent by [`Self::flush`], which tells `mark` when.
    pub(crate) fn push(&mut self, to: SockaddrIn, mark: M, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        let end = self.bytes.len();
        self.entries.push(Entry { end, to, mark });
    }

    /// Takes everything out unsent.
    #[cfg(test)]
    pub(crate) fn take(&mut self) -> Vec<(M, SockaddrIn, Vec<u8>)> {
        let mut start = 0;
        let bytes = std::mem::take(&mut self.bytes);
        let entries = self.entries.drain(..).map(|entry| {
            let message = bytes[start..entry.end].to_vec();
            start = entry.end;
            (entry.mark, entry.to, message)
        });
        entries.collect()
    }

    /// Sends all of it. A batch takes a while, so each message is told its share of that time.
    pub(crate) fn flush(&mut self, socket: &UdpSocket, mut each: impl FnMut(M, u64)) {
        let (mut start, mut next, mut tries) = (0, 0, 0);
        while next < self.entries.len() {
            let batch = &self.entries[next..self.entries.len().min(next + BATCH)];
            let mut first = start;
            let slices: [[IoSlice<'_>; 1]; BATCH] = array::from_fn(|index| {
                let end = batch.get(index).map_or(first, |entry| entry.end);
                let slice = &self.bytes[first..end];
                first = end;
                [IoSlice::new(slice)]
            });
            let addresses: [Option<SockaddrIn>; BATCH] =
                array::from_fn(|index| batch.get(index).map(|entry| entry.to));
            let (fd, headers) = (socket.as_raw_fd(), &mut self.headers);
            let (slices, addresses) = (slices[..batch.len()].iter(), &addresses[..batch.len()]);
            let before = clock::now();
            let sent = match sendmmsg(fd, headers, slices, addresses, [], MsgFlags::MSG_DONTWAIT) {
                Ok(results) => results.count(),
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) if tries < TRIES => {
                    tries += 1;
                    std::thread::yield_now();
                    continue;
                }
                // The first one cannot be sent: lost, as on any network.
                Err(_) => {
                    self.errors += 1;
                    0
                }
            };
            let share = (clock::now() - before) / sent.max(1) as u64;
            self.calls += 1;
            self.datagrams += sent as u64;
            for (index, entry) in batch[..sent.max(1)].iter().enumerate() {
                each(entry.mark, before + share * index as u64);
                start = entry.end;
            }
            next += sent.max(1);
            tries = 0;
        }
        self.bytes.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn batches_arrive_in_order_with_their_times() {
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let sender = bind(local, Timestamps::Kernel).unwrap();
        let receiver = bind(local, Timestamps::Kernel).unwrap();
        let std::net::SocketAddr::V4(to) = receiver.local_addr().unwrap() else {
            panic!("it is IPv4")
        };
        assert!(receive_buffer(&receiver) > 0);
        let mut outbox = Outbox::new();
        let count = 3 * BATCH + 5;
        for index in 0..count {
            let text = format!("message {index} {}", "x".repeat(index * 3));
            outbox.push(to.into(), index, |out| {
                out.extend_from_slice(text.as_bytes())
            });
        }
        let mut sent = Vec::new();
        outbox.flush(&sender, |index, time| sent.push((index, time)));
        assert_eq!(sent.len(), count);
        let mut inbox = Inbox::new();
        let mut seen = 0;
        // Loopback delivers before sendmmsg returns.
        while seen < count {
            let offset = clock::wall_offset();
            let got = inbox.receive(&receiver, offset, |bytes, source, time| {
                let text = format!("message {seen} {}", "x".repeat(seen * 3));
                assert_eq!(bytes, Some(text.as_bytes()));
                assert_eq!(source.port(), sender.local_addr().unwrap().port());
                let (index, left) = sent[seen];
                assert_eq!(index, seen);
                // The same clock, within what a busy machine does between two readings.
                assert!(time.abs_diff(left) < 1_000_000_000, "{time} {left}");
                seen += 1;
            });
            assert!(got > 0, "{seen}");
        }
        assert_eq!(
            (outbox.datagrams, outbox.calls, outbox.errors),
            (count as u64, 4, 0)
        );
    }

    #[test]
    fn what_is_too_long_is_told_apart() {
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let receiver = bind(local, Timestamps::Batch).unwrap();
        let to = receiver.local_addr().unwrap();
        let sender = bind(local, Timestamps::Batch).unwrap();
        sender.send_to(&[b'x'; DATAGRAM_MAX + 1], to).unwrap();
        sender.send_to(&[b'y'; DATAGRAM_MAX], to).unwrap();
        let mut lengths = Vec::new();
        Inbox::new().receive(&receiver, 0, |bytes, _, _| {
            lengths.push(bytes.map(<[u8]>::len))
        });
        assert_eq!(lengths, [None, Some(DATAGRAM_MAX)]);
    }
}
