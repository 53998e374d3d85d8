//! The sound of a phone: RTP over loopback, one thread that listens.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use media::codec::{Codec, Decoder, Encoder};

use crate::phone::{Msg, between, sdp};
use crate::wave;

/// An RTP socket that remembers what it hears.
pub(crate) struct Sound {
    socket: Arc<UdpSocket>,
    port: u16,
    heard: Arc<Mutex<Vec<Packet>>>,
    over: Arc<AtomicBool>,
    sequence: AtomicU16,
    timestamp: AtomicU32,
}

/// An RTP packet.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

impl Sound {
    pub(crate) fn new() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = socket.local_addr().unwrap().port();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let (heard, over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (reader, list, stop) = (Arc::clone(&socket), Arc::clone(&heard), Arc::clone(&over));
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, _)) = reader.recv_from(&mut buffer) {
                    listen(&buffer[..length], &list);
                }
            }
        });
        Self {
            socket,
            port,
            heard,
            over,
            sequence: AtomicU16::new(1),
            timestamp: AtomicU32::new(160),
        }
    }

    /// An offer or answer with these formats.
    pub(crate) fn sdp(&self, formats: &str) -> String {
        sdp(self.port, formats)
    }

    pub(crate) fn send(&self, to: SocketAddr, kind: u8, payload: &[u8]) {
        let timestamp = self.timestamp.fetch_add(160, Ordering::Relaxed);
        self.send_at(to, kind, timestamp, payload);
    }

    fn send_at(&self, to: SocketAddr, kind: u8, timestamp: u32, payload: &[u8]) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let mut packet = vec![0x80, kind];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, self.port.to_be_bytes()[0], self.port.to_be_bytes()[1]]);
        packet.extend(payload);
        self.send_raw(to, &packet);
    }

    pub(crate) fn send_raw(&self, to: SocketAddr, packet: &[u8]) {
        self.socket.send_to(packet, to).unwrap();
    }

    /// Says a tone, in PCMU (0) or PCMA (8), at the pace of speech.
    pub(crate) fn say(&self, to: SocketAddr, kind: u8, hertz: &[f64], length: Duration) {
        let codec = if kind == 8 { Codec::Pcma } else { Codec::Pcmu };
        let mut encoder = Encoder::new(codec);
        let began = Instant::now();
        let frames = length.as_millis() / 20;
        for frame in 0..frames {
            let mut payload = Vec::new();
            let samples: Vec<i16> = (0..160)
                .map(|at| tone(hertz, frame as usize * 160 + at))
                .collect();
            encoder.encode(&samples, &mut payload);
            self.send(to, kind, &payload);
            let next = began + Duration::from_millis(20) * (frame as u32 + 1);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Says frames of a tone, in PCMU, all at once; how long that has taken.
    pub(crate) fn burst(&self, to: SocketAddr, hertz: &[f64], frames: usize) -> Duration {
        let mut encoder = Encoder::new(Codec::Pcmu);
        let mut payloads = vec![Vec::new(); frames];
        for (frame, payload) in payloads.iter_mut().enumerate() {
            let samples: Vec<i16> = (0..160).map(|at| tone(hertz, frame * 160 + at)).collect();
            encoder.encode(&samples, payload);
        }
        let began = Instant::now();
        for payload in payloads {
            self.send(to, 0, &payload);
        }
        began.elapsed()
    }

    /// Presses a key as a telephone event (RFC 4733): while it is down, and three times its end.
    pub(crate) fn press(&self, to: SocketAddr, kind: u8, key: char) {
        let event = "0123456789*#ABCD".find(key).unwrap() as u8;
        let timestamp = self.timestamp.fetch_add(1600, Ordering::Relaxed);
        for step in 1..=5u16 {
            let duration = (step * 160).to_be_bytes();
            self.send_at(to, kind, timestamp, &[event, 10, duration[0], duration[1]]);
            thread::sleep(Duration::from_millis(20));
        }
        for _ in 0..3 {
            let duration = 960u16.to_be_bytes();
            self.send_at(
                to,
                kind,
                timestamp,
                &[event, 0x8a, duration[0], duration[1]],
            );
        }
    }

    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.heard.lock().unwrap().clone()
    }

    /// What was heard since then, decoded.
    pub(crate) fn since(&self, when: Instant) -> Vec<i16> {
        let mut samples = Vec::new();
        for packet in self.packets().iter().filter(|packet| packet.at >= when) {
            let codec = match packet.kind {
                0 => Codec::Pcmu,
                8 => Codec::Pcma,
                _ => continue,
            };
            Decoder::new(codec).decode(&packet.payload, &mut samples);
        }
        samples
    }

    /// Waits until 80 ms in a row are nothing but these frequencies.
    #[track_caller]
    pub(crate) fn expect_tone(&self, hertz: &[f64], since: Instant) {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let heard = self.since(since);
            if heard
                .windows(640)
                .step_by(80)
                .any(|part| is_tone(part, hertz))
            {
                return;
            }
            assert!(
                Instant::now() < until,
                "{hertz:?} was not heard in {} samples, of {} packets",
                heard.len(),
                self.packets().len()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The keys that came as telephone events under this payload type.
    pub(crate) fn keys(&self, kind: u8) -> String {
        let mut keys = String::new();
        let mut last = None;
        for packet in self.packets().iter().filter(|packet| packet.kind == kind) {
            let timestamp = packet.raw[4..8].to_vec();
            if last.as_ref() != Some(&timestamp) {
                keys.push(char::from(
                    b"0123456789*#ABCD"[usize::from(packet.payload[0])],
                ));
                last = Some(timestamp);
            }
        }
        keys
    }

    #[track_caller]
    pub(crate) fn expect_keys(&self, kind: u8, keys: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.keys(kind) != keys {
            assert!(
                Instant::now() < until,
                "{keys} did not come, but {}",
                self.keys(kind)
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn listen(raw: &[u8], list: &Mutex<Vec<Packet>>) {
    if raw.len() < 12 || raw[0] >> 6 != 2 {
        return;
    }
    list.lock().unwrap().push(Packet {
        at: Instant::now(),
        kind: raw[1] & 0x7f,
        payload: raw[12..].to_vec(),
        raw: raw.to_vec(),
    });
}

/// A sample of a tone at 8 kHz.
pub(crate) fn tone(hertz: &[f64], at: usize) -> i16 {
    wave::sample(hertz, 8000, at)
}

/// Whether nearly all power of some samples at 8 kHz is in these frequencies.
pub(crate) fn is_tone(samples: &[i16], hertz: &[f64]) -> bool {
    let shares = hertz
        .iter()
        .map(|hertz| wave::share_of(*hertz, samples, 8000));
    wave::loudness(samples) > 90.0
        && shares.clone().sum::<f64>() > 0.8
        && shares.into_iter().all(|share| share > 0.15)
}

/// Where a description wants its sound.
pub(crate) fn address_of(msg: &Msg) -> SocketAddr {
    let host = between(&msg.body, "c=IN IP4 ", "\r\n");
    let port = between(&msg.body, "m=audio ", " ");
    format!("{host}:{port}").parse().unwrap()
}
