//! The table of acceptance cases names tests that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_case_has_its_tests() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(home.join("ACCEPTANCE.md")).expect("the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut cases = 0;
    for row in rows.iter().filter(|row| row[1].parse::<u32>().is_ok()) {
        cases += 1;
        assert_eq!(row[1], cases.to_string());
        let mut named = 0;
        for part in row[3].split('`').collect::<Vec<_>>()[1..].chunks(2) {
            let [file, name] = part else { continue };
            let name = name.split([',', ';']).next().unwrap_or("").trim();
            if name.is_empty() {
                continue;
            }
            let text = fs::read_to_string(home.join("..").join(file));
            let text = text.unwrap_or_else(|error| panic!("case {cases}: {file}: {error}"));
            let is_there = if file.ends_with(".rs") {
                text.contains(&format!("fn {name}()"))
            } else {
                text.contains(&format!("=== {name}"))
            };
            assert!(is_there, "case {cases}: no {name} in {file}");
            named += 1;
        }
        assert!(named > 0, "case {cases} has no test");
    }
    assert_eq!(cases, 28);
}
