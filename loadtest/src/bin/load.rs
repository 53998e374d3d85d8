//! Load profiles and the report of the side-by-side.
//!
//! ```text
//! load list                                   the profiles
//! load profile NAME [--engine generator|sipp] [--subject WORD]
//! load report                                 measures everything and writes loadtest/reports
//! load report [--quick] [--only PART,…]       the same in short, or in part, beside the build
//! load render                                 writes the pages again from the figures that are there
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use loadtest::load::{
    Engine, Failure, Figures, Place, Profile, Scale, Subject, render, run_profile,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => list(),
        ["profile", name, options @ ..] => profile(name, options),
        ["report", options @ ..] => report(options),
        ["render"] => Figures::read(&reports()).and_then(|figures| written(&figures, &reports())),
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

const USAGE: &str = "load list | load profile NAME [--engine generator|sipp] [--subject WORD] | load report [--quick] [--only PART,…] | load render";

fn list() -> Result<bool, Failure> {
    for profile in Profile::all()? {
        println!("{:<14} {}", profile.name, profile.about);
    }
    Ok(true)
}

/// Measures; true even where a goal was missed, for the report says so. Only a whole report takes the place of the last.
fn report(options: &[&str]) -> Result<bool, Failure> {
    let (quick, only) = match options {
        ["--quick", only @ ..] => (true, only),
        only => (false, only),
    };
    let only: Vec<&str> = match only {
        [] => Vec::new(),
        ["--only", names] => names.split(',').collect(),
        _ => return Err(Failure(USAGE.to_owned())),
    };
    let is_whole = !quick && only.is_empty();
    let folder = if is_whole { reports() } else { looks() };
    let scale = if quick { Scale::QUICK } else { Scale::FULL };
    let figures = Figures::measure(scale, &only, Place::fixed(), &folder)?;
    written(&figures, &folder)
}

fn written(figures: &Figures, folder: &Path) -> Result<bool, Failure> {
    render(figures, folder)?;
    println!("{}", folder.join("report.html").display());
    Ok(true)
}

/// The newest whole report.
fn reports() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports")
}

/// Quick and partial ones, beside the build.
fn looks() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent()
        .unwrap_or_else(|| Path::new("."))
        .join("load-report")
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
        println!(
            "{}: {}",
            if verdict.held { "held" } else { "BROKEN" },
            verdict.what
        );
    }
    Ok(verdicts.iter().all(|verdict| verdict.held))
}
