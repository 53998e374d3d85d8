//! What the kernel says that a process has used.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The process and all that descends from it.
#[must_use]
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for id in processes() {
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut all = vec![root];
    let mut next = 0;
    while let Some(id) = all.get(next) {
        all.extend(children.get(id).into_iter().flatten());
        next += 1;
    }
    all
}

/// Processor time of the tree, user and system, over all threads that live: `sum_exec_runtime` of
/// `/proc/PID/task/TID/schedstat`, in nanoseconds, where `stat` has ticks of 10 ms.
#[must_use]
pub(super) fn processor(root: u32) -> Duration {
    let tasks = tree(root).into_iter().flat_map(tasks);
    let ran = |path: String| -> u64 {
        let text = fs::read_to_string(path).unwrap_or_default();
        first_number(&text)
    };
    Duration::from_nanos(tasks.map(|task| ran(format!("{task}/schedstat"))).sum())
}

/// Memory of the tree in bytes: the proportional set size, in which a page that processes share counts once.
#[must_use]
pub(super) fn memory(root: u32) -> u64 {
    let each = |id: u32| {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        row(&text, "Pss:") * 1024
    };
    tree(root).into_iter().map(each).sum()
}

/// Resident memory of one process in bytes; cheap enough for every second of a run.
#[must_use]
pub(super) fn resident(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    row(&text, "VmRSS:") * 1024
}

/// Datagrams that this machine has dropped because a socket's buffer was full, since it was started.
#[must_use]
pub(super) fn datagrams_dropped() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (rows.next().unwrap_or(""), rows.next().unwrap_or(""));
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let dropped = pairs.find(|(name, _)| *name == "RcvbufErrors");
    dropped
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// The three load averages.
#[must_use]
pub(super) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn processes() -> Vec<u32> {
    numbered("/proc")
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn tasks(id: u32) -> Vec<String> {
    let folder = format!("/proc/{id}/task");
    numbered(&folder)
        .map(|task| format!("{folder}/{task}"))
        .collect()
}

fn numbered(folder: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name of a process may hold blanks and parentheses; the parent is the second field behind it.
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn row(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    first_number(line.unwrap_or(""))
}

fn first_number(text: &str) -> u64 {
    let word = text.split_whitespace().next();
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;
    use crate::Process;

    #[test]
    fn the_time_of_children_counts() {
        let script = "(while :; do :; done) & wait";
        let process = Process::start("sh", Command::new("sh").args(["-c", script]));
        let until = Instant::now() + Duration::from_secs(20);
        while processor(process.id()) < Duration::from_millis(50) {
            assert!(Instant::now() < until, "a busy child uses no time");
        }
        assert_eq!(tree(process.id()).len(), 2);
        assert!(memory(process.id()) > 100_000);
        for id in tree(process.id()) {
            Command::new("sh")
                .args(["-c", &format!("kill -KILL {id}")])
                .status()
                .unwrap();
        }
    }

    #[test]
    fn the_kernel_knows_this_process() {
        let own = std::process::id();
        assert!(resident(own) > 1_000_000);
        assert!(processor(own) > Duration::ZERO);
        assert_eq!(load_average().split(' ').count(), 3);
    }
}
