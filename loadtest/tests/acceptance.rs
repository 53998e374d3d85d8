//! The tables of acceptance cases and of verbs name tests that exist.

use std::fs;
use std::path::Path;

/// The verbs of TwiML that are executed.
const VERBS: [&str; 15] = [
    "Connect", "Dial", "Enqueue", "Gather", "Hangup", "Leave", "Pause", "Play", "Record",
    "Redirect", "Refer", "Reject", "Say", "Start", "Stop",
];

/// The nouns that somebody is called by, or that sound is carried by.
const NOUNS: [&str; 7] = [
    "Client",
    "Conference",
    "Number",
    "Queue",
    "Sip",
    "Siprec",
    "Stream",
];

#[test]
fn every_case_has_its_tests() {
    let rows = rows();
    let numbered = |row: &&Vec<String>| row[0].parse::<usize>().is_ok();
    let cases: Vec<_> = rows.iter().filter(numbered).collect();
    assert_eq!(cases.len(), 28);
    for (index, row) in cases.iter().enumerate() {
        assert_eq!(row[0], (index + 1).to_string());
        has_tests(&row[0], &row[2]);
    }
}

#[test]
fn every_verb_is_called_by_telephones_of_others() {
    let rows = rows();
    for verb in VERBS.iter().chain(&NOUNS) {
        let row = rows.iter().find(|row| row[0] == *verb);
        let row = row.unwrap_or_else(|| panic!("no row for {verb}"));
        let tests = has_tests(verb, &row[1]);
        let of_calls = |(file, _): &(String, String)| file.starts_with("loadtest/tests/");
        assert!(tests.iter().all(of_calls), "{verb}: {tests:?}");
    }
}

/// The cells of all tables.
fn rows() -> Vec<Vec<String>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(home.join("ACCEPTANCE.md")).expect("the tables");
    let cells = |line: &str| {
        let cells = line.split('|').skip(1);
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(cells)
        .collect()
}

/// The tests of a cell, each as its file and its name. Each of them has to be there, and one at least.
fn has_tests(what: &str, cell: &str) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    for part in cell.split('`').collect::<Vec<_>>()[1..].chunks(2) {
        let [file, names] = part else {
            // A remark, with something of code in it.
            continue;
        };
        let named = names.split(';').next().unwrap_or("");
        let names = named.split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            assert!(exists(file, name), "{what}: no test {name} in {file}");
            tests.push(((*file).to_owned(), name.to_owned()));
        }
    }
    assert!(!tests.is_empty(), "{what} has no test");
    tests
}

fn exists(file: &str, name: &str) -> bool {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(home.join("..").join(file));
    let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
    if !file.ends_with(".rs") {
        // A transcript; 1 is not 15.
        let heading = format!("=== {name}");
        let mut found = text.lines().filter_map(|line| line.strip_prefix(&heading));
        return found.any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()));
    }
    let function = format!("fn {name}() ");
    let mut above = "";
    text.lines().any(|line| {
        let is_it = line.trim_start_matches("async ").starts_with(&function);
        let is_test = above == "#[test]" || above == "#[tokio::test]";
        above = line;
        is_it && is_test
    })
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let here = "loadtest/tests/acceptance.rs";
    assert!(exists(here, "a_test_that_is_not_there_is_missed"));
    assert!(!exists(here, "a_test_that_is_not_there"));
    assert!(!exists(here, "rows"));
    let transcript = "executor/tests/run/errors.txt";
    assert!(exists(transcript, "acceptance 15"));
    assert!(!exists(transcript, "acceptance 1"));
}
