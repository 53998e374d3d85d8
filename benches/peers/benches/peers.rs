//! `peers/*`: every parser over every message, in one run.
//!
//! A time counts only where all parsers read the same From-tag, Call-ID and CSeq: where they do not,
//! and the message is none of [`REFUSED`], the run fails.

use std::hint::black_box;
use std::time::Duration;

use benches::{corpus, torture};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hookswitch_bench_peers::{Keys, Parser, parsers};

/// Messages of the corpus that a parser refuses or reads otherwise; it has no time there.
const REFUSED: &[(&str, &str, &str)] =
    &[("rsip", "bye", "it does not know the compact header names")];

fn messages(criterion: &mut Criterion) {
    let parsers = parsers();
    let versions: Vec<String> = parsers
        .iter()
        .map(|parser| format!("{} {}", parser.name, parser.version))
        .collect();
    println!("parsers: {}", versions.join(", "));
    let samples: Vec<(&str, Bytes)> = corpus::samples()
        .into_iter()
        .map(|(name, bytes)| (name, Bytes::from(bytes)))
        .collect();
    let strange: Vec<String> = samples
        .iter()
        .flat_map(|(name, bytes)| strange(&parsers, name, bytes))
        .collect();
    assert!(strange.is_empty(), "{}", strange.join("\n"));
    for (name, bytes) in samples {
        let mut taking_part = parsers.clone();
        taking_part.retain(|parser| refused(parser, name).is_none());
        time(criterion, name, &taking_part, &[bytes]);
    }
    hard_ones(criterion, &parsers);
}

/// Why a parser has no time for a message.
fn refused(parser: &Parser, name: &str) -> Option<&'static str> {
    let known = |(by, message, _): &&(&str, &str, &str)| *by == parser.name && *message == name;
    REFUSED.iter().find(known).map(|(.., why)| *why)
}

/// Parsers that do not read what ours reads without being known for it, and the other way round.
fn strange(parsers: &[Parser], name: &str, bytes: &Bytes) -> Vec<String> {
    let ours = (parsers[0].keys)(bytes).expect("ours takes the whole corpus");
    let mut strange = Vec::new();
    for parser in parsers {
        let read = (parser.keys)(bytes);
        let agrees = read.as_ref() == Some(&ours) && (parser.parse)(bytes);
        match (refused(parser, name), agrees) {
            (None, true) => {}
            (Some(why), false) => println!("{} has no time for {name}: {why}", parser.name),
            (None, false) => strange.push(format!(
                "{name}: {} reads {read:?}, ours is {ours:?}",
                parser.name
            )),
            (Some(_), true) => strange.push(format!("{name}: {} agrees now", parser.name)),
        }
    }
    strange
}

/// The torture messages that every parser accepts and reads alike, all in one iteration.
fn hard_ones(criterion: &mut Criterion, parsers: &[Parser]) {
    let all = torture::messages();
    let alike = |bytes: &Bytes| {
        let keys: Vec<Option<Keys>> = parsers.iter().map(|parser| (parser.keys)(bytes)).collect();
        keys.iter().all(|read| read.is_some() && read == &keys[0])
    };
    let wires: Vec<Bytes> = all
        .iter()
        .map(|message| Bytes::from(message.bytes.clone()))
        .filter(alike)
        .collect();
    println!(
        "torture: all parsers read {} of {} alike",
        wires.len(),
        all.len()
    );
    assert!(wires.len() >= 10, "too few to compare");
    time(criterion, "torture", parsers, &wires);
}

/// One group: the same messages through each parser, the keys not read.
fn time(criterion: &mut Criterion, name: &str, parsers: &[Parser], wires: &[Bytes]) {
    let mut group = criterion.benchmark_group(format!("peers/{name}"));
    group.throughput(Throughput::ElementsAndBytes {
        elements: wires.len() as u64,
        bytes: wires.iter().map(|bytes| bytes.len() as u64).sum(),
    });
    for parser in parsers {
        group.bench_function(parser.name, |bencher| {
            bencher.iter(|| {
                let accepted = wires
                    .iter()
                    .filter(|bytes| (parser.parse)(black_box(bytes)));
                assert_eq!(accepted.count(), wires.len());
            });
        });
    }
    group.finish();
}

/// Nine messages and eight parsers: short runs, or nobody waits for them.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(60)
}

criterion_group! {
    name = benches;
    config = short();
    targets = messages
}
criterion_main!(benches);
