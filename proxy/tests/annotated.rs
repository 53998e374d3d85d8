//! The annotated configuration is valid, and shows every key where it belongs.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

use std::sync::Arc;

use filters::Registry;
use hookswitch::config::Loader;

const TEXT: &str = include_str!("../../deploy/hookswitch.toml");

#[test]
fn it_is_valid() {
    let loader = Loader {
        registry: Arc::new(Registry::builtin()),
        counters: Arc::default(),
        entropy: [7; 32],
    };
    let settings = loader
        .parse("deploy/hookswitch.toml", TEXT)
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn it_shows_every_key_in_its_section() {
    let keys = keys(include_str!("../src/config/file.rs"));
    assert!(keys.len() > 80, "{keys:?}");
    let missing: Vec<_> = keys
        .into_iter()
        .filter(|(section, key)| !lines_of(section).iter().any(|line| sets(line, key)))
        .collect();
    assert!(
        missing.is_empty(),
        "set nowhere, not even in a comment: {missing:?}"
    );
}

/// The header of each section and its keys, as the structs of the file have them.
fn keys(source: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut header = "";
    let mut keys = Vec::new();
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            header = match name.split(' ').next().unwrap() {
                "Server" => "[server]",
                "Timers" => "[timers]",
                "LimitsSection" => "[limits]",
                "Listen" => "[[listen]]",
                "Trunk" => "[[trunk]]",
                "TrunkTarget" => "[[trunk.target]]",
                "Domain" => "[[domain]]",
                "User" => "[[domain.user]]",
                "Registrar" => "[registrar]",
                "Route" => "[[route]]",
                "Executor" => "[executor]",
                "Siprec" => "[[executor.siprec]]",
                other => panic!("a section without a header: {other}"),
            };
        } else if let Some(rest) = line.strip_prefix("    pub ")
            && let Some((key, _)) = rest.split_once(':')
        {
            // Some are tables of their own.
            if !matches!(
                (header, key),
                ("[[trunk]]", "target") | ("[[domain]]", "user") | ("[executor]", "siprec")
            ) {
                keys.push((header, key));
            }
        }
    }
    keys
}

/// The lines between the headers of this section and the next header, comments among them.
fn lines_of(section: &str) -> Vec<&'static str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in TEXT.lines() {
        let bare = line.trim_start_matches(['#', ' ']);
        if bare.starts_with('[') {
            inside = bare.split_whitespace().next() == Some(section);
        } else if inside {
            lines.push(bare);
        }
    }
    assert!(!lines.is_empty(), "no {section}");
    lines
}

/// Whether a line gives this key a value, at its begin or behind another key.
fn sets(line: &str, key: &str) -> bool {
    line.match_indices(key).any(|(at, _)| {
        let is_whole = line[..at].is_empty() || line[..at].ends_with(' ');
        is_whole && line[at + key.len()..].trim_start().starts_with('=')
    })
}
