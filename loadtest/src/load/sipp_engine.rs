//! A load made by SIPp: one process a kind of call, steered through its control port, and one that is called.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::accounting::{datagrams_dropped, processor, resident};
use super::order::milliseconds;
use super::subject::{Running, Side, leash};
use super::{Engine, Failure, Order, Tally};
use crate::generator::Second;
use crate::ports::is_heard;
use crate::{Scratch, Sipp, free_port};

/// How often the rate is set, in seconds: SIPp begins to count anew with each setting.
const STEER: f64 = 0.5;

/// How often the subject is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long a SIPp may take until it can be steered.
const READY: Duration = Duration::from_secs(10);

/// Calls in progress at a time, of each kind.
const CALLS_MAX: &str = "200000";

/// More calls than any profile makes.
const ENDLESS: u32 = 100_000_000;

/// How long calls have to end after the last arrival, beside their own length, in seconds.
const DRAIN: f64 = 35.0;

/// Puts the load on a subject.
///
/// # Errors
///
/// When SIPp does not count.
pub(super) fn run(order: &Order, profile: &str, subject: &Running) -> Result<Tally, Failure> {
    let length = [&order.ring, &order.hold, &order.cancel_after];
    let length: f64 = length
        .into_iter()
        .flatten()
        .filter_map(|text| milliseconds(text))
        .sum();
    let patience = order.seconds() + length / 1000.0 + DRAIN;
    let scratch = Scratch::new("sipp-load");
    let timeout = format!("{}s", (patience + DRAIN) as u64);

    let callee = Sipp::callee("load/callee")
        .listening_at(subject.place.callee)
        .set("RING", &whole_ms(order.ring.as_deref()));
    let callee = common(callee, &timeout, &scratch, "callee").start();
    let mut callers = callers(order, subject, &timeout, &scratch);

    for caller in &callers {
        caller.wait_until_it_hears()?;
    }
    let dropped = datagrams_dropped();
    let mut watch = Watch::new(subject.process.id());
    let steer =
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| Failure(error.to_string()))?;
    let began = Instant::now();
    let mut set = 0.0;
    loop {
        let second = began.elapsed().as_secs_f64();
        if second >= order.seconds() {
            break;
        }
        // The middle of what is to come until it is set again.
        let step = (second / STEER).floor() * STEER;
        let rate = order.rate_at(step + STEER / 2.0);
        if rate != set {
            set = rate;
            for caller in &callers {
                say(
                    &steer,
                    caller.control,
                    &format!("cset rate {:.2}", rate * caller.share),
                );
            }
        }
        watch.look(second, rate);
        thread::sleep(LOOK);
    }
    // The mean over all that was begun: some of it may have ended later, for calls that last.
    let used = watch.used();
    callers
        .iter()
        .for_each(|caller| say(&steer, caller.control, "q"));
    for caller in &mut callers {
        let left = patience - began.elapsed().as_secs_f64();
        caller
            .running
            .process()
            .wait(Duration::from_secs_f64(left.max(1.0)));
        caller.running.process().stop();
    }
    drop(callee);
    let mut tally = Tally {
        profile: profile.to_owned(),
        subject: subject.subject,
        engine: Engine::Sipp,
        started: 0,
        good: 0,
        failed: 0,
        established_failed: 0,
        retransmissions: 0,
        dropped: datagrams_dropped() - dropped,
        cpu_us_per_call: 0.0,
        answered_us: None,
        seconds: watch.seconds,
        problems: Vec::new(),
    };
    for caller in &callers {
        let rows = rows(&caller.statistics)?;
        add(&rows, &mut tally);
    }
    tally.retransmissions += rows(&scratch.path().join("callee.csv"))
        .ok()
        .and_then(|rows| Some(count(rows.last()?, "Retransmissions(C)")))
        .unwrap_or(0);
    tally.cpu_us_per_call = used.as_secs_f64() * 1e6 / tally.started.max(1) as f64;
    Ok(tally)
}

/// A SIPp that calls.
struct Caller {
    running: crate::Running,
    share: f64,
    control: SocketAddr,
    statistics: PathBuf,
}

