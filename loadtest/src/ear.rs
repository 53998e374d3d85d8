use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::free_port;
use crate::hear::Sound;

/// How long what has to be heard may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Packets that are kept: twenty minutes of them.
const PACKETS_MAX: usize = 60_000;

/// A place that RTP of µ-law goes to, and nothing comes from: the media of a recording server.
#[derive(Debug)]
pub struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    others: Arc<Mutex<BTreeSet<u8>>>,
    is_over: Arc<AtomicBool>,
}

impl Default for Ear {
    fn default() -> Self {
        Self::new()
    }
}

impl Ear {
    /// On 127.0.0.1, at a free port.
    ///
    /// # Panics
    ///
    /// When it is not free any more.
    #[must_use]
    pub fn new() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let socket = UdpSocket::bind(address).expect("a free port");
        let within = Some(Duration::from_millis(50));
        socket.set_read_timeout(within).expect("a socket can wait");
        let heard = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let is_over = Arc::<AtomicBool>::default();
        let others = Arc::<Mutex<BTreeSet<_>>>::default();
        let (into, beside, end) = (heard.clone(), others.clone(), is_over.clone());
        thread::spawn(move || listen(&socket, &into, &beside, &end));
        Self {
            address,
            heard,
            others,
            is_over,
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// An offer or answer of µ-law and nothing else: no telephone events.
    #[must_use]
    pub fn plain(&self) -> String {
        let (ip, port) = (self.address.ip(), self.port());
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\n"
        )
    }

    /// The payload types that came besides that of µ-law.
    #[must_use]
    pub fn others(&self) -> BTreeSet<u8> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.clone()
    }

    /// What has come, in the order of the sequence numbers; what is missing takes no time in it.
    #[must_use]
    pub fn heard(&self) -> Sound {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = heard.values().flatten().copied().collect();
        Sound::of_ulaw(&bytes)
    }

    /// Waits until what has come pleases `is_it`, and gives that.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn hears(&self, what: &str, is_it: impl Fn(&Sound) -> bool) -> Sound {
        let until = Instant::now() + PATIENCE;
        loop {
            let heard = self.heard();
            if is_it(&heard) {
                return heard;
            }
            assert!(Instant::now() < until, "no {what}, but {heard:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn listen(
    socket: &UdpSocket,
    into: &Mutex<BTreeMap<u64, Vec<u8>>>,
    beside: &Mutex<BTreeSet<u8>>,
    end: &AtomicBool,
) {
    let mut buffer = [0; 2048];
    let (mut rounds, mut last) = (0_u64, None::<u16>);
    while !end.load(Ordering::Relaxed) {
        let Ok((count, _)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        // RFC 3550 §5.1: version 2, no list of sources, no extension; PCMU.
        let [0x80, kind, high, low, ..] = buffer[..count] else {
            continue;
        };
        if kind & 0x7F != 0 || count < 12 {
            let mut beside = beside.lock().unwrap_or_else(PoisonError::into_inner);
            beside.insert(kind & 0x7F);
            continue;
        }
        let sequence = u16::from_be_bytes([high, low]);
        if last.is_some_and(|last| last > 0xC000 && sequence < 0x4000) {
            rounds += 1;
        }
        last = Some(sequence);
        let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
        if into.len() < PACKETS_MAX {
            into.insert(
                rounds << 16 | u64::from(sequence),
                buffer[12..count].to_vec(),
            );
        }
    }
}
