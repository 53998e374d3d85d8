//! Media without sound: real ports, nominal durations.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::gauges::{Gauges, Held};
use crate::run::{self, nominal};
use crate::task::Task;

use super::rtp::Keys;
use super::{Media, MediaEngine, MediaEvent, MediaEvents, MediaPeer, RtpPorts};

/// The engine that renders no sound.
#[derive(Debug)]
pub struct SilentEngine {
    ports: RtpPorts,
    gauges: Arc<Gauges>,
    random: u32,
}

impl SilentEngine {
    pub(crate) fn new(ports: RtpPorts, gauges: Arc<Gauges>, random: u32) -> Self {
        Self {
            ports,
            gauges,
            random,
        }
    }
}

impl MediaEngine for SilentEngine {
    fn open(&mut self, address: IpAddr, events: MediaEvents) -> io::Result<Box<dyn Media>> {
        // A step that has no factor in common with the number of pairs, or hardly one.
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let pair = self.ports.bind(address, self.random >> 8)?;
        let local = pair.rtp.local_addr()?;
        let (peer, told) = watch::channel(None);
        let rtp = UdpSocket::from_std(pair.rtp)?;
        let rtcp = UdpSocket::from_std(pair.rtcp)?;
        let reader = Task::spawn(&self.gauges, read(rtp, rtcp, told, events.clone()));
        let held = Held::new(&self.gauges, |gauges| &gauges.rtp_ports, 2);
        let gauges = Arc::clone(&self.gauges);
        Ok(Box::new(Silent {
            local,
            peer,
            events,
            gauges,
            playing: Vec::new(),
            _reader: reader,
            _held: held,
        }))
    }
}

struct Silent {
    local: SocketAddr,
    peer: watch::Sender<Option<MediaPeer>>,
    events: MediaEvents,
    gauges: Arc<Gauges>,
    playing: Vec<(run::Media, Task)>,
    _reader: Task,
    _held: Held,
}

impl Media for Silent {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn set_peer(&mut self, peer: MediaPeer) {
        self.peer.send_replace(Some(peer));
    }

    fn start(&mut self, medium: &run::Media) {
        self.playing.retain(|(_, task)| !task.is_finished());
        let (after, outcome) = nominal::render(&medium.kind);
        let (id, events) = (medium.id, self.events.clone());
        let task = Task::spawn(&self.gauges, async move {
            tokio::time::sleep(after).await;
            events.send(MediaEvent::Done(id, outcome)).await;
        });
        self.playing.push((medium.clone(), task));
    }

    fn stop(&mut self, id: run::MediaId) {
        let Some(at) = self.playing.iter().position(|(medium, _)| medium.id == id) else {
            return;
        };
        let (medium, task) = self.playing.swap_remove(at);
        drop(task);
        if let Some(outcome) = nominal::stop(&medium.kind) {
            let events = self.events.clone();
            let task = Task::spawn(&self.gauges, async move {
                events.send(MediaEvent::Done(id, outcome)).await;
            });
            self.playing.push((medium, task));
        }
    }
}

/// Reads and drops all that arrives, but for keys from the peer's address.
async fn read(
    rtp: UdpSocket,
    rtcp: UdpSocket,
    peer: watch::Receiver<Option<MediaPeer>>,
    events: MediaEvents,
) {
    let mut packet = [0; 2048];
    let mut report = [0; 2048];
    let mut keys = Keys::default();
    loop {
        // An error is what ICMP said about a peer; the socket is as good as before.
        let arrived = tokio::select! {
            arrived = rtp.recv_from(&mut packet) => arrived,
            _ = rtcp.recv_from(&mut report) => continue,
        };
        let Ok((length, source)) = arrived else {
            continue;
        };
        let Some(MediaPeer {
            address: Some(address),
            events: Some(payload),
            ..
        }) = *peer.borrow()
        else {
            continue;
        };
        // Behind NAT the port differs; the address decides who may press keys.
        if source.ip() == address.ip()
            && let Some(key) = packet
                .get(..length)
                .and_then(|packet| keys.read(packet, payload))
        {
            events.offer(MediaEvent::Digit(key));
        }
    }
}
