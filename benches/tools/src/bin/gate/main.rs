//! Holds instruction counts to `benches/instructions.toml`.
//!
//! ```text
//! gate check COUNTS      fails where a count has grown by more than 3 %
//! gate accept COUNTS     writes the counts to the file
//! ```
//!
//! `COUNTS` is what gungraun writes with `--output-format=json`. Its own baselines are profiles below
//! `target/`, which no other checkout has; a table of numbers in the repository is reviewed with the
//! change that moves them. `make gate` and `make accept-instructions` do both steps.

mod baseline;
mod compare;
mod counts;
mod machine;

use std::path::Path;
use std::process::ExitCode;

use baseline::Baseline;
use machine::Machine;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["check", counts] => check(counts),
        ["accept", counts] => accept(counts),
        _ => Err("usage: gate check COUNTS | gate accept COUNTS".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(counts: &str) -> Result<(), String> {
    let baseline = Baseline::read(&file())?;
    let counts = counts::read(Path::new(counts))?;
    let rows = compare::compare(&baseline.instructions, &counts);
    print!("{}", compare::table(&rows));
    let here = Machine::this();
    if baseline.made_with != here {
        println!(
            "\nNOT HELD: the counts of instructions.toml are for\n  {}\nand this is\n  {here}\n\
             Nothing fails on this machine. `make accept-instructions` moves the file to it.",
            baseline.made_with
        );
        return Ok(());
    }
    compare::verdict(&rows)
}

fn accept(counts: &str) -> Result<(), String> {
    let counts = counts::read(Path::new(counts))?;
    if let Ok(before) = Baseline::read(&file()) {
        print!(
            "{}",
            compare::table(&compare::compare(&before.instructions, &counts))
        );
    }
    let baseline = Baseline {
        made_with: Machine::this(),
        instructions: counts,
    };
    baseline.write(&file())?;
    println!("\naccepted: {}", file().display());
    Ok(())
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../instructions.toml")
}
