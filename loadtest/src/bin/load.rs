//! Complete calls through the proxy, with SIPp on both sides, and what they cost.
//!
//! ```text
//! load [CALLS [RATE [WORKERS]]]
//! ```
//!
//! SIPp itself ends at a few thousand calls a second, so the figure to quote is processor time a call.

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use loadtest::{Config, Edge, Running, Sipp};

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

fn main() -> ExitCode {
    let arguments: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let at = |index: usize, default| arguments.get(index).copied().unwrap_or(default);
    let (calls, rate, workers) = (at(0, 15_000), at(1, 1000), at(2, 1));

    let callee = Sipp::callee("callee_answers")
        .untraced()
        .calls(calls, rate)
        .start();
    let target = format!(
        "sip:+14158675309@{}?X-customParameter=xxxxxxxx&X-customValue=true",
        callee.address()
    );
    let config = Config::new().workers(workers as u16).log("error").trunk(
        "carrier",
        "127.0.0.250/32",
        &[&target],
    );
    let mut edge = Edge::start(config.route("carrier.test", "carrier"));
    let id = edge.process().id();
    let (cpu, began) = (cpu_seconds(id), Instant::now());
    let limit = (rate * 10).to_string();
    let caller = Sipp::caller("caller_hangs_up", edge.public())
        .to("sip:+15550100@carrier.test")
        .untraced();
    let mut caller = caller.calls(calls, rate).argument("-l", &limit).start();
    let status = caller.process().wait(Duration::from_secs(600));
    let wall = began.elapsed().as_secs_f64();
    thread::sleep(Duration::from_millis(200));
    let cpu = cpu_seconds(id) - cpu;

    let (good, bad) = (
        counted(&mut caller, "Successful call"),
        counted(&mut caller, "Failed call"),
    );
    let each = cpu * 1e6 / f64::from(calls);
    let memory = resident(id);
    println!(
        "calls {calls}  rate {rate}/s  reached {:.0}/s  workers {workers}",
        f64::from(calls) / wall
    );
    println!("completed {good}  failed {bad}");
    println!("processor {each:.1} µs a call  memory {memory} kB");
    if status.is_some_and(|status| status.success()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The cumulative column of a row of SIPp's last screen.
fn counted(sipp: &mut Running, row: &str) -> u64 {
    let output = sipp.process().output();
    let line = output
        .lines()
        .rfind(|line| line.trim_start().starts_with(row));
    line.and_then(|line| line.rsplit('|').next()?.trim().parse().ok())
        .unwrap_or(0)
}

/// User and system time of a process, all threads.
fn cpu_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}

/// Resident memory in kB.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
