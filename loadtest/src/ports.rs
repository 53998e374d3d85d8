use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below the range from which the kernel serves port 0 and outgoing connections, so that nothing takes a port
/// between this look at it and its use; and below the media ports of the executor.
const RANGE: Range<u16> = 10_000..20_000;

/// SIPp takes a media port, the one after it and the one two further on.
const STEP: u16 = 4;

/// Ports that this process has already handed out.
static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

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
        let port = next().expect("the folder of temporary files can be written");
        let rest = port + 1..port + STEP;
        // One that somebody has got and not bound yet is not to be touched.
        if !taken.contains(&port) && is_free(port) && rest.into_iter().all(takes_datagrams) {
            taken.insert(port);
            return port;
        }
    }
    panic!("no free port on this machine");
}

/// The next port in turn, which is counted in a file: suites that run at the same time do not get the same.
fn next() -> io::Result<u16> {
    let user = fs::metadata("/proc/self")?.uid();
    let path = std::env::temp_dir().join(format!("hookswitch-next-port-{user}"));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path)?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let told = text.trim().parse().ok();
    let in_range = |port: &u16| RANGE.contains(port) && port.is_multiple_of(STEP);
    let port = told.filter(in_range).unwrap_or(RANGE.start);
    let after = if port + STEP < RANGE.end {
        port + STEP
    } else {
        RANGE.start
    };
    file.rewind()?;
    // Always five digits.
    write!(file, "{after}")?;
    Ok(port)
}

fn takes_datagrams(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// Whether somebody takes datagrams or connections at `port`, by the kernel's own tables: to try it by binding the port would
/// take it from whoever is about to.
pub(crate) fn is_heard(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let has = |table: &str, state: Option<&str>| {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().and_then(|local| local.rsplit_once(':'));
            let own = local.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            own == Some(port) && state.is_none_or(|state| words.nth(1) == Some(state))
        })
    };
    ["udp", "udp6"].iter().any(|table| has(table, None))
        || ["tcp", "tcp6"].iter().any(|table| has(table, Some(LISTEN)))
}

/// Whether every kind of socket of the suite can be bound to `port` now.
fn is_free(port: u16) -> bool {
    takes_datagrams(port)
        && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_heard_and_who_has_only_bound_a_stream_is_not() {
        let port = free_port();
        assert!(!is_heard(port));
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        assert!(is_heard(port));
        drop(datagrams);
        assert!(!is_heard(port));
        let connections = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).expect("a free port");
        assert!(is_heard(port));
        let address = connections.local_addr().expect("it is bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        let own = client.local_addr().expect("it is connected").port();
        assert!(!is_heard(own), "a connection is nobody who listens");
    }
}
