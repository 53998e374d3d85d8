//! Opens sessions in pairs that send each other sound, and says how evenly the packets go out and
//! what it costs.
//!
//! ```text
//! cargo run --release -p hookswitch-media --example load -- [sessions] [seconds] [mode] [workers]
//! ```
//!
//! In mode `play` (the usual one) each session plays a tone to its pair and records what it hears
//! into a file; in mode `bridge` each pair is bridged with another, so that packets are handed on;
//! in mode `room` all sessions are in rooms of ten.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A tool for the command line.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::pcm::Pcm;
use media::{
    Config, Engine, Jitter, Member, Peer, PlayId, RecordId, RecordSpec, RoomSpec, Session, Source,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: usize| {
        let given = arguments.get(at).and_then(|text| text.parse().ok());
        given.unwrap_or(usual)
    };
    let (count, seconds) = (number(0, 500).next_multiple_of(4), number(1, 20));
    let mode = arguments.get(2).map_or("play", String::as_str);
    let config = Config {
        workers: number(3, 2),
        ..Config::default()
    };
    let engine = Engine::start(config).unwrap();
    let folder = std::env::temp_dir().join(format!("media-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sessions = open(&engine, count);
    let mut rooms = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        session.play(PlayId(1), vec![tone()], 0);
        match mode {
            "bridge" if number % 4 == 3 => {
                // 0 and 1 send each other sound; so do 2 and 3; 1 hands on to 2 what comes from 0.
                if let [_, one, two, _] = &sessions[number - 3..=number] {
                    one.stop(PlayId(1));
                    two.stop(PlayId(1));
                    one.bridge(two);
                }
            }
            "room" => {
                session.stop(PlayId(1));
                if number % 10 == 0 {
                    rooms.push(engine.room(RoomSpec::default(), Box::new(|_| {})));
                }
                let room = rooms.last().unwrap();
                session.join(room, Member::default()).unwrap();
            }
            "play" => {
                let path = folder.join(format!("{number}.wav"));
                session.record(RecordId(1), RecordSpec::new(path));
            }
            _ => {}
        }
    }
    // What the opening costs is not of interest here.
    std::thread::sleep(Duration::from_secs(2));
    let (before, cpu, start) = (engine.counters(), cpu_seconds(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let (after, elapsed) = (engine.counters(), start.elapsed().as_secs_f64());
    let used = (cpu_seconds() - cpu) / elapsed;
    let rate = |one: u64, other: u64| (one - other) as f64 / elapsed;
    println!("{count} sessions, {mode}, {elapsed:.1} s");
    println!(
        "sent       {:9.0} /s",
        rate(after.packets_sent, before.packets_sent)
    );
    println!(
        "received   {:9.0} /s",
        rate(after.packets_received, before.packets_received)
    );
    println!(
        "relayed    {:9.0} /s",
        rate(after.packets_relayed, before.packets_relayed)
    );
    println!("lost       {:9}", after.packets_lost - before.packets_lost);
    println!(
        "unsent     {:9}",
        after.packets_unsent - before.packets_unsent
    );
    println!(
        "skipped    {:9} ticks",
        after.ticks_skipped - before.ticks_skipped
    );
    println!(
        "CPU        {:9.1} % of one core, {:.3} % a session",
        used * 100.0,
        used * 100.0 / count as f64
    );
    let mut jitter = Jitter::default();
    for (sum, (new, old)) in jitter
        .counts
        .iter_mut()
        .zip(after.jitter.counts.iter().zip(before.jitter.counts))
    {
        *sum = new - old;
    }
    println!("deviation from 20 ms between two packets of one session:");
    let bounds = Jitter::BOUNDS.iter().map(|bound| format!("<= {bound:?}"));
    let names = bounds.chain(["more".to_owned()]);
    for (name, count) in names.zip(jitter.counts).filter(|(_, count)| *count > 0) {
        let share = count as f64 / jitter.total().max(1) as f64 * 100.0;
        println!("  {name:10} {count:9}  {share:6.2} %");
    }
    for share in [0.5, 0.99, 0.999] {
        println!("  p{} {:?}", share * 100.0, jitter.percentile(share));
    }
    drop(sessions);
    drop(engine);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Sessions of which each two in a row are each other's peers.
fn open(engine: &Engine, count: usize) -> Vec<Session> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let sessions: Vec<Session> = (0..count)
        .map(|number| {
            let call = number as u64 / 4;
            engine.open(address, call, Box::new(|_| {})).unwrap()
        })
        .collect();
    for pair in sessions.chunks(2) {
        for (one, other) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let mut peer = Peer::new(other.local(), Codec::Pcmu);
            peer.events = Some(101);
            one.connect(peer);
        }
    }
    sessions
}

fn tone() -> Source {
    let samples: Vec<i16> = (0..8000)
        .map(|at| ((f64::from(at) * 0.35).sin() * 6000.0) as i16)
        .collect();
    Source::Pcm(Pcm {
        rate: 8000,
        samples: samples.into(),
    })
}

/// CPU time of this process, by `/proc`; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold spaces; the numbers come after its parenthesis.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|text| text.parse::<f64>().ok()).sum();
    ticks / 100.0
}
