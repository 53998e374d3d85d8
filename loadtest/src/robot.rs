use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::answer;
use crate::{Message, Peer, sdp};

/// T1 and T2 of RFC 3261 §13.3.1.4.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);

/// A callee that keeps to RFC 3261 whatever the network does: it answers every INVITE, repeats its 200 until the
/// ACK, and knows a retransmission when it sees one, in any order.
#[derive(Debug)]
pub struct Robot {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
}

/// A call that is not acknowledged yet.
struct Waiting {
    wire: String,
    to: SocketAddr,
    next: Instant,
    pause: Duration,
}

impl Robot {
    /// Begins to listen.
    #[must_use]
    pub fn start() -> Self {
        let peer = Peer::bind();
        let address = peer.address();
        let (stopped, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stop, end) = (stopped.clone(), ended.clone());
        thread::spawn(move || {
            let mut calls: HashMap<String, Option<Waiting>> = HashMap::new();
            while !stop.load(Ordering::Relaxed) {
                if let Some((message, from)) = peer.receive_from(Duration::from_millis(20)) {
                    obey(&peer, &message, from, &mut calls, &end);
                }
                repeat(&peer, &mut calls);
            }
        });
        Self {
            address,
            stopped,
            ended,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls that were answered, acknowledged and ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Robot {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn obey(
    peer: &Peer,
    message: &Message,
    from: SocketAddr,
    calls: &mut HashMap<String, Option<Waiting>>,
    ended: &AtomicUsize,
) {
    let id = message.need("Call-ID").to_owned();
    match message.method() {
        Some("INVITE") => {
            let wire = answer(message, 200, peer.address(), &[], &sdp(peer.address()));
            peer.answer(message, from, 180, &[], "");
            peer.send(from, &wire);
            let waiting = Waiting {
                wire,
                to: from,
                next: Instant::now() + FIRST,
                pause: FIRST,
            };
            calls.entry(id).or_insert(Some(waiting));
        }
        Some("ACK") => {
            calls.insert(id, None);
        }
        Some("BYE") => {
            peer.answer(message, from, 200, &[], "");
            let known = calls.insert(format!("{id} ended"), None);
            ended.fetch_add(usize::from(known.is_none()), Ordering::Relaxed);
            calls.insert(id, None);
        }
        _ => {}
    }
}

fn repeat(peer: &Peer, calls: &mut HashMap<String, Option<Waiting>>) {
    let now = Instant::now();
    for waiting in calls
        .values_mut()
        .flatten()
        .filter(|waiting| waiting.next <= now)
    {
        peer.send(waiting.to, &waiting.wire);
        waiting.pause = (waiting.pause * 2).min(LONGEST);
        waiting.next = now + waiting.pause;
    }
}
