//! Phones, and what is heard on them.

use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use media::codec::{Codec, Decoder, Encoder};
use media::pcm::Pcm;
use media::{Config, Engine, Event, Peer, Session, Source};
pub(crate) use punctual::punctually;

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An engine with one worker.
pub(crate) fn engine() -> Engine {
    Engine::start(Config::default()).unwrap()
}

/// A session and what it tells.
pub(crate) fn open(engine: &Engine, affinity: u64) -> (Session, Events) {
    let (tell, events) = mpsc::channel();
    let sink = move |event| {
        // The test may be over.
        tell.send(event).ok();
    };
    let session = engine.open(LOCALHOST, affinity, Box::new(sink)).unwrap();
    (session, Events(events))
}

/// What a session or a room has told.
pub(crate) struct Events(pub(crate) Receiver<Event>);

impl Events {
    /// The next event, which must come.
    pub(crate) fn next(&self) -> Event {
        self.0.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// All that has come so far.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.try_iter().collect()
    }

    /// The keys among all that has come so far.
    pub(crate) fn keys(&self) -> String {
        let keys = self.0.try_iter().filter_map(|event| match event {
            Event::Digit { key } => Some(key),
            _ => None,
        });
        keys.collect()
    }
}

/// Waits until something holds, which must be soon.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A sink that forgets.
pub(crate) fn nobody(_: Event) {}

/// The other end of a session: a socket that sends and receives RTP.
pub(crate) struct Phone {
    pub(crate) socket: UdpSocket,
    pub(crate) codec: Codec,
    pub(crate) target: SocketAddr,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// All packets that came.
    pub(crate) packets: Vec<Packet>,
    encoder: Encoder,
}

/// A packet that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Vec<u8>,
}

/// The payload type of telephone events.
pub(crate) const EVENTS: u8 = 101;

impl Phone {
    /// A phone that is to speak with a session.
    pub(crate) fn new(session: &Session, codec: Codec) -> Self {
        let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        Self {
            socket,
            codec,
            target: session.local(),
            ssrc: 0x1000_0000 + u32::from(port),
            sequence: 0xfff0,
            timestamp: 0xffff_f000,
            packets: Vec::new(),
            encoder: Encoder::new(codec),
        }
    }

    /// A phone whose session knows it, with telephone events.
    pub(crate) fn connected(session: &Session, codec: Codec) -> Self {
        let phone = Self::new(session, codec);
        session.connect(phone.peer());
        phone
    }

    /// What a description of it says.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            events: Some(EVENTS),
            ..Peer::new(self.address(), self.codec)
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Sends a frame.
    pub(crate) fn say(&mut self, frame: &[i16]) {
        let mut payload = Vec::new();
        self.encoder.encode(frame, &mut payload);
        self.send(self.codec.static_payload().unwrap(), false, &payload);
        self.wait();
    }

    /// Lets 20 ms pass without a packet.
    pub(crate) fn wait(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, payload_type: u8, marker: bool, payload: &[u8]) {
        let packet = self.packet(payload_type, marker, payload);
        self.socket.send_to(&packet, self.target).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    pub(crate) fn packet(&self, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        packet
    }

    /// Takes in what has come.
    pub(crate) fn listen(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            self.packets.push(parse(&buffer[..length]));
        }
    }

    /// What was heard, decoded, and forgotten.
    pub(crate) fn heard(&mut self) -> Vec<i16> {
        self.listen();
        let mut decoder = Decoder::new(self.codec);
        let mut out = Vec::new();
        let voice = self.codec.static_payload().unwrap();
        for packet in std::mem::take(&mut self.packets) {
            if packet.payload_type == voice {
                decoder.decode(&packet.payload, &mut out);
            }
        }
        out
    }

    /// Forgets what has come.
    pub(crate) fn forget(&mut self) {
        self.listen();
        self.packets.clear();
    }

    /// Waits until so many packets have come.
    pub(crate) fn until(&mut self, count: usize) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.packets.len() < count {
            assert!(Instant::now() < end, "only {} packets", self.packets.len());
            thread::sleep(Duration::from_millis(5));
            self.listen();
        }
    }

    /// The packets are one stream: one source, numbers without gaps, time that goes on.
    pub(crate) fn check_stream(&mut self) {
        self.listen();
        let voice = self.codec.static_payload().unwrap();
        for pair in self.packets.windows(2) {
            let (one, two) = (&pair[0], &pair[1]);
            assert_eq!(one.ssrc, two.ssrc);
            let expected = one.sequence.wrapping_add(1);
            assert_eq!(two.sequence, expected, "after {one:?}");
            let ahead = two.timestamp.wrapping_sub(one.timestamp) as i32;
            // The end of a key may be repeated between packets of sound.
            if one.payload_type == voice && two.payload_type == voice {
                assert!((1..8000 * 60).contains(&ahead), "{ahead}");
            }
        }
    }
}

