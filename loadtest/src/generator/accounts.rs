//! What the kernel's books say of processes and datagrams.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::clock;

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: u64 = 100;
const SECOND: u64 = 1_000_000_000;

/// Processor time and memory of a process tree at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Nanoseconds on a processor.
    pub(super) total: u64,
    /// Ticks, sampled: good for the proportion.
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) rss_kib: u64,
    pub(super) processes: usize,
    pub(super) threads: usize,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Nanoseconds between them.
    pub(super) span: u64,
    /// Nanoseconds on a processor.
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Used {
    fn between(earlier: (u64, Usage), later: (u64, Usage)) -> Self {
        let (total, user, system) = (
            later.1.total.saturating_sub(earlier.1.total) as f64,
            later.1.user.saturating_sub(earlier.1.user) as f64,
            later.1.system.saturating_sub(earlier.1.system) as f64,
        );
        let share = user / (user + system).max(1.0);
        Self {
            span: later.0.saturating_sub(earlier.0),
            user: total * share,
            system: total * (1.0 - share),
        }
    }

    /// Of one processor.
    pub(super) fn share(&self) -> f64 {
        (self.user + self.system) / self.span.max(1) as f64
    }
}

/// What is looked at each second: the generator's thread first, then the watched trees.
#[derive(Clone, Debug)]
struct Sample {
    at: u64,
    usages: Vec<Usage>,
}

/// A thread's readings, one a second and one at each end of the window.
#[derive(Debug)]
pub(super) struct Readings {
    begin: u64,
    window: std::ops::Range<u64>,
    samples: Vec<Sample>,
}

/// Reads until `stop` is closed. `thread` is the generator's.
pub(super) fn read(
    begin: u64,
    window: std::ops::Range<u64>,
    thread: i32,
    pids: &[u32],
    stop: &Receiver<()>,
) -> Readings {
    let mut readings = Readings {
        begin,
        window: window.clone(),
        samples: Vec::new(),
    };
    let mut ends = vec![window.end, window.start];
    let mut tick = begin;
    loop {
        let next = ends.last().map_or(tick, |end| (*end).min(tick));
        let wait = Duration::from_nanos(next.saturating_sub(clock::now()));
        if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            readings.sample(thread, pids);
            return readings;
        }
        readings.sample(thread, pids);
        if ends.last() == Some(&next) {
            ends.pop();
        }
        if next == tick {
            tick += SECOND;
        }
    }
}

impl Readings {
    fn sample(&mut self, thread: i32, pids: &[u32]) {
        let mut usages = vec![own(thread)];
        if !pids.is_empty() {
            let children = children();
            usages.extend(pids.iter().map(|pid| tree(*pid, &children)));
        }
        let at = clock::now();
        self.samples.push(Sample { at, usages });
    }

    fn usage(&self, sample: &Sample, index: usize) -> (u64, Usage) {
        (
            sample.at,
            sample.usages.get(index).copied().unwrap_or_default(),
        )
    }

    /// The first sample at or after a time, or the last one.
    fn near(&self, at: u64) -> Option<&Sample> {
        let after = self.samples.iter().find(|sample| sample.at >= at);
        after.or_else(|| self.samples.last())
    }

    fn between(&self, index: usize, from: u64, to: u64) -> Used {
        match (self.near(from), self.near(to)) {
            (Some(from), Some(to)) => Used::between(self.usage(from, index), self.usage(to, index)),
            _ => Used::default(),
        }
    }

    /// In the window. 0 is the generator.
    pub(super) fn used(&self, index: usize) -> Used {
        self.between(index, self.window.start, self.window.end)
    }

    /// In a second of the run: its end, and what was used in it.
    pub(super) fn second(&self, index: usize, second: u64) -> (Usage, Used) {
        let from = self.begin + second * SECOND;
        let used = self.between(index, from, from + SECOND);
        let end = self.near(from + SECOND).map(|end| self.usage(end, index).1);
        (end.unwrap_or_default(), used)
    }

    /// All readings of one of them.
    pub(super) fn usages(&self, index: usize) -> impl Iterator<Item = Usage> {
        self.samples
            .iter()
            .map(move |sample| self.usage(sample, index).1)
    }
}

