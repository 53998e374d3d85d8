//! What a call costs: instructions (callgrind), heap allocations, and memory while it lasts.
//!
//! ```text
//! cargo bench -p hookswitch-benches --bench call_count
//! ```
//!
//! Counts do not depend on what else the machine does. Without valgrind there are no instructions.

#![allow(unsafe_code)] // A counting allocator has to be one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use benches::call::{CONFIG, Call, Edge, Step, with_targets};

/// Calls before anything is counted: tables have grown by then, and the first ones are forgotten.
const WARM_UP: u64 = 2_000;
/// Calls that are counted.
const CALLS: u64 = 1_000;
/// Time from one call to the next: what a call leaves behind is forgotten within the warm-up.
const BETWEEN: Duration = Duration::from_millis(20);
/// Calls whose memory is weighed.
const WEIGHED: u64 = 10_000;
/// Calls that begin while the largest block is looked for.
const CROWD: u64 = 100_000;

/// The system's allocator, with counts. One thread alone is counted, so they need no order.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);
static ASKED_BYTES: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);
static LARGEST: AtomicU64 = AtomicU64::new(0);

fn add(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(number), Relaxed);
}

fn asked(size: usize) {
    add(&ASKED, 1);
    add(&ASKED_BYTES, size as u64);
    add(&HELD, size as u64);
    if size as u64 > LARGEST.load(Relaxed) {
        LARGEST.store(size as u64, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        asked(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the system's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(&HELD, (layout.size() as u64).wrapping_neg());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        asked(size);
        add(&HELD, (layout.size() as u64).wrapping_neg());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let follows = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse().ok()
    };
    match follows("--in-progress") {
        // What valgrind watches.
        Some(in_progress) => {
            run(in_progress, follows("--targets").unwrap_or(0));
        }
        // Without `--bench` it is a test run, which measures nothing.
        None if arguments.iter().any(|argument| argument == "--bench") => report(),
        None => {}
    }
}

/// Allocations and bytes asked for by one kind of step, over all counted calls.
#[derive(Clone, Copy, Default)]
struct Asked {
    times: u64,
    bytes: u64,
}

/// Runs the calls beside `in_progress` that ring and `targets` that none of them goes to; gives what
/// each step and the ticks asked of the heap.
fn run(in_progress: u64, targets: u64) -> [Asked; Step::ALL.len() + 1] {
    let mut edge = Edge::new(&with_targets(targets));
    edge.show(false);
    for number in 0..in_progress {
        Call::new(number).ring(&mut edge);
    }
    let mut all = [Asked::default(); Step::ALL.len() + 1];
    for number in in_progress..in_progress + WARM_UP + CALLS {
        let counts = number >= in_progress + WARM_UP;
        edge.show(counts);
        let mut call = Call::new(number);
        let mut measured = |at: usize, work: &mut dyn FnMut()| {
            let before = (ASKED.load(Relaxed), ASKED_BYTES.load(Relaxed));
            work();
            if counts {
                all[at].times += ASKED.load(Relaxed) - before.0;
                all[at].bytes += ASKED_BYTES.load(Relaxed) - before.1;
            }
        };
        for (at, step) in Step::ALL.into_iter().enumerate() {
            let mut bytes = Some(call.datagram(step));
            measured(at, &mut || {
                edge.step(step, bytes.take().unwrap_or_default());
            });
            call.heard(step, edge.sent());
        }
        measured(Step::ALL.len(), &mut || edge.pass(BETWEEN));
    }
    all
}

fn report() {
    let asked = run(0, 0);
    let instructions = instructions(0, 0);
    println!(
        "{:<12}{:>14}{:>14}{:>14}",
        "", "instructions", "allocations", "bytes"
    );
    let mut sum = (0, Asked::default());
    let names = Step::ALL.map(Step::name).into_iter().chain(["timers"]);
    for (at, name) in names.enumerate() {
        let cost = instructions.as_ref().map_or(0, |costs| costs[at]);
        line(name, cost, asked[at]);
        sum.0 += cost;
        sum.1.times += asked[at].times;
        sum.1.bytes += asked[at].bytes;
    }
    line("a call", sum.0, sum.1);
    for in_progress in [1_000, 100_000] {
        if let Some(costs) = self::instructions(in_progress, 0) {
            let sum = costs.iter().sum();
            println!("a call beside {in_progress} others {:>11}", each(sum));
        }
    }
    for targets in [1, 10_000] {
        if let Some(costs) = self::instructions(0, targets) {
            let sum = costs.iter().sum();
            println!("a call beside {targets} targets {:>10}", each(sum));
        }
    }
    weigh();
    largest();
}

fn line(name: &str, instructions: u64, asked: Asked) {
    println!(
        "{name:<12}{:>14}{:>14.2}{:>14}",
        each(instructions),
        asked.times as f64 / CALLS as f64,
        each(asked.bytes)
    );
}

fn each(sum: u64) -> u64 {
    (sum + CALLS / 2) / CALLS
}

/// What calls hold while they ring, and once they are over.
fn weigh() {
    let mut edge = Edge::new(CONFIG);
    let mut calls: Vec<Call> = (0..WEIGHED).map(Call::new).collect();
    // The tables have their size already: what is weighed is a call.
    for call in &mut calls {
        call.run(&mut edge);
    }
    edge.pass(Duration::from_secs(64));
    calls.clear();
    calls.shrink_to_fit();
    let start = HELD.load(Relaxed);
    let since = || (HELD.load(Relaxed) - start) / WEIGHED;
    for number in 0..WEIGHED {
        Call::new(WEIGHED + number).ring(&mut edge);
    }
    assert_eq!(edge.in_progress() as u64, WEIGHED);
    println!("bytes held by a call that rings {:>10}", since());
    let mut edge = Edge::new(CONFIG);
    let start = HELD.load(Relaxed);
    for number in 0..WEIGHED {
        Call::new(number).run(&mut edge);
    }
    let held = (HELD.load(Relaxed) - start) / WEIGHED;
    println!("bytes held by a call that is over {held:>8}  (four finished transactions)");
}

/// What growing tables make one call wait for while many begin: the largest block that is asked for, since
/// what grows by blocks is copied or cleared in one go, and the slowest beginning by the clock. The clock
/// sees what else the machine does too, so of a few rounds the quickest counts.
fn largest() {
    let mut slowest = [Duration::MAX; 3];
    for slowest in &mut slowest {
        let mut edge = Edge::new(CONFIG);
        Call::new(0).ring(&mut edge);
        LARGEST.store(0, Relaxed);
        let mut ring = |number| {
            let mut call = Call::new(number);
            let bytes = call.datagram(Step::Invite);
            let start = Instant::now();
            edge.step(Step::Invite, bytes);
            let took = start.elapsed();
            call.heard(Step::Invite, edge.sent());
            edge.step(Step::Ringing, call.datagram(Step::Ringing));
            took
        };
        *slowest = (1..CROWD).map(&mut ring).max().unwrap_or_default();
    }
    let bytes = LARGEST.load(Relaxed);
    println!("the largest block while {CROWD} calls begin {bytes:>10} bytes");
    let micros = slowest.iter().min().map_or(0, Duration::as_micros);
    println!("the slowest INVITE of {CROWD} {micros:>19} µs");
}

/// Instructions of each step and of the ticks, over all counted calls; `None` without valgrind.
fn instructions(in_progress: u64, targets: u64) -> Option<[u64; Step::ALL.len() + 1]> {
    let file = std::env::temp_dir().join(format!("call-{}.callgrind", std::process::id()));
    let this = std::env::current_exe().ok()?;
    Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=benches::call::step_*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(this)
        .args(["--in-progress", &in_progress.to_string()])
        .args(["--targets", &targets.to_string()])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let table = Command::new("callgrind_annotate")
        .args(["--inclusive=yes", "--threshold=100"])
        .arg(&file)
        .output()
        .ok()?;
    if std::env::var_os("KEEP").is_none() {
        std::fs::remove_file(&file).ok()?;
    }
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let cost = |function: &str| {
        let line = table
            .lines()
            .find(|line| line.contains(&format!("::{function}")));
        let digits = line?.trim_start().split(' ').next()?.replace(',', "");
        digits.parse().ok()
    };
    let functions = Step::ALL
        .map(Step::function)
        .into_iter()
        .chain(["step_tick"]);
    let costs: Option<Vec<u64>> = functions.map(cost).collect();
    costs?.try_into().ok()
}
