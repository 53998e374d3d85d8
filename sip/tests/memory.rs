//! What transactions cost in memory, as the allocator sees it.

#![allow(unsafe_code)] // A counting allocator has to be one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use sip::{
    ClientKey, Event, Instant, Layer, LayerLimits, Received, Responded, ServerId, ServerKey, Timers,
};

/// The system's allocator, with a count of the bytes that each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is ending has no count any more; nothing is measured there.
    HELD.try_with(|held| held.set(held.get() + bytes))
        .unwrap_or_default();
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the system's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As large as the peers of the proxy: an IPv4 address, one of ours, a connection and a listener.
type Peer = [u64; 3];

const PAIRS: usize = 10_000;
const TO: &[u8] = b"<sip:b@c>;tag=1";
/// Lengths of an INVITE with SDP, and of responses without a body.
const INVITE_BYTES: usize = 1000;
const RESPONSE_BYTES: usize = 300;

struct Load {
    layer: Layer<Peer>,
    now: Instant,
    servers: Vec<ServerId>,
    before: isize,
}

impl Load {
    fn new() -> Self {
        let servers = Vec::with_capacity(PAIRS);
        let before = HELD.get();
        Self {
            layer: Layer::new(Timers::default(), LayerLimits::default(), 3),
            now: Instant::ZERO,
            servers,
            before,
        }
    }

    /// Begins a server and a client transaction for each call, and lets `statuses` pass.
    fn run(&mut self, method: &str, statuses: &[u16]) {
        for number in 0..PAIRS {
            let branch = format!("z9hG4bK{number:032x}");
            let server = ServerKey {
                branch: branch.as_bytes(),
                sent_by: b"198.51.100.17:5060",
                method: method.as_bytes(),
                legacy: None,
            };
            let client = ClientKey {
                branch: branch.as_bytes(),
                method: method.as_bytes(),
            };
            let peer = [1; 3];
            let (layer, now) = (&mut self.layer, self.now);
            assert_eq!(layer.receive_request(&server, now), Received::New);
            let id = layer.create_server(&server, peer, false, now);
            let id = id.expect("a server transaction");
            layer
                .create_client(&client, request(method), peer, false, now)
                .expect("a client transaction");
            for &status in statuses {
                assert!(layer.receive_response(&client, status, TO, now).is_some());
                let wire = Bytes::from(vec![b'x'; RESPONSE_BYTES]);
                assert_eq!(layer.respond(id, status, wire, now), Responded::Sent);
            }
            self.servers.push(id);
            self.drain();
        }
    }

    /// Lets a server transaction see its ACK.
    fn acknowledge(&mut self) {
        for number in 0..PAIRS {
            let branch = format!("z9hG4bK{number:032x}");
            let ack = ServerKey {
                branch: branch.as_bytes(),
                sent_by: b"198.51.100.17:5060",
                method: b"ACK",
                legacy: None,
            };
            let received = self.layer.receive_request(&ack, self.now);
            assert!(matches!(received, Received::Ack(_)));
            self.drain();
        }
    }

    fn drain(&mut self) -> usize {
        std::iter::from_fn(|| self.layer.poll()).count()
    }

    /// Bytes of each of `things`.
    fn each(&self, things: usize) -> usize {
        (HELD.get() - self.before) as usize / things
    }
}

/// A request that an ACK can be made from.
fn request(method: &str) -> Bytes {
    let mut text = format!(
        "{method} sip:+14155550123@203.0.113.20:5080 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0123456789abcdef0123456789abcdef\r\n\
         Max-Forwards: 69\r\n\
         From: <sip:+14155550100@198.51.100.17>;tag=9fxced76sl\r\n\
         To: <sip:+14155550123@203.0.113.20>\r\n\
         Call-ID: 3848276298220188511@198.51.100.17\r\n\
         CSeq: 1 {method}\r\n\
         Subject: "
    );
    let rest = INVITE_BYTES - text.len() - 4;
    text.extend(std::iter::repeat_n('x', rest));
    text.push_str("\r\n\r\n");
    assert_eq!(text.len(), INVITE_BYTES);
    Bytes::from(text.into_bytes().into_boxed_slice())
}

#[test]
fn an_invite_in_progress() {
    let mut load = Load::new();
    load.run("INVITE", &[100, 180]);
    assert_eq!(load.layer.counters().live, 2 * PAIRS);
    let all = load.each(PAIRS);
    let records = all - INVITE_BYTES - RESPONSE_BYTES;
    println!("an INVITE in progress: {records} bytes beside its messages, {all} with them");
    assert!(records <= 360, "{records} bytes beside the messages");
    let told = load.layer.counters().bytes / PAIRS;
    assert!(all.abs_diff(told) < 150, "{told} bytes counted, {all} held");
}

#[test]
fn tombstones() {
    for (method, statuses, name) in [
        ("INVITE", &[100, 180, 200][..], "200 to an INVITE"),
        ("INVITE", &[100, 486], "486 to an INVITE"),
        ("BYE", &[200], "200 to a BYE"),
    ] {
        let mut load = Load::new();
        load.run(method, statuses);
        if statuses.ends_with(&[486]) {
            load.acknowledge();
        }
        assert_eq!(load.layer.counters().tombstones, 2 * PAIRS);
        let each = load.each(2 * PAIRS);
        println!("a tombstone of {name}: {each} bytes");
        assert!(each <= 512, "{each} bytes a tombstone of {name}");
    }
}

/// The memory of a burst goes back when its last transaction is gone.
#[test]
fn nothing_stays() {
    let mut load = Load::new();
    load.run("INVITE", &[100, 180, 200]);
    let most = load.each(1);
    load.now += Duration::from_secs(33);
    load.layer.tick(load.now);
    let ended = std::iter::from_fn(|| load.layer.poll())
        .filter(|event| matches!(event, Event::Ended(_)))
        .count();
    assert_eq!(ended, 2 * PAIRS);
    load.now += Duration::from_secs(1);
    load.layer.tick(load.now);
    assert!(
        load.each(1) < most / 10,
        "{} of {most} bytes stay",
        load.each(1)
    );
}
