//! The forwarding path does not touch the heap: parse, checks, edits, and gathering or copying into
//! a buffer that is there already. A thread that has had messages keeps their storage for others.

#![allow(unsafe_code)] // A counting allocator has to be one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use benches::{corpus, forward};
use bytes::Bytes;
use sip::{HeaderName, Limits, Message, Request, Slices, check_request, check_response, parse};

/// The system's allocator, with a count of what each thread asks of it.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no count any more; nothing is measured there.
    CALLS
        .try_with(|calls| calls.set(calls.get() + 1))
        .unwrap_or_default();
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the system's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and how often it asked for memory.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = CALLS.get();
    let result = work();
    (result, CALLS.get() - before)
}

/// A buffer as a receiver has it: shared already, so that a reference costs a count and no more.
fn received(bytes: &[u8]) -> Bytes {
    let buffer = Bytes::copy_from_slice(bytes);
    drop(buffer.clone());
    buffer
}

/// Brings this thread to where it is after its first messages: two at a time, both with edits.
fn warm_up() {
    let buffer = received(corpus::INVITE_1K);
    let mut first = request(&buffer, &Limits::default());
    forward(&mut first).unwrap();
    let second = first.clone();
    drop((first, second));
}

fn request(buffer: &Bytes, limits: &Limits) -> Request {
    match parse(buffer.clone(), limits) {
        Ok(Message::Request(request)) => request,
        _ => panic!("not a request"),
    }
}

#[test]
fn the_count_counts() {
    assert_eq!(counted(|| Vec::<u8>::with_capacity(100)).1, 1);
    assert_eq!(counted(|| 1 + 1).1, 0);
}

#[test]
fn parsing_and_checking_allocate_nothing() {
    warm_up();
    let limits = Limits::default();
    let large = corpus::invite_identity();
    let samples = corpus::SAMPLES.iter().map(|sample| sample.bytes);
    for bytes in samples.chain([&*large]) {
        let buffer = received(bytes);
        let (message, calls) = counted(|| parse(buffer.clone(), &limits));
        let message = message.unwrap();
        assert_eq!(calls, 0, "{}", bytes[..40].escape_ascii());
        let (checked, calls) = counted(|| match &message {
            Message::Request(request) => check_request(request, &limits),
            Message::Response(response) => check_response(response, &limits),
        });
        assert_eq!((checked, calls), (Ok(()), 0));
    }
}

#[test]
fn forwarding_a_request_allocates_nothing() {
    warm_up();
    let limits = Limits::default();
    let buffer = received(corpus::INVITE_1K);
    let mut out: Vec<u8> = Vec::with_capacity(4096);
    let (pieces, calls) = counted(|| {
        let received = request(&buffer, &limits);
        // One branch of it, as a fork has several.
        #[expect(clippy::redundant_clone, reason = "the copy is what is measured")]
        let mut branch = received.clone();
        branch
            .set_uri(b"sip:+14155550123@203.0.113.20:5080")
            .unwrap();
        forward(&mut branch).unwrap();
        let mut slices = Slices::new();
        branch.gather(&mut slices);
        branch.write_to(&mut out);
        slices.len()
    });
    assert_eq!(calls, 0);
    assert!(pieces > 1);
    let sent = parse(Bytes::from(out), &limits).unwrap();
    assert_eq!(sent.headers().named(b"X-Tenant").count(), 1);
    assert_eq!(sent.headers().all(HeaderName::Via).count(), 2);
}

#[test]
fn forwarding_a_response_allocates_nothing() {
    warm_up();
    let limits = Limits::default();
    let buffer = received(corpus::OK_RECORD_ROUTES);
    let mut out: Vec<u8> = Vec::with_capacity(4096);
    let ((), calls) = counted(|| {
        let Ok(Message::Response(mut response)) = parse(buffer.clone(), &limits) else {
            panic!("not a response");
        };
        assert_eq!(response.headers.pop_first(HeaderName::Via), Ok(true));
        response.headers.remove(b"X-Internal");
        response.headers.append(b"X-Trunk", b"carrier-a").unwrap();
        response.write_to(&mut out);
    });
    assert_eq!(calls, 0);
    assert!(out.ends_with(b"a=ptime:20\r\n"));
}
