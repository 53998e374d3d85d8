//! What a report has to say about where it was made.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::accounting::load_average;

/// The machine and the programs, as they name themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name and the count of its cores.
    pub processor: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The distribution.
    pub system: String,
    /// The frequency governor; empty where the machine shows none.
    pub governor: String,
    /// The three load averages before the first measurement.
    pub load_before: String,
    /// The same after the last.
    pub load_after: String,
    /// Programs and their versions.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// Looks at this machine.
    #[must_use]
    pub fn here() -> Self {
        let cpu = read("/proc/cpuinfo");
        let name = after(&cpu, "model name").unwrap_or("unknown");
        let family = after(&cpu, "cpu family").unwrap_or("?");
        let model = cpu.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "model").then(|| value.trim())
        });
        let cores = cpu.matches("processor\t:").count();
        let memory = read("/proc/meminfo");
        let kib = after(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
        let system = read("/etc/os-release");
        let system = system
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Self {
            processor: format!(
                "{name} (family {family}, model {}), {cores} cores",
                model.unwrap_or("?")
            ),
            memory_mib: kib.unwrap_or(0_u64) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: system.unwrap_or("unknown").trim_matches('"').to_owned(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
                .trim()
                .to_owned(),
            load_before: load_average(),
            load_after: String::new(),
            versions: Vec::new(),
        }
    }
}

/// The first line of what a command prints that holds `needle`; empty when there is no such command.
#[must_use]
pub(super) fn says(command: &str, arguments: &[&str], needle: &str) -> String {
    let Ok(output) = Command::new(command).args(arguments).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.contains(needle));
    line.unwrap_or("").trim().to_owned()
}

/// Whether a command of this name is in the path.
#[must_use]
pub(super) fn has(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_name_and_memory() {
        let machine = Machine::here();
        assert!(machine.memory_mib > 0 && !machine.kernel.is_empty());
        assert!(
            !machine.processor.contains(", 0 cores"),
            "{}",
            machine.processor
        );
        assert!(has("sh") && !has("no-such-command-anywhere"));
        assert_eq!(says("sh", &["-c", "echo a; echo b 2"], "b"), "b 2");
    }
}
