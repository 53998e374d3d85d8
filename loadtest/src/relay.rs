use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::Message;
use crate::ports::free_port;

/// Who sent a datagram that a relay carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The side that speaks first.
    Client,
    /// The side that the relay was pointed at.
    Server,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It never arrives.
    Drop,
    /// It arrives after the next one that goes the same way.
    Hold,
    /// It arrives.
    Pass,
    /// It arrives twice.
    Twice,
}

/// A datagram that came to a relay.
#[derive(Clone, Debug)]
pub struct Crossed {
    /// Who sent it.
    pub side: Side,
    /// Its true source.
    pub source: SocketAddr,
    /// Where it was sent on to.
    pub destination: SocketAddr,
    /// When.
    pub at: SystemTime,
    /// What became of it.
    pub fate: Fate,
    /// What it held.
    pub bytes: Vec<u8>,
}

impl Crossed {
    /// The message in it.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        Message::read(&self.bytes)
    }
}

type Rule = Box<dyn FnMut(Side, &[u8]) -> Fate + Send>;

struct Shared {
    near: UdpSocket,
    far: UdpSocket,
    target: SocketAddr,
    client: Mutex<Option<SocketAddr>>,
    rule: Mutex<Rule>,
    crossed: Mutex<Vec<Crossed>>,
    stopped: AtomicBool,
}

/// A UDP relay in front of a server: it records what crosses and does to it what its rule says.
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Relay {
    /// Passes everything on to `target`.
    #[must_use]
    pub fn transparent(target: SocketAddr) -> Self {
        Self::start(target, |_, _| Fate::Pass)
    }

    /// Asks `rule` about every datagram, in order of arrival.
    ///
    /// # Panics
    ///
    /// When it cannot bind its sockets.
    #[must_use]
    pub fn start(
        target: SocketAddr,
        rule: impl FnMut(Side, &[u8]) -> Fate + Send + 'static,
    ) -> Self {
        let bind = || {
            let socket =
                UdpSocket::bind((Ipv4Addr::LOCALHOST, free_port())).expect("the port was free");
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .expect("not zero");
            socket
        };
        let shared = Arc::new(Shared {
            near: bind(),
            far: bind(),
            target,
            client: Mutex::default(),
            rule: Mutex::new(Box::new(rule)),
            crossed: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let address = shared
            .near
            .local_addr()
            .expect("a bound socket has an address");
        for side in [Side::Client, Side::Server] {
            let shared = shared.clone();
            thread::spawn(move || shared.carry(side));
        }
        Self { shared, address }
    }

    /// Where the client has to send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that has come so far.
    #[must_use]
    pub fn crossed(&self) -> Vec<Crossed> {
        self.shared
            .crossed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The messages of one side that were passed on.
    #[must_use]
    pub fn messages(&self, side: Side) -> Vec<Message> {
        let passed = |crossed: &Crossed| crossed.side == side && crossed.fate != Fate::Drop;
        self.crossed()
            .iter()
            .filter(|crossed| passed(crossed))
            .filter_map(Crossed::message)
            .collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn carry(&self, side: Side) {
        let (from, to) = match side {
            Side::Client => (&self.near, &self.far),
            Side::Server => (&self.far, &self.near),
        };
        let mut buffer = vec![0; 65_535];
        let mut held: Option<Vec<u8>> = None;
        while !self.stopped.load(Ordering::Relaxed) {
            let Ok((count, source)) = from.recv_from(&mut buffer) else {
                continue;
            };
            let Some(destination) = self.destination(side, source) else {
                continue;
            };
            let bytes = &buffer[..count];
            let fate = self.rule.lock().unwrap_or_else(PoisonError::into_inner)(side, bytes);
            let copies = match fate {
                Fate::Drop | Fate::Hold => 0,
                Fate::Pass => 1,
                Fate::Twice => 2,
            };
            for _ in 0..copies {
                to.send_to(bytes, destination).ok();
            }
            // One that waits follows whatever comes after it, even a lost one.
            if let Some(late) = held.take() {
                to.send_to(&late, destination).ok();
            }
            if fate == Fate::Hold {
                held = Some(bytes.to_vec());
            }
            let crossed = Crossed {
                side,
                source,
                destination,
                at: SystemTime::now(),
                fate,
                bytes: bytes.to_vec(),
            };
            self.crossed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(crossed);
        }
    }

    fn destination(&self, side: Side, source: SocketAddr) -> Option<SocketAddr> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match side {
            Side::Client => {
                *client = Some(source);
                Some(self.target)
            }
            Side::Server => *client,
        }
    }
}

/// A rule that loses, doubles and swaps datagrams at these rates (in a thousand), always the same for one seed.
pub fn chaos(
    seed: u64,
    loss: u64,
    double: u64,
    swap: u64,
) -> impl FnMut(Side, &[u8]) -> Fate + Send + 'static {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 1000 {
            draw if draw < loss => Fate::Drop,
            draw if draw < loss + double => Fate::Twice,
            draw if draw < loss + double + swap => Fate::Hold,
            _ => Fate::Pass,
        }
    }
}
