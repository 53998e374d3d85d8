//! Every built-in filter against its fixtures.

mod support;

use filters::builtin::{AccessLog, RecordRoute, Sanity, Trunk, UriHeaders, XHeaders};
use filters::{Plugin, Registry};

fn run<P: Plugin>() {
    let all = support::fixture::run_all(&Registry::builtin(), P::NAME);
    let words: Vec<&str> = all.split_whitespace().collect();
    for reason in P::REASONS {
        assert!(
            words.contains(&reason.as_str()),
            "{}: no fixture shows the reason {reason}",
            P::NAME
        );
    }
}

#[test]
fn access_log() {
    run::<AccessLog>();
}

#[test]
fn record_route() {
    run::<RecordRoute>();
}

#[test]
fn sanity() {
    run::<Sanity>();
}

#[test]
fn trunk() {
    run::<Trunk>();
}

#[test]
fn uri_headers() {
    run::<UriHeaders>();
}

#[test]
fn x_headers() {
    run::<XHeaders>();
}

#[test]
fn every_builtin_filter_has_a_test_here() {
    let text = include_str!("fixtures.rs");
    for name in Registry::builtin().names() {
        assert!(text.contains(&format!("fn {name}()")), "{name}");
    }
}
