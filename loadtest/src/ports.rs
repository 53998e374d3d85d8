use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below the range from which the kernel serves port 0 and outgoing connections, so that nothing takes a port
/// between this look at it and its use; and below the media ports of the executor.
const RANGE: Range<u16> = 10_000..20_000;

/// SIPp takes a media port, the one after it and the one two further on.
const STEP: u16 = 4;

struct Taken {
    next: u16,
    ports: HashSet<u16>,
}

/// Ports that this process has already handed out.
static TAKEN: LazyLock<Mutex<Taken>> = LazyLock::new(|| {
    // Suites that run at the same time begin at different places.
    let steps = u32::from((RANGE.end - RANGE.start) / STEP);
    let first = (std::process::id() * 37 % steps) as u16;
    Mutex::new(Taken {
        next: RANGE.start + STEP * first,
        ports: HashSet::new(),
    })
});

/// A port that is free on UDP and TCP, on IPv4 and `[::1]`, and was not handed out before; the three after it are free to
/// whoever got it. It is even, as RTP likes.
///
/// # Panics
///
/// When no such port can be found.
#[must_use]
pub fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..RANGE.len() {
        let port = taken.next;
        let rest = port + 1..port + STEP;
        taken.next = if port + STEP < RANGE.end {
            port + STEP
        } else {
            RANGE.start
        };
        let is_free = is_free(port) && rest.into_iter().all(takes_datagrams);
        if is_free && taken.ports.insert(port) {
            return port;
        }
    }
    panic!("no free port on this machine");
}

fn takes_datagrams(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// Whether every kind of socket of the suite can be bound to `port` now.
pub(crate) fn is_free(port: u16) -> bool {
    takes_datagrams(port)
        && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
}
