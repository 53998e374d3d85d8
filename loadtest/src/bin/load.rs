//! Load profiles and the report of the side-by-side.
//!
//! ```text
//! load list                                   the profiles
//! load profile NAME [--engine generator|sipp] [--subject WORD]
//! load report [--quick]                       measures everything and writes loadtest/reports
//! load render                                 writes the pages again from the figures that are there
//! ```

use std::process::ExitCode;

use loadtest::load::{Engine, Failure, Place, Profile, Subject, run_profile};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => list(),
        ["profile", name, options @ ..] => profile(name, options),
        _ => Err(Failure(USAGE.to_owned())),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

const USAGE: &str = "load list | load profile NAME [--engine generator|sipp] [--subject WORD] | load report [--quick] | load render";

fn list() -> Result<bool, Failure> {
    for profile in Profile::all()? {
        println!("{:<14} {}", profile.name, profile.about);
    }
    Ok(true)
}

/// Runs one and says what came of it. True when every bound held.
fn profile(name: &str, options: &[&str]) -> Result<bool, Failure> {
    let profile = Profile::named(name)?;
    let (mut engine, mut subject) = (profile.engine, Subject::Hookswitch);
    for pair in options.chunks(2) {
        match pair {
            ["--engine", "sipp"] => engine = Engine::Sipp,
            ["--engine", "generator"] => engine = Engine::Generator,
            ["--subject", word] => {
                let known = Subject::named(word);
                subject = known.ok_or_else(|| Failure(format!("no subject {word:?}")))?;
            }
            _ => return Err(Failure(USAGE.to_owned())),
        }
    }
    println!("{}: {}", profile.name, profile.about);
    let tally = run_profile(&profile, &profile.load, engine, subject, Place::fixed())?;
    println!(
        "{}: {} calls, {} good, {} failed; {} messages repeated, {} datagrams dropped; {:.1} µs of processor a call",
        subject.label(),
        tally.started,
        tally.good,
        tally.failed,
        tally.retransmissions,
        tally.dropped,
        tally.cpu_us_per_call
    );
    if let Some((p50, p99)) = tally.answered_us {
        println!("answered after {p50:.0} µs (p50), {p99:.0} µs (p99)");
    }
    for problem in &tally.problems {
        println!("note: {problem}");
    }
    let verdicts = tally.judge(&profile.expect, profile.load.warmup.unwrap_or(1.0));
    for verdict in &verdicts {
        println!("{}: {}", if verdict.held { "held" } else { "BROKEN" }, verdict.what);
    }
    Ok(verdicts.iter().all(|verdict| verdict.held))
}
