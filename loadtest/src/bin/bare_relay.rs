//! The floor under every proxy: the same datagrams, received and sent in batches, and nothing else.
//!
//! ```text
//! bare_relay [LISTEN [CALLER [CALLEE [CPU]]]]
//! ```
//!
//! What comes from CALLEE goes to CALLER, all else to CALLEE; a full batch is waited for by nobody.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use nix::unistd::Pid;

/// Datagrams in one system call.
const BATCH: usize = 32;
/// No datagram of ours is longer.
const DATAGRAM_MAX: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = |index: usize, default: &str| -> Result<SocketAddrV4, std::net::AddrParseError> {
        arguments
            .get(index)
            .map_or(default, |text| text.as_str())
            .parse()
    };
    let socket = UdpSocket::bind(address(0, "127.0.0.1:5060")?)?;
    let caller = SockaddrIn::from(address(1, "127.0.0.1:5080")?);
    let callee = SockaddrIn::from(address(2, "127.0.0.1:5070")?);
    if let Some(cpu) = arguments.get(3) {
        let mut set = CpuSet::new();
        set.set(cpu.parse()?)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    // Without the right to exceed the machine's limit, the limit is what one gets.
    if setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &(8 << 20))?;
    }
    println!("listening");

    let fd = socket.as_raw_fd();
    let mut memory = vec![0; BATCH * DATAGRAM_MAX];
    let (mut received, mut sent) = (
        MultiHeaders::<SockaddrIn>::preallocate(BATCH, None),
        MultiHeaders::preallocate(BATCH, None),
    );
    loop {
        let (mut lengths, mut addresses) = ([0; BATCH], [None; BATCH]);
        let mut rooms = memory.chunks_exact_mut(DATAGRAM_MAX);
        let mut rooms: [[IoSliceMut<'_>; 1]; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let mut count = 0;
        // MSG_WAITFORONE: sleeps for the first datagram and takes what is there then.
        match recvmmsg(
            fd,
            &mut received,
            rooms.iter_mut(),
            MsgFlags::MSG_WAITFORONE,
            None,
        ) {
            Ok(messages) => {
                for message in messages {
                    let from_callee = message.address == Some(callee);
                    lengths[count] = message.bytes;
                    addresses[count] = Some(if from_callee { caller } else { callee });
                    count += 1;
                }
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let slices: [[IoSlice<'_>; 1]; BATCH] = array::from_fn(|slot| {
            let start = slot * DATAGRAM_MAX;
            [IoSlice::new(&memory[start..start + lengths[slot]])]
        });
        let mut first = 0;
        while first < count {
            let batch = slices[first..count].iter();
            match sendmmsg(
                fd,
                &mut sent,
                batch,
                &addresses[first..count],
                [],
                MsgFlags::empty(),
            ) {
                Ok(results) => first += results.count().max(1),
                // An earlier datagram could not be delivered: what became of it is not the relay's business.
                Err(_) => first += 1,
            }
        }
    }
}
