use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::sys::socket::SockaddrIn;

use crate::free_port;
use crate::generator::Timestamps;
use crate::generator::clock;
use crate::generator::socket::{Inbox, Outbox, bind};

const FRAME: usize = 160;
const HEADER: usize = 12;
const TICK: u64 = 20_000_000;

/// A packet that is off by more than this is counted as this.
const OFF_US_MAX: u64 = 10_000_000;

/// The sound of all calls: one thread that says, one that hears.
pub(super) struct Streams {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    peers: Mutex<Vec<SocketAddr>>,
    heard: Mutex<Heard>,
    is_over: AtomicBool,
}

/// What was heard in all calls together.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) packets: u64,
    pub(super) lost: u64,
    pub(super) off_us: Histogram<u64>,
}

impl Default for Heard {
    fn default() -> Self {
        let off_us = Histogram::new_with_max(OFF_US_MAX, 3);
        Self {
            packets: 0,
            lost: 0,
            off_us: off_us.expect("the bounds of a histogram"),
        }
    }
}

impl Streams {
    /// Says `sound`, µ-law, over and over.
    pub(super) fn start(sound: &[u8]) -> Self {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port());
        let socket = bind(address, Timestamps::Kernel).expect("a socket for sound");
        let shared = Arc::<Shared>::default();
        let (ours, theirs) = (socket.try_clone().expect("a socket twice"), sound.to_vec());
        let (for_saying, for_hearing) = (shared.clone(), shared.clone());
        let saying = thread::spawn(move || say(&ours, &theirs, &for_saying));
        let hearing = thread::spawn(move || hear(&socket, &for_hearing));
        Self {
            address: address.into(),
            shared,
            threads: vec![saying, hearing],
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn add(&self, peer: SocketAddr) {
        lock(&self.shared.peers).push(peer);
    }

    pub(super) fn remove(&self, peer: SocketAddr) {
        lock(&self.shared.peers).retain(|other| *other != peer);
    }

    /// Counts from nothing again.
    pub(super) fn forget(&self) {
        *lock(&self.shared.heard) = Heard::default();
    }

    pub(super) fn stop(mut self) -> Heard {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of sound");
        }
        lock(&self.shared.heard).clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A packet for each call every 20 ms, spread over that time so that they do not come in one burst.
fn say(socket: &UdpSocket, sound: &[u8], shared: &Shared) {
    let mut outbox = Outbox::new();
    let began = clock::now();
    let mut ticks: u64 = 0;
    while !shared.is_over.load(Ordering::Relaxed) {
        let peers = lock(&shared.peers).clone();
        let slices = 10;
        for slice in 0..slices {
            let due = began + ticks * TICK + slice * TICK / slices;
            let wait = due.saturating_sub(clock::now());
            thread::sleep(Duration::from_nanos(wait));
            let own = peers.iter().skip(slice as usize).step_by(slices as usize);
            for peer in own {
                let SocketAddr::V4(to) = peer else { continue };
                outbox.push(SockaddrIn::from(*to), (), |bytes| {
                    packet(bytes, sound, ticks, u32::from(peer.port()));
                });
            }
            outbox.flush(socket, |(), _| {});
        }
        ticks += 1;
    }
}

/// RFC 3550: version 2, µ-law.
fn packet(bytes: &mut Vec<u8>, sound: &[u8], tick: u64, source: u32) {
    bytes.extend_from_slice(&[0x80, 0]);
    bytes.extend_from_slice(&(tick as u16).to_be_bytes());
    bytes.extend_from_slice(&((tick * FRAME as u64) as u32).to_be_bytes());
    bytes.extend_from_slice(&source.to_be_bytes());
    let frames = (sound.len() / FRAME).max(1);
    let begin = tick as usize % frames * FRAME;
    bytes.extend_from_slice(&sound[begin..begin + FRAME]);
}

/// The packet before, of one call.
struct Last {
    source: [u8; 4],
    number: u16,
    timestamp: u32,
    at: u64,
}

fn hear(socket: &UdpSocket, shared: &Shared) {
    let mut inbox = Inbox::new();
    let mut lasts: HashMap<SockaddrIn, Last> = HashMap::new();
    while !shared.is_over.load(Ordering::Relaxed) {
        let offset = clock::wall_offset();
        let mut heard = lock(&shared.heard);
        let mut count = 0;
        while let some @ 1.. = inbox.receive(socket, offset, |bytes, from, at| {
            if let Some(next) = bytes.and_then(|bytes| read(bytes, at)) {
                heard.packets += 1;
                if let Some(last) = lasts.get(&from) {
                    heard.compare(last, &next);
                }
                lasts.insert(from, next);
            }
        }) {
            count += some;
            if count > 2000 {
                break;
            }
        }
        drop(heard);
        thread::sleep(Duration::from_millis(2));
    }
}

/// The head of a packet of sound; events and everything else are passed over.
fn read(bytes: &[u8], at: u64) -> Option<Last> {
    let head: &[u8; HEADER] = bytes.first_chunk()?;
    if head[0] >> 6 != 2 || head[1] & 0x7f != 0 {
        return None;
    }
    Some(Last {
        source: [head[8], head[9], head[10], head[11]],
        number: u16::from_be_bytes([head[2], head[3]]),
        timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        at,
    })
}

impl Heard {
    fn compare(&mut self, last: &Last, next: &Last) {
        if last.source != next.source {
            return;
        }
        let numbers = next.number.wrapping_sub(last.number);
        // What is far away came late or is another call at the same port.
        if numbers == 0 || numbers > 1000 {
            return;
        }
        self.lost += u64::from(numbers - 1);
        let planned = u64::from(next.timestamp.wrapping_sub(last.timestamp)) * 125_000;
        let off = next.at.saturating_sub(last.at).abs_diff(planned) / 1000;
        self.off_us.saturating_record(off.min(OFF_US_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_and_what_is_lost_is_counted() {
        let made = |number: u16, at_ms: u64| {
            let mut bytes = Vec::new();
            packet(&mut bytes, &[0; FRAME], u64::from(number), 7);
            read(&bytes, at_ms * 1_000_000).expect("a packet")
        };
        let mut heard = Heard::default();
        heard.compare(&made(1, 0), &made(2, 20));
        assert_eq!((heard.lost, heard.off_us.max()), (0, 0));
        heard.compare(&made(2, 20), &made(5, 83));
        assert_eq!(heard.lost, 2);
        assert!(
            (2990..3010).contains(&heard.off_us.max()),
            "{}",
            heard.off_us.max()
        );
    }
}
