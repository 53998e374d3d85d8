//! The forwarding path does not touch the heap: parse, checks, edits, and gathering or copying into
//! a buffer that is there already. A thread that has had messages keeps their storage for others.

use benches::{corpus, forward, forward_response, torture, warm_up};
use bytes::Bytes;
use sip::{HeaderName, Limits, Message, Request, Slices, check_request, check_response, parse};

/// What `work` gives, and how often it asked for memory.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let asked = allocation_counter::measure(|| result = Some(work()));
    (result.expect("work was done"), asked.count_total)
}

/// A buffer as a receiver has it: shared already, so that a reference costs a count and no more.
fn received(bytes: &[u8]) -> Bytes {
    let buffer = Bytes::copy_from_slice(bytes);
    drop(buffer.clone());
    buffer
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
    for (name, bytes) in corpus::samples() {
        let buffer = received(&bytes);
        let (message, calls) = counted(|| parse(buffer.clone(), &limits));
        let message = message.unwrap();
        assert_eq!(calls, 0, "parsing {name}");
        let (checked, calls) = counted(|| match &message {
            Message::Request(request) => check_request(request, &limits),
            Message::Response(response) => check_response(response, &limits),
        });
        assert_eq!((checked, calls), (Ok(()), 0), "checking {name}");
    }
}

/// Datagram to pieces and to one buffer, through the checks, for every message of the corpus.
#[test]
fn forwarding_allocates_nothing() {
    warm_up();
    let limits = Limits::default();
    let mut out: Vec<u8> = Vec::with_capacity(16 * 1024);
    for (name, bytes) in corpus::samples() {
        let buffer = received(&bytes);
        out.clear();
        let (pieces, calls) = counted(|| {
            let mut message = parse(buffer.clone(), &limits).unwrap();
            match &mut message {
                Message::Request(request) => {
                    check_request(request, &limits).unwrap();
                    forward(request).unwrap();
                    request.write_to(&mut out);
                }
                Message::Response(response) => {
                    check_response(response, &limits).unwrap();
                    forward_response(response).unwrap();
                    response.write_to(&mut out);
                }
            }
            let mut slices = Slices::new();
            message.gather(&mut slices);
            slices.len()
        });
        assert_eq!(calls, 0, "{name}");
        assert!(pieces > 1, "{name}");
        let before = parse(buffer, &limits).unwrap();
        let sent = parse(Bytes::from(out.clone()), &limits).unwrap();
        let vias = |message: &Message| message.headers().list(HeaderName::Via).count();
        match sent {
            Message::Request(_) => assert_eq!(vias(&sent), vias(&before) + 1, "{name}"),
            Message::Response(_) => assert_eq!(vias(&sent), vias(&before) - 1, "{name}"),
        }
        assert_eq!(sent.headers().named(b"X-Tenant").count(), 1, "{name}");
        assert_eq!(sent.headers().body(), before.headers().body(), "{name}");
    }
}

#[test]
fn forwarding_one_branch_of_a_request_allocates_nothing() {
    warm_up();
    let limits = Limits::default();
    let buffer = received(corpus::INVITE_1059);
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
    assert_eq!(sent.headers().all(HeaderName::Via).count(), 3);
}

/// Hard messages that are refused, by the parser or by the checks, have cost no memory either.
#[test]
fn refusing_allocates_nothing() {
    warm_up();
    let limits = Limits::default();
    let mut refused = 0;
    for message in torture::messages() {
        let buffer = received(&message.bytes);
        let (accepted, calls) = counted(|| match parse(buffer, &limits) {
            Ok(Message::Request(request)) => check_request(&request, &limits).is_ok(),
            Ok(Message::Response(response)) => check_response(&response, &limits).is_ok(),
            Err(_) => false,
        });
        if !accepted {
            refused += 1;
            assert_eq!(calls, 0, "{}", message.name);
        }
    }
    assert!(refused >= 20, "{refused}");
}