fn own(thread: i32) -> Usage {
    let folder = format!("/proc/self/task/{thread}");
    let (user, system) = ticks(&folder);
    Usage {
        total: nanoseconds(&folder).unwrap_or((user + system) * (SECOND / TICKS)),
        user,
        system,
        threads: 1,
        ..Usage::default()
    }
}

/// Of a process and all its descendants.
fn tree(pid: u32, children: &BTreeMap<u32, Vec<u32>>) -> Usage {
    let mut sum = Usage::default();
    let mut left = vec![pid];
    while let Some(pid) = left.pop() {
        left.extend(children.get(&pid).into_iter().flatten());
        let folder = format!("/proc/{pid}");
        let (user, system) = ticks(&folder);
        let mut total = None;
        for thread in fs::read_dir(format!("{folder}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            sum.threads += 1;
            if let Some(time) = nanoseconds(&thread.path().to_string_lossy()) {
                total = Some(total.unwrap_or(0) + time);
            }
        }
        sum.total += total.unwrap_or((user + system) * (SECOND / TICKS));
        sum.user += user;
        sum.system += system;
        sum.rss_kib += resident(&folder);
        sum.processes += 1;
    }
    sum
}

/// Parents and their children, of all processes.
fn children() -> BTreeMap<u32, Vec<u32>> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = stat(&format!("/proc/{pid}"), 4).first() {
            children.entry(*parent as u32).or_default().push(pid);
        }
    }
    children
}

/// The time on a processor, if this kernel keeps it.
fn nanoseconds(folder: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("{folder}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// utime and stime.
fn ticks(folder: &str) -> (u64, u64) {
    match stat(folder, 14)[..] {
        [user, system, ..] => (user, system),
        _ => (0, 0),
    }
}

/// The numbers of `stat` from this field on, counted from 1; fields before the third are not there.
fn stat(folder: &str, field: usize) -> Vec<u64> {
    let text = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything.
    let numbers = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    numbers
        .split_ascii_whitespace()
        .skip(field.saturating_sub(3))
        .map(|number| number.parse().unwrap_or(0))
        .collect()
}

fn resident(folder: &str) -> u64 {
    let text = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// The command's name.
pub(super) fn command(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// The UDP counters of the whole machine.
pub(super) fn counters() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    udp_counters(&text)
}

fn udp_counters(snmp: &str) -> BTreeMap<String, u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return BTreeMap::new();
    };
    let values = values.split(' ').map(|value| value.parse().unwrap_or(0));
    names.split(' ').map(str::to_owned).zip(values).collect()
}

/// Datagrams that the IPv4 socket of this port lost, since it was made.
pub(super) fn drops(port: u16) -> u64 {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    port_drops(&text, port)
}

fn port_drops(table: &str, port: u16) -> u64 {
    let local = format!(":{port:04X}");
    let of_line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        fields.nth(1).filter(|field| field.ends_with(&local))?;
        fields.last()?.parse::<u64>().ok()
    };
    table.lines().skip(1).filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let snmp = "Ip: A B\nIp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 5 6 7 8 9\n";
        assert_eq!(udp_counters(snmp)["RcvbufErrors"], 9);
        assert_eq!(udp_counters("").len(), 0);
        let udp = "  sl  local_address rem_address ...\n \
            10: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 123 2 0000 17\n \
            11: 0100007F:13C5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 124 2 0000 4\n";
        assert_eq!(
            (
                port_drops(udp, 0x13c4),
                port_drops(udp, 0x13c5),
                port_drops(udp, 1)
            ),
            (17, 4, 0)
        );
    }

    #[test]
    fn ones_own_work_is_in_the_books() {
        let pid = std::process::id();
        let before = tree(pid, &children());
        let begin = clock::now();
        while clock::now() < begin + 300_000_000 {}
        let after = tree(pid, &children());
        let used = Used::between((begin, before), (clock::now(), after));
        // The machine may be busy with other things.
        assert!(used.user + used.system > 5e6, "{used:?}");
        assert!(after.rss_kib > 100 && after.processes >= 1 && after.threads >= 1);
    }
}
