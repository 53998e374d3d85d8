//! The main ids once more, for a machine that is shared: the fastest of many short batches.
//!
//! A neighbour's load moves a median by half and more; the fastest batch of 20 µs hardly ever. Run
//! it by `cargo bench -p hookswitch-benches --bench quiet [part of an id]`.

use std::hint::black_box;
use std::time::Instant;

use benches::{corpus, forward};
use bytes::Bytes;
use sip::{Limits, Message, Request, Slices, check_request, parse};

const BATCHES: usize = 5_000;
const BATCH: u32 = 64;

fn main() {
    // Without `--bench` it is a test run, which measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let is_id = |arg: &String| arg.starts_with(|first: char| first.is_ascii_alphabetic());
    let wanted = std::env::args().skip(1).find(is_id);
    let quiet = Quiet {
        wanted: wanted.unwrap_or_default(),
    };
    let limits = Limits::default();
    for (name, bytes) in corpus::samples() {
        let buffer = Bytes::from(bytes);
        quiet.measure(&format!("parse/{name}"), || {
            parse(black_box(&buffer).clone(), &limits)
        });
    }
    let buffer = Bytes::copy_from_slice(corpus::INVITE_1059);
    let received = request(&buffer, &limits);
    quiet.measure("check/invite_1059", || {
        check_request(black_box(&received), &limits)
    });
    quiet.measure("forward/invite_1059", || {
        let mut request = request(black_box(&buffer), &limits);
        forward(&mut request).expect("the corpus can be forwarded");
        let mut slices = Slices::new();
        request.gather(&mut slices);
        slices.len()
    });
    let mut edited = received;
    forward(&mut edited).expect("the corpus can be forwarded");
    quiet.measure("write/gather", || {
        let mut slices = Slices::new();
        black_box(&edited).gather(&mut slices);
        slices.len()
    });
    let mut out: Vec<u8> = Vec::with_capacity(4096);
    quiet.measure("write/copy", || {
        out.clear();
        black_box(&edited).write_to(&mut out);
        out.len()
    });
    quiet.measure("write/branch", || black_box(&edited).clone());
}

fn request(buffer: &Bytes, limits: &Limits) -> Request {
    match parse(buffer.clone(), limits) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

struct Quiet {
    /// Part of the ids to measure.
    wanted: String,
}

impl Quiet {
    fn measure<T>(&self, id: &str, mut work: impl FnMut() -> T) {
        if !id.contains(&self.wanted) {
            return;
        }
        let mut batches: Vec<f64> = (0..BATCHES)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..BATCH {
                    black_box(work());
                }
                start.elapsed().as_nanos() as f64 / f64::from(BATCH)
            })
            .collect();
        batches.sort_by(f64::total_cmp);
        let at = |share: usize| batches[(BATCHES - 1) * share / 100];
        println!(
            "{id:<24} fastest {:7.1} ns   median {:7.1} ns",
            at(0),
            at(50)
        );
    }
}
