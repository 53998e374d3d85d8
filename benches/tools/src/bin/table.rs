//! Prints what criterion measured as Markdown.
//!
//! ```text
//! table [part of an id]...     every id, or those that contain one of the parts
//! table peers                  other parsers beside ours: how many times our time they take
//! ```
//!
//! Reads `target/criterion`, below `CARGO_TARGET_DIR` where that is set. The median is criterion's;
//! the fastest sample is what a busy machine moves least.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let folder = target().join("criterion");
    let mut found = Vec::new();
    collect(&folder, &mut found);
    found.sort_by(|one, other| one.id.cmp(&other.id));
    if found.is_empty() {
        eprintln!("table: nothing was measured yet below {}", folder.display());
        std::process::exit(1);
    }
    if wanted.iter().any(|part| part == "peers") {
        print!("{}", peers(&found));
        return;
    }
    print!("{}", every(&found, &wanted));
}

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// One id of the newest run; nanoseconds.
#[derive(Clone, Debug)]
struct Measured {
    id: String,
    median: f64,
    fastest: f64,
}

/// Every measurement below a folder: `<id>/new/*.json`.
fn collect(folder: &Path, found: &mut Vec<Measured>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        if path.ends_with("new") {
            found.extend(read(&path));
        } else if !path.ends_with("report") {
            collect(&path, found);
        }
    }
}

fn read(folder: &Path) -> Option<Measured> {
    let json = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let numbers = |value: &Value| -> Vec<f64> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect()
    };
    let sample = json("sample.json")?;
    let (times, iterations) = (numbers(&sample["times"]), numbers(&sample["iters"]));
    let fastest = times
        .iter()
        .zip(&iterations)
        .map(|(time, count)| time / count);
    Some(Measured {
        id: json("benchmark.json")?["full_id"].as_str()?.to_owned(),
        median: json("estimates.json")?["median"]["point_estimate"].as_f64()?,
        fastest: fastest.fold(f64::INFINITY, f64::min),
    })
}

fn every(found: &[Measured], wanted: &[String]) -> String {
    let mut text = String::from("| id | median | fastest |\n|---|---:|---:|\n");
    let asked = |one: &&Measured| {
        wanted.is_empty() || wanted.iter().any(|part| one.id.contains(part.as_str()))
    };
    for Measured {
        id,
        median,
        fastest,
    } in found.iter().filter(asked)
    {
        text += &format!("| {id} | {} | {} |\n", time(*median), time(*fastest));
    }
    text
}

/// A row a parser, a column a message: its median, and how many times ours that is.
fn peers(found: &[Measured]) -> String {
    let mut medians: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    let mut messages: Vec<&str> = Vec::new();
    for one in found {
        let Some((message, parser)) = one
            .id
            .strip_prefix("peers/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        medians
            .entry(parser)
            .or_default()
            .insert(message, one.median);
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    let ours = medians.get("hookswitch").cloned().unwrap_or_default();
    let mut rows: Vec<_> = medians.into_iter().collect();
    // Ours, then the fastest first, by the message that the goals are stated for.
    let goal = |times: &BTreeMap<&str, f64>| times.get("invite_1059").copied();
    rows.sort_by(|(_, one), (_, other)| {
        let key = |times| goal(times).unwrap_or(f64::INFINITY);
        key(one).total_cmp(&key(other))
    });
    let mut text = format!(
        "| parser | {} |\n|---|{}\n",
        messages.join(" | "),
        "---:|".repeat(messages.len())
    );
    for (parser, times) in rows {
        let cell = |message: &&str| match (times.get(message), ours.get(message)) {
            (Some(theirs), Some(ours)) if parser != "hookswitch" => {
                format!("{} ({:.1} ×)", time(*theirs), theirs / ours)
            }
            (Some(theirs), _) => time(*theirs),
            (None, _) => "refused".to_owned(),
        };
        let cells: Vec<String> = messages.iter().map(cell).collect();
        text += &format!("| {parser} | {} |\n", cells.join(" | "));
    }
    text
}

/// Nanoseconds, in digits that say something.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        short if short < 100.0 => format!("{short:.1} ns"),
        short if short < 10_000.0 => format!("{short:.0} ns"),
        long => format!("{:.1} µs", long / 1000.0),
    }
}
