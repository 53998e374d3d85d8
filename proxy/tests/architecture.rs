//! What the architecture forbids: arrows between crates that point up, clocks where time is an
//! argument, filters without fixtures.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may use whom, of the workspace's own crates; in the program, and in tests.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("bench-peers", &["benches", "sip"], &[]),
    ("bench-tools", &[], &[]),
    (
        "benches",
        &["executor", "filters", "hookswitch", "sip", "transport"],
        &[],
    ),
    ("executor", &["media", "sip", "transport"], &[]),
    ("filters", &["sip"], &[]),
    (
        "hookswitch",
        &["executor", "filters", "sip", "transport"],
        &[],
    ),
    (
        "loadtest",
        &["sip", "transport"],
        &["executor", "filters", "hookswitch", "punctual"],
    ),
    ("media", &[], &["punctual"]),
    ("punctual", &[], &[]),
    ("sip", &[], &[]),
    ("transport", &["sip"], &[]),
];

/// Crates that some of ours must not know at all.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "filters",
        &[
            "async-trait",
            "hickory-resolver",
            "pingora-core",
            "reqwest",
            "socket2",
            "tokio",
        ],
    ),
    (
        "sip",
        &[
            "async-trait",
            "hickory-resolver",
            "pingora-core",
            "serde",
            "socket2",
            "tokio",
            "toml",
        ],
    ),
    ("media", &["reqwest", "roxmltree", "serde", "tokio", "toml"]),
    ("transport", &["serde", "toml", "roxmltree"]),
];

/// Calls that have no place in a crate, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "sip/src",
        &["Instant::now", "SystemTime::now", "UNIX_EPOCH"],
        "time is an argument",
    ),
    (
        "filters/src",
        &["Instant::now", "SystemTime::now", "UNIX_EPOCH"],
        "time is an argument",
    ),
    (
        "sip/src",
        &["getrandom", "thread_rng", "rand::"],
        "randomness is an argument",
    ),
    (
        "filters/src",
        &["getrandom", "thread_rng", "rand::"],
        "randomness is an argument",
    ),
    (
        "sip/src",
        &["println!", "dbg!", "todo!", "unimplemented!"],
        "output is the command line's",
    ),
    (
        "filters/src",
        &["println!", "dbg!", "todo!", "unimplemented!"],
        "output is the command line's",
    ),
    (
        "transport/src",
        &["println!", "dbg!", "todo!", "unimplemented!"],
        "output is the command line's",
    ),
    (
        "media/src",
        &["println!", "dbg!", "todo!", "unimplemented!", "unsafe {"],
        "output is the command line's, and sound needs nothing unsafe",
    ),
    (
        "executor/src",
        &["println!", "dbg!", "todo!", "unimplemented!"],
        "output is the command line's",
    ),
    (
        "proxy/src",
        &["println!", "dbg!", "todo!", "unimplemented!"],
        "output is the command line's `say`",
    ),
    // The core: whoever drives it tells the time.
    (
        "proxy/src/pipeline.rs",
        &[
            "Instant::now",
            "Clock::now",
            "SystemTime",
            "tokio",
            "UdpSocket",
        ],
        "the core does no IO",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names that the crates are known by here.
fn short(package: &str) -> &str {
    package.strip_prefix("hookswitch-").unwrap_or(package)
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Dependencies of `package`: name, and whether tests only need it.
fn dependencies(package: &Value) -> Vec<(String, bool)> {
    let list = package["dependencies"].as_array().unwrap();
    let entry = |entry: &Value| {
        (
            entry["name"].as_str().unwrap().to_owned(),
            entry["kind"] == "dev",
        )
    };
    list.iter().map(entry).collect()
}

#[test]
fn arrows_point_down() {
    let packages = packages();
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| short(package["name"].as_str().unwrap()))
        .collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, known, "crates of the workspace");
    let mut wrong = Vec::new();
    for package in &packages {
        let name = short(package["name"].as_str().unwrap());
        let (_, down, in_tests) = ARROWS.iter().find(|(known, ..)| *known == name).unwrap();
        for (dependency, dev) in dependencies(package) {
            let other = short(&dependency);
            let own = names.contains(other) && (dependency.starts_with("hookswitch"));
            let allowed =
                down.contains(&other) || dev && in_tests.contains(&other) || other == name && dev;
            if own && !allowed {
                wrong.push(format!(
                    "{name} -> {other}{}",
                    if dev { " in tests" } else { "" }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_do_not_know_what_is_not_theirs() {
    let packages = packages();
    for (name, strangers) in STRANGERS {
        let package = packages
            .iter()
            .find(|package| short(package["name"].as_str().unwrap()) == *name)
            .unwrap();
        let met: Vec<String> = dependencies(package)
            .into_iter()
            .filter(|(dependency, dev)| !dev && strangers.contains(&dependency.as_str()))
            .map(|(dependency, _)| dependency)
            .collect();
        assert!(met.is_empty(), "{name} knows {met:?}");
    }
}

#[test]
fn no_forbidden_calls() {
    let mut wrong = Vec::new();
    for (place, calls, why) in FORBIDDEN {
        for file in sources(&root().join(place)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in own_lines(&text) {
                if let Some(call) = calls.iter().find(|call| line.contains(**call)) {
                    wrong.push(format!("{}:{number}: {call}: {why}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines of the program itself: no comments, and nothing below `mod tests`.
fn own_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let program = lines.take_while(|(_, line)| !line.starts_with("mod tests {"));
    program.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn every_filter_has_fixtures() {
    let has = |name: &str| {
        let folder = root().join("filters/fixtures").join(name);
        folder.is_dir() && files(&folder).len() > 1
    };
    let registry = filters::Registry::builtin();
    let without: Vec<&str> = registry.names().filter(|name| !has(name)).collect();
    assert!(without.is_empty(), "filters without a fixture: {without:?}");
}

#[test]
fn modules_are_not_too_large_to_read() {
    // A second look past 500 lines (STYLE); the pipeline is one file on purpose.
    let excused = BTreeMap::from([("proxy/src/pipeline.rs", 1700)]);
    let mut wrong = Vec::new();
    for place in ["proxy/src"] {
        for file in sources(&root().join(place)) {
            let shown = file
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            let limit = excused.get(shown.as_str()).copied().unwrap_or(700);
            if lines > limit {
                wrong.push(format!("{shown}: {lines} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn sources(place: &Path) -> Vec<PathBuf> {
    let mut files = files(place);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!files.is_empty(), "{}: nothing there", place.display());
    files
}

fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries =
        std::fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let mut found: Vec<PathBuf> = entries
        .flat_map(|entry| files(&entry.unwrap().path()))
        .collect();
    found.sort();
    found
}
