//! The transcripts of `tests/run/*.txt`: what happens to a leg, and what the run wants done.
//!
//! A case is `=== name`, then settings (`!`), events (`>`) and the actions they must cause (`<`).
//! `@ 2.5` sets the clock, `#` is a remark; `> run …` starts a leg with a document and answers it. Traces, `StopTimer` and the timers that every leg has
//! are left out. `UPDATE=1 cargo test --test run` writes what the run does now into the files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "run/conferences.rs"]
mod conferences;
#[path = "run/driver.rs"]
mod driver;
#[path = "run/legs.rs"]
mod legs;
#[path = "run/properties.rs"]
mod properties;
#[path = "run/queues.rs"]
mod queues;
#[path = "run/show.rs"]
mod show;

use std::fmt::Write as _;
use std::time::Duration;

use driver::Driver;

#[test]
fn transcripts_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "the fixtures are missing");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let now = replay(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, now).unwrap();
        } else if let Some((expected, got)) = text
            .lines()
            .zip(now.lines().chain(std::iter::repeat("")))
            .find(|(expected, got)| expected != got)
        {
            wrong.push(format!(
                "{}: expected\n  {expected}\ngot\n  {got}\nin\n{now}",
                file.display()
            ));
        } else if text != now {
            wrong.push(format!("{}: got more\n{now}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cases with their actions as they are now.
fn replay(cases: &str) -> String {
    let mut text = String::new();
    let mut leg = Driver::default();
    for line in cases.lines() {
        if line.starts_with("=== ") {
            leg = Driver::default();
        }
        match line.split_at_checked(2) {
            Some(("< ", _)) => {}
            Some(("! ", setting)) => {
                leg.set(setting);
                writeln!(text, "{line}").unwrap();
            }
            Some(("@ ", seconds)) => {
                leg.now = Duration::from_secs_f64(seconds.parse().unwrap());
                writeln!(text, "{line}").unwrap();
            }
            Some(("> ", event)) => {
                writeln!(text, "{line}").unwrap();
                let actions = match event.strip_prefix("run ") {
                    Some(body) => leg.run_document(body),
                    None => leg.step(event),
                };
                for action in actions {
                    writeln!(text, "< {action}").unwrap();
                }
            }
            _ => writeln!(text, "{line}").unwrap(),
        }
    }
    text
}