impl Caller {
    fn wait_until_it_hears(&self) -> Result<(), Failure> {
        let until = Instant::now() + READY;
        while !is_heard(self.control.port()) {
            if Instant::now() > until {
                return Err(Failure("a SIPp does not come up".to_owned()));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

fn callers(order: &Order, subject: &Running, timeout: &str, scratch: &Scratch) -> Vec<Caller> {
    let complete = HashMap::from([("call".to_owned(), 1)]);
    let mix: Vec<(String, u32)> = if order.mix.is_empty() {
        complete.into_iter().collect()
    } else {
        order.mix.clone().into_iter().collect()
    };
    let sum: u32 = mix.iter().map(|(_, weight)| weight).sum();
    let edge = subject.place.edge;
    let each = |(kind, weight): (String, u32)| {
        let scenario = match (
            kind.as_str(),
            order.in_dialog_count,
            order.in_dialog.as_deref(),
        ) {
            ("call", Some(1..), Some("reinvite")) => "reinvite_storm",
            ("call", Some(1..), _) => "storm",
            (kind, ..) => kind,
        };
        let user = kind.replace('_', "");
        let method = order.in_dialog.as_deref().unwrap_or("info").to_uppercase();
        let control = free_port();
        let caller = Sipp::caller(&format!("load/{scenario}"), edge)
            .to(&format!("sip:{user}@{edge}"))
            .set("HEADERS", EXTRA_HEADERS)
            .set("HOLD", &whole_ms(order.hold.as_deref()))
            .set("AFTER", &whole_ms(order.cancel_after.as_deref()))
            .set("GAP", &whole_ms(order.in_dialog_gap.as_deref()))
            .set("COUNT", &order.in_dialog_count.unwrap_or(0).to_string())
            .set("METHOD", &method)
            .argument("-cp", &control.to_string())
            .argument("-r", "0");
        Caller {
            running: common(caller, timeout, scratch, &kind).start(),
            share: f64::from(weight) / f64::from(sum),
            control: (Ipv4Addr::LOCALHOST, control).into(),
            statistics: statistics(scratch, &kind),
        }
    };
    mix.into_iter().map(each).collect()
}

/// Headers of a trunk's INVITE that the chain has to look at.
const EXTRA_HEADERS: &str = "X-Internal-Secret: strip-me\nX-Account-Id: AC0123456789\nX-Campaign: spring-sale\n\
                             P-Asserted-Identity: <sip:+14155550100@carrier.example>";

fn common(sipp: Sipp, timeout: &str, scratch: &Scratch, name: &str) -> Sipp {
    sipp.untraced()
        .under(&leash(Side::Ends))
        .argument("-timeout", timeout)
        .argument("-l", CALLS_MAX)
        .argument("-m", &ENDLESS.to_string())
        .argument("-trace_stat", "")
        .argument("-fd", "1")
        .argument("-stf", &statistics(scratch, name).display().to_string())
}

fn statistics(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path().join(format!("{name}.csv"))
}

fn whole_ms(text: Option<&str>) -> String {
    let ms = text.and_then(milliseconds).unwrap_or(0.0);
    format!("{ms:.0}")
}

fn say(socket: &UdpSocket, to: SocketAddr, word: &str) {
    // A SIPp that has ended hears nothing, and its statistics will tell.
    socket.send_to(word.as_bytes(), to).ok();
}

type Row = HashMap<String, String>;

/// The lines of SIPp's statistics by the names of their columns.
fn rows(path: &PathBuf) -> Result<Vec<Row>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split(';').collect();
    let row = |line: &str| {
        let pairs = names.iter().zip(line.split(';'));
        pairs
            .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
            .collect()
    };
    Ok(lines.map(row).collect())
}

fn count(row: &Row, column: &str) -> u64 {
    row.get(column)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// Adds what one SIPp has counted.
fn add(rows: &[Row], tally: &mut Tally) {
    let Some(last) = rows.last() else { return };
    tally.started += count(last, "TotalCallCreated");
    tally.good += count(last, "SuccessfulCall(C)");
    tally.failed += count(last, "FailedCall(C)");
    tally.retransmissions += count(last, "Retransmissions(C)");
    for (row, second) in rows.iter().zip(&mut tally.seconds) {
        second.started += count(row, "TotalCallCreated(P)").max(count(row, "OutgoingCall(P)"));
        second.good += count(row, "SuccessfulCall(P)");
        second.failed += count(row, "FailedCall(P)");
        second.retransmissions += count(row, "Retransmissions(P)");
        second.in_progress += count(row, "CurrentCall");
    }
}

/// Looks at the subject once a second.
struct Watch {
    id: u32,
    at_begin: Duration,
    before: (f64, Duration),
    seconds: Vec<Second>,
}

impl Watch {
    fn new(id: u32) -> Self {
        let now = processor(id);
        Self {
            id,
            at_begin: now,
            before: (0.0, now),
            seconds: Vec::new(),
        }
    }

    fn look(&mut self, t: f64, rate: f64) {
        let (then, used) = self.before;
        if t - then < 1.0 {
            return;
        }
        let now = processor(self.id);
        self.before = (t, now);
        self.seconds.push(Second {
            t,
            rate,
            watched_rss_kib: vec![resident(self.id) / 1024],
            watched_cpu_share: vec![now.saturating_sub(used).as_secs_f64() / (t - then)],
            ..Second::default()
        });
    }

    fn used(&self) -> Duration {
        processor(self.id).saturating_sub(self.at_begin)
    }
}