pub(crate) fn parse(packet: &[u8]) -> Packet {
    assert_eq!(packet[0], 0x80);
    let number = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    Packet {
        marker: packet[1] & 0x80 != 0,
        payload_type: packet[1] & 0x7f,
        sequence: u16::from_be_bytes([packet[2], packet[3]]),
        timestamp: number(4),
        ssrc: number(8),
        payload: packet[12..].to_vec(),
    }
}

/// Lets phones speak for so many ticks: `say` gives the frame of each, or `None` for no packet.
pub(crate) fn talk(
    phones: &mut [&mut Phone],
    ticks: usize,
    mut say: impl FnMut(usize, usize) -> Option<Vec<i16>>,
) {
    let start = Instant::now();
    for tick in 0..ticks {
        for (number, phone) in phones.iter_mut().enumerate() {
            match say(number, tick) {
                Some(frame) => phone.say(&frame),
                None => phone.wait(),
            }
            phone.listen();
        }
        let next = start + Duration::from_millis(20) * (tick as u32 + 1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    for phone in phones {
        phone.listen();
    }
}

/// Lets them listen for so many ticks.
pub(crate) fn listen(phones: &mut [&mut Phone], ticks: usize) {
    talk(phones, ticks, |_, _| None);
}

/// A frame of a tone at the rate of `codec`.
pub(crate) fn tone(hertz: f64, tick: usize, codec: Codec) -> Vec<i16> {
    let rate = codec.sample_rate();
    let samples = rate as usize / 50;
    (0..samples)
        .map(|at| {
            let time = (tick * samples + at) as f64 / f64::from(rate);
            ((time * hertz * TAU).sin() * 6000.0) as i16
        })
        .collect()
}

/// A tone of so many milliseconds.
pub(crate) fn sound(hertz: f64, millis: u32) -> Source {
    let samples: Vec<i16> = (0..millis * 8)
        .map(|at| ((f64::from(at) / 8000.0 * hertz * TAU).sin() * 6000.0) as i16)
        .collect();
    Source::Pcm(Pcm {
        rate: 8000,
        samples: samples.into(),
    })
}

/// The share of a tone in the power of all that is heard, by Goertzel: 1 for nothing but the tone.
pub(crate) fn share(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let power: f64 = samples.iter().map(|it| f64::from(*it).powi(2)).sum();
    if samples.is_empty() || power == 0.0 {
        return 0.0;
    }
    let factor = 2.0 * (hertz / f64::from(rate) * TAU).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        let zero = f64::from(*sample) + factor * one - two;
        two = one;
        one = zero;
    }
    let energy = one * one + two * two - factor * one * two;
    energy / power / samples.len() as f64 * 2.0
}

/// The loudness of samples: their root mean square.
pub(crate) fn level(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|it| f64::from(*it).powi(2)).sum();
    (power / samples.len().max(1) as f64).sqrt()
}

/// The share of a tone in the middle of what was heard, where nothing begins or ends: the median of
/// pieces of 50 ms, since a pause of the machine may cost a frame here and there.
pub(crate) fn purity(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let pieces = middle(samples).chunks_exact(rate as usize / 20);
    let mut shares: Vec<f64> = pieces.map(|piece| share(piece, hertz, rate)).collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied().unwrap_or(0.0)
}

/// The middle of what was heard, where nothing begins or ends.
fn middle(samples: &[i16]) -> &[i16] {
    &samples[samples.len() / 3..samples.len() * 2 / 3]
}

/// A folder of a test, which is gone afterwards.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("media-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The channels of a WAV file of ours at 8 kHz.
pub(crate) fn wav(path: &std::path::Path) -> Vec<Vec<i16>> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(&bytes[8..16], b"WAVEfmt ");
    let channels = usize::from(u16::from_le_bytes([bytes[22], bytes[23]]));
    assert_eq!(u32::from_le_bytes(bytes[24..28].try_into().unwrap()), 8000);
    assert_eq!(&bytes[36..40], b"data");
    let length = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    assert_eq!(length, bytes.len() - 44, "the header is complete");
    let samples: Vec<i16> = bytes[44..]
        .chunks(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    (0..channels)
        .map(|channel| {
            samples
                .iter()
                .skip(channel)
                .step_by(channels)
                .copied()
                .collect()
        })
        .collect()
}
