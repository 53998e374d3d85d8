//! Instructions a message, counted by callgrind: the same on every run, whatever else the machine
//! does. `make gate` holds them to `instructions.toml`.
//!
//! The id of a count is group, then message: `parse/invite_1059`. Everything is built and done once
//! in the set-up, so that first-time costs are not part of a count.

// What the macros write is public, has no docs, and names everything in full.
#![allow(missing_docs, unreachable_pub, unused_qualifications)]

use std::hint::black_box;
use std::time::Duration;

use benches::chain::{context, default_chain, empty_chain};
use benches::transaction::{Load, WORKS, Work};
use benches::{corpus, forward_message, torture, warm_up};
use bytes::Bytes;
use filters::{BuildContext, Chain, Context};
use gungraun::prelude::*;
use sip::{Limits, Message, Reply, Request, Slices, check_request, check_response};

/// A message as a receiver has it: the buffer is shared, a reference costs a count and no more.
fn received(name: &str) -> Bytes {
    let mut samples = corpus::samples().into_iter();
    let sample = samples.find(|(found, _)| *found == name);
    let buffer = Bytes::from(sample.expect("a message of the corpus").1);
    drop(buffer.clone());
    warm_up();
    buffer
}

fn parse(buffer: &Bytes) -> Result<Message, sip::ParseError> {
    sip::parse(buffer.clone(), &Limits::default())
}

/// In a box, here and below: what goes through a bench by value would be copied and counted.
fn parsed(name: &str) -> Box<Message> {
    let message = parse(&received(name)).expect("the corpus is valid");
    black_box(check(&message));
    Box::new(message)
}

fn request(name: &str) -> Box<Request> {
    match *parsed(name) {
        Message::Request(request) => Box::new(request),
        Message::Response(_) => panic!("{name} is a response"),
    }
}

fn check(message: &Message) -> bool {
    match message {
        Message::Request(request) => check_request(request, &Limits::default()).is_ok(),
        Message::Response(response) => check_response(response, &Limits::default()).is_ok(),
    }
}

/// All the torture messages of the repository, valid or not.
fn hard_ones() -> Vec<Bytes> {
    let messages = torture::own().into_iter();
    let buffers: Vec<Bytes> = messages.map(|message| message.bytes.into()).collect();
    for buffer in &buffers {
        drop(buffer.clone());
    }
    warm_up();
    buffers
}

#[library_benchmark(setup = received)]
#[bench::invite_1059("invite_1059")]
#[bench::invite_1k("invite_1k")]
#[bench::invite_sdp("invite_sdp")]
#[bench::options_min("options_min")]
#[bench::ok_record_routes("ok_record_routes")]
#[bench::bye("bye")]
#[bench::register_digest("register_digest")]
#[bench::invite_identity("invite_identity")]
fn parses(buffer: Bytes) -> Bytes {
    drop(black_box(parse(black_box(&buffer))));
    buffer
}

#[library_benchmark]
#[bench::torture(hard_ones())]
fn parses_all(buffers: Vec<Bytes>) -> Vec<Bytes> {
    for buffer in &buffers {
        drop(black_box(parse(black_box(buffer))));
    }
    buffers
}

#[library_benchmark(setup = parsed)]
#[bench::invite_1059("invite_1059")]
#[bench::options_min("options_min")]
#[bench::ok_record_routes("ok_record_routes")]
#[bench::bye("bye")]
#[bench::register_digest("register_digest")]
#[bench::invite_identity("invite_identity")]
fn checks(message: Box<Message>) -> Box<Message> {
    assert!(black_box(check(black_box(&message))));
    message
}

// Datagram in, list of pieces out.
#[library_benchmark(setup = received)]
#[bench::invite_1059("invite_1059")]
#[bench::options_min("options_min")]
#[bench::ok_record_routes("ok_record_routes")]
#[bench::bye("bye")]
#[bench::register_digest("register_digest")]
#[bench::invite_identity("invite_identity")]
fn forwards(buffer: Bytes) -> Bytes {
    let mut message = parse(black_box(&buffer)).expect("the corpus is valid");
    forward_message(&mut message).expect("the corpus can be forwarded");
    let mut slices = Slices::new();
    message.gather(&mut slices);
    black_box(slices.len());
    drop(slices);
    drop(message);
    buffer
}

#[library_benchmark(setup = request)]
#[bench::invite_1059("invite_1059")]
fn replies(request: Box<Request>) -> Box<Request> {
    let reply = Reply::new(black_box(&request), 404, "Not Found");
    drop(black_box(reply.to_tag(b"1b2c3d4e").build().to_bytes()));
    request
}

/// A warm chain, a fresh INVITE, and its context.
type Ready = Box<(Chain, Request, Context)>;

fn ready(chain: Chain) -> Ready {
    let (invite, cx) = (request("invite_1059"), context());
    for _ in 0..4 {
        black_box(chain.request(&mut invite.clone(), &mut cx.clone()));
    }
    Box::new((chain, *invite, cx))
}

#[library_benchmark]
#[bench::empty_8(ready(empty_chain(8)))]
#[bench::default(ready(default_chain(&BuildContext::default(), None)))]
fn chains(mut ready: Ready) -> Ready {
    let (chain, request, cx) = &mut *ready;
    black_box(chain.request(black_box(request), cx));
    ready
}

/// A layer in its steady state: 40 s of one request a millisecond, so that tombstones end as fast
/// as they come.
fn steady(id: &str) -> (Box<Load>, Work) {
    let (_, work) = WORKS
        .into_iter()
        .find(|(name, _)| *name == id)
        .expect("an id");
    let mut load = Box::new(Load::default());
    for _ in 0..40_000 {
        load.turn(EACH, work);
    }
    (load, work)
}

const EACH: Duration = Duration::from_millis(1);

#[library_benchmark(setup = steady)]
#[bench::invite_x100("invite")]
#[bench::other_x100("other")]
fn transactions((mut load, work): (Box<Load>, Work)) -> Box<Load> {
    for _ in 0..HUNDRED {
        load.turn(EACH, work);
    }
    load
}

/// One turn alone would count whatever timer happens to fall into it.
const HUNDRED: usize = 100;

library_benchmark_group!(name = parse, benchmarks = [parses, parses_all]);
library_benchmark_group!(name = check, benchmarks = checks);
library_benchmark_group!(name = forward, benchmarks = forwards);
library_benchmark_group!(name = reply, benchmarks = replies);
library_benchmark_group!(name = chain, benchmarks = chains);
library_benchmark_group!(name = transaction, benchmarks = transactions);

main!(library_benchmark_groups = [parse, check, forward, reply, chain, transaction]);
