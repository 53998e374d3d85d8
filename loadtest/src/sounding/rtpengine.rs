//! The same sound through rtpengine, which has no webhooks: half of the calls are played to, half are recorded.
//!
//! It is told by its control protocol over UDP (bencoded dictionaries behind a cookie). Played calls take nothing from
//! the caller, recorded ones go on to a callee who says nothing, and their packets are written to a file for each.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::stream::Streams;
use super::{Order, PLAYED, Packets, SAID, resident, signalling, used};
use crate::hear::Sound;
use crate::peer::sdp;
use crate::{Process, Scratch, free_port};

/// How long an answer to a command may take.
const ANSWER: Duration = Duration::from_secs(3);

/// How long rtpengine may take to begin.
const START: Duration = Duration::from_secs(10);

/// What came of the calls of an order that rtpengine carried.
#[derive(Debug)]
pub struct Relayed {
    /// Calls.
    pub calls: usize,
    /// What the callers received.
    pub packets: Packets,
    /// Hundredths of a core for each call.
    pub cpu_percent_per_call: f64,
    /// How long all were up.
    pub window_seconds: f64,
    /// KiB before the first call, and with all of them.
    pub kib: [u64; 2],
}

/// Carries the calls of `order`, for half of its seconds.
///
/// # Panics
///
/// When rtpengine is not installed, does not start, or refuses a command.
#[must_use]
pub fn run_rtpengine(order: &Order) -> Relayed {
    let folder = Scratch::new("rtpengine");
    let played = folder.path().join("played.wav");
    let sound = Sound::tone(8000, PLAYED, order.half().as_secs_f64() + 30.0);
    fs::write(&played, sound.wav(1)).expect("a file to play");
    let control = free_port();
    let mut command = Command::new("rtpengine");
    // It asks for core dumps, and leaves one where it is when it is stopped.
    command.current_dir(folder.path());
    command.args([
        "--foreground",
        "--log-stderr",
        "--log-level=4",
        "--table=-1",
    ]);
    command.args([
        "--interface=127.0.0.1",
        "--port-min=30000",
        "--port-max=39999",
    ]);
    command.args(["--num-threads=1", "--media-num-threads=1"]);
    command.args(["--recording-method=pcap", "--recording-format=eth"]);
    command.arg(format!("--recording-dir={}", folder.path().display()));
    command.arg(format!("--listen-ng=127.0.0.1:{control}"));
    let process = Process::start("rtpengine", &mut command);
    let ng = Ng::new(([127, 0, 0, 1], control).into());
    let streams = Streams::start(&Sound::tone(8000, SAID, 1.0).ulaw());
    // A callee takes what is said and says nothing.
    let callee = UdpSocket::bind("127.0.0.1:0").expect("a callee");
    let callee = callee.local_addr().expect("its address");

    let before = resident(process.id());
    for number in 0..order.calls {
        let call = [
            ("call-id", format!("load-{number}")),
            ("from-tag", "a".into()),
        ];
        let plays = number % 2 == 0;
        let offer = [("sdp", sdp(streams.address())), ("ICE", "remove".into())];
        ng.tell("offer", call.iter().chain(&offer));
        let answer = [
            ("sdp", sdp(callee)),
            ("to-tag", "b".into()),
            ("ICE", "remove".into()),
        ];
        let answer = ng.tell("answer", call.iter().chain(&answer));
        streams.add(signalling::media(&answer).expect("an address for the caller"));
        if plays {
            ng.tell("block media", &call);
            let file = [("file", played.display().to_string())];
            ng.tell("play media", call.iter().chain(&file));
        } else {
            ng.tell("start recording", &call);
        }
        thread::sleep(Duration::from_secs_f64(1.0 / order.rate));
    }
    streams.forget();
    let (began, cpu) = (Instant::now(), used(process.id()));
    thread::sleep(order.half());
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), used(process.id()) - cpu);
    let during = resident(process.id());
    Relayed {
        calls: order.calls,
        packets: streams.stop().into(),
        cpu_percent_per_call: 100.0 * cpu / seconds / order.calls.max(1) as f64,
        window_seconds: seconds,
        kib: [before, during],
    }
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls       {} through rtpengine", self.calls)?;
        write!(f, "{}", self.packets)?;
        let [before, during] = self.kib;
        writeln!(
            f,
            "memory      {before} KiB before, {during} with all of them"
        )?;
        write!(
            f,
            "processor   {:.3} % of a core for a call, over {:.0} s with all of them",
            self.cpu_percent_per_call, self.window_seconds
        )
    }
}

/// The control protocol.
struct Ng {
    socket: UdpSocket,
    /// Commands so far: what an answer begins with says which of them it is for.
    cookie: Cell<u32>,
}

impl Ng {
    fn new(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket for commands");
        socket.connect(address).expect("an address to command");
        let cookie = Cell::new(0);
        let ng = Self { socket, cookie };
        let until = Instant::now() + START;
        while ng.ask("ping", &[], Duration::from_millis(200)).is_none() {
            assert!(Instant::now() < until, "rtpengine does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        ng
    }

    /// Gives a command that has to succeed; tells the answer as it came.
    fn tell<'a>(
        &self,
        command: &str,
        keys: impl IntoIterator<Item = &'a (&'static str, String)>,
    ) -> String {
        let keys: Vec<_> = keys.into_iter().collect();
        let answer = self
            .ask(command, &keys, ANSWER)
            .expect("an answer of rtpengine");
        assert!(answer.contains("6:result2:ok"), "{command}: {answer}");
        answer
    }

    fn ask(
        &self,
        command: &str,
        keys: &[&(&'static str, String)],
        within: Duration,
    ) -> Option<String> {
        let cookie = self.cookie.get() + 1;
        self.cookie.set(cookie);
        let mut text = format!("{cookie} d");
        let mut put = |key: &str, value: &str| {
            write!(text, "{}:{key}{}:{value}", key.len(), value.len()).expect("room");
        };
        put("command", command);
        for (key, value) in keys {
            put(key, value);
        }
        text.push('e');
        self.socket.send(text.as_bytes()).ok()?;
        self.socket.set_read_timeout(Some(within)).ok()?;
        let mut answer = vec![0; 65_535];
        loop {
            let length = self.socket.recv(&mut answer).ok()?;
            let answer = String::from_utf8_lossy(&answer[..length]);
            if let Some(answer) = answer.strip_prefix(&format!("{cookie} ")) {
                return Some(answer.to_owned());
            }
        }
    }
}
