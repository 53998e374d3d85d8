//! The walk over a chain: order, refusals, panics, waiting, traces.

#![allow(clippy::unwrap_used)]

mod support;

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use filters::{
    Branch, Chain, Change, Context, Counters, Filter, Flow, Hook, Outcome, Reason, Relay, Reply,
    Resume, Target, Trace, Trust, Wait,
};
use sip::{Method, Request, Response};

type Log = Arc<Mutex<Vec<String>>>;

/// What a [`Probe`] does besides writing down that it ran.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Nothing,
    Drop,
    Panic(&'static str),
    Reply,
    Wait,
}

/// Writes down every hook.
struct Probe {
    name: &'static str,
    does: Does,
    log: Log,
}

impl Probe {
    fn ran(&self, hook: &'static str) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{hook} {}", self.name));
        if self.does == Does::Panic(hook) {
            panic!("as the test asks");
        }
    }
}

const WHY: Reason = Reason("why");

impl Filter for Probe {
    fn on_request(&self, request: &mut Request, _: &mut Context) -> Flow {
        self.ran("request");
        request
            .headers
            .append(b"X-Ran", self.name.as_bytes())
            .unwrap();
        match self.does {
            Does::Drop => Flow::Drop(WHY),
            Does::Reply => Flow::Reply(Reply::new(403, "Forbidden", WHY)),
            Does::Wait => {
                let resume: Resume = Box::new(|request, cx| {
                    request.headers.append(b"X-Waited", b"1").unwrap();
                    cx.facts.record_route = true;
                    Flow::Continue
                });
                Flow::Wait(Wait::new(Duration::from_secs(1), ready(resume)))
            }
            Does::Nothing | Does::Panic(_) => Flow::Continue,
        }
    }

    fn on_branch(&self, _: &mut Request, _: &Target, cx: &mut Context) -> Branch {
        assert!(cx.target.is_some());
        self.ran("branch");
        match self.does {
            Does::Drop => Branch::Skip(WHY),
            _ => Branch::Send,
        }
    }

    fn on_response(&self, _: &mut Response, _: &mut Context) -> Relay {
        self.ran("response");
        match self.does {
            Does::Drop => Relay::Drop(WHY),
            _ => Relay::Forward,
        }
    }

    fn on_done(&self, _: &Outcome<'_>, _: &mut Context) {
        self.ran("done");
    }
}

struct Setup {
    chain: Chain,
    counters: Counters,
    log: Log,
    request: Request,
    cx: Context,
}

fn setup(filters: &[(&'static str, Does)]) -> Setup {
    let log = Log::default();
    let counters = Counters::default();
    for (name, _) in filters {
        counters.filter(name, &[WHY]);
    }
    let probe = |(name, does): &(&'static str, Does)| -> (&'static str, Box<dyn Filter>) {
        let (name, does) = (*name, *does);
        let log = log.clone();
        (name, Box::new(Probe { name, does, log }))
    };
    let chain = Chain::new("test", filters.iter().map(probe).collect(), &counters);
    Setup {
        chain,
        counters,
        log,
        request: support::request("INVITE sip:a@b SIP/2.0\r\nSubject: 1\r\n\r\n"),
        cx: support::context(Trust::Untrusted),
    }
}

impl Setup {
    fn take_log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }

    fn done(&mut self) {
        let outcome = Outcome {
            status: 200,
            method: b"INVITE",
            call_id: b"a@b",
            ruri: b"sip:a@b",
            target: None,
            duration: Duration::ZERO,
            reason: None,
        };
        self.chain.done(&outcome, &mut self.cx);
    }

    fn count(&self, filter: &str, reason: Reason) -> u64 {
        let all = self.counters.snapshot();
        let count = all
            .iter()
            .find(|c| c.filter == filter && c.reason == reason.0);
        count.unwrap().value
    }
}

fn response() -> Response {
    support::response("SIP/2.0 200 OK\r\nSubject: 1\r\n\r\n")
}

fn target() -> Target {
    Target {
        uri: Bytes::from_static(b"sip:c@d"),
        trunk: None,
        trust: Trust::Untrusted,
    }
}

#[test]
fn in_order_and_back_in_reverse() {
    let mut s = setup(&[("a", Does::Nothing), ("b", Does::Nothing)]);
    assert!(matches!(
        s.chain.request(&mut s.request, &mut s.cx),
        Flow::Continue
    ));
    assert_eq!(
        s.chain.branch(&mut s.request, &target(), &mut s.cx),
        Branch::Send
    );
    let relay = s
        .chain
        .response(&mut response(), Some(&target()), &mut s.cx);
    assert_eq!(relay, Relay::Forward);
    s.done();
    s.done();
    assert_eq!(
        s.take_log(),
        "request a, request b, branch a, branch b, response b, response a, done a, done b"
    );
}

#[test]
fn a_refusal_stops_the_walk() {
    for does in [Does::Reply, Does::Drop] {
        let mut s = setup(&[("a", Does::Nothing), ("b", does), ("c", Does::Nothing)]);
        let flow = s.chain.request(&mut s.request, &mut s.cx);
        match does {
            Does::Reply => assert!(matches!(flow, Flow::Reply(reply) if reply.status == 403)),
            _ => assert!(matches!(flow, Flow::Drop(WHY))),
        }
        assert_eq!(s.count("b", WHY), 1);
        let relay = s.chain.response(&mut response(), None, &mut s.cx);
        let expected = if does == Does::Drop {
            assert_eq!(relay, Relay::Drop(WHY));
            "request a, request b, response b, done a, done b"
        } else {
            assert_eq!(relay, Relay::Forward);
            "request a, request b, response b, response a, done a, done b"
        };
        s.done();
        assert_eq!(s.take_log(), expected);
    }
}

#[test]
fn nobody_answers_an_ack() {
    let mut s = setup(&[("a", Does::Reply)]);
    s.cx.facts.method = Method::Ack;
    let flow = s.chain.request(&mut s.request, &mut s.cx);
    assert!(matches!(flow, Flow::Drop(WHY)));
    assert!(matches!(
        s.chain.expire(&mut s.cx),
        Flow::Drop(Reason::WAIT_TIMEOUT)
    ));
}

#[test]
fn a_panic_costs_its_own_transaction() {
    let panics = [
        ("a", Does::Nothing),
        ("b", Does::Panic("request")),
        ("c", Does::Nothing),
    ];
    let mut s = setup(&panics);
    let flow = s.chain.request(&mut s.request, &mut s.cx);
    let Flow::Reply(reply) = flow else {
        panic!("{flow:?}");
    };
    assert_eq!((reply.status, reply.cause), (500, Reason::FILTER_PANIC));
    assert_eq!(s.count("b", Reason::FILTER_PANIC), 1);
    s.done();
    assert_eq!(s.take_log(), "request a, request b, done a, done b");

    let mut s = setup(&[("a", Does::Panic("branch")), ("b", Does::Panic("response"))]);
    assert!(matches!(
        s.chain.request(&mut s.request, &mut s.cx),
        Flow::Continue
    ));
    let branch = s.chain.branch(&mut s.request, &target(), &mut s.cx);
    assert_eq!(branch, Branch::Skip(Reason::FILTER_PANIC));
    let relay = s.chain.response(&mut response(), None, &mut s.cx);
    assert_eq!(relay, Relay::Drop(Reason::FILTER_PANIC));
}

#[test]
fn a_panic_in_done_keeps_nobody_from_being_told() {
    let panics = [
        ("a", Does::Panic("done")),
        ("b", Does::Nothing),
        ("c", Does::Panic("done")),
    ];
    let mut s = setup(&panics);
    let _ = s.chain.request(&mut s.request, &mut s.cx);
    s.take_log();
    s.done();
    assert_eq!(s.take_log(), "done a, done b, done c");
    assert_eq!(s.count("a", Reason::FILTER_PANIC), 1);
    assert_eq!(s.count("c", Reason::FILTER_PANIC), 1);
}

#[test]
fn waiting_goes_on_where_it_stopped() {
    let mut s = setup(&[("a", Does::Wait), ("b", Does::Nothing)]);
    let flow = s.chain.request(&mut s.request, &mut s.cx);
    let Flow::Wait(wait) = flow else {
        panic!("{flow:?}");
    };
    assert_eq!(wait.timeout, Duration::from_secs(1));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let mut future = wait.future;
    let std::task::Poll::Ready(resume) = future.as_mut().poll(&mut task) else {
        panic!("not ready");
    };
    let flow = s.chain.resume(resume, &mut s.request, &mut s.cx);
    assert!(matches!(flow, Flow::Continue));
    assert!(s.cx.facts.record_route);
    s.done();
    assert_eq!(s.take_log(), "request a, request b, done a, done b");
    assert_eq!(s.request.headers.named(b"X-Waited").count(), 1);
}

#[test]
fn waiting_never_fails_open() {
    let mut s = setup(&[("a", Does::Wait), ("b", Does::Nothing)]);
    let flow = s.chain.request(&mut s.request, &mut s.cx);
    assert!(matches!(flow, Flow::Wait(_)));
    let flow = s.chain.expire(&mut s.cx);
    assert!(matches!(flow, Flow::Reply(reply) if reply.status == 504));
    assert_eq!(s.count("a", Reason::WAIT_TIMEOUT), 1);
    s.done();
    assert_eq!(s.take_log(), "request a, done a");
}

#[test]
fn the_chain_of_a_trunk_runs_beside() {
    let mut inbound = setup(&[("a", Does::Nothing)]);
    let trunk = setup(&[("t", Does::Nothing), ("u", Does::Nothing)]);
    let cx = &mut inbound.cx;
    let _ = inbound.chain.request(&mut inbound.request, cx);
    trunk.chain.branch(&mut inbound.request, &target(), cx);
    trunk.chain.response(&mut response(), Some(&target()), cx);
    assert_eq!(
        trunk.take_log(),
        "branch t, branch u, response u, response t"
    );
    inbound.done();
    assert_eq!(inbound.take_log(), "request a, done a");
}

#[test]
fn a_trace_tells_what_each_filter_did() {
    let mut s = setup(&[("a", Does::Nothing), ("b", Does::Reply)]);
    let reads = AtomicUsize::new(0);
    let mut clock = || reads.fetch_add(1, Ordering::Relaxed) as u64 * 10;
    let mut trace = Trace::new(&mut clock);
    let flow = s
        .chain
        .request_traced(&mut s.request, &mut s.cx, &mut trace);
    assert!(matches!(flow, Flow::Reply(_)));
    let [a, b] = trace.steps.as_slice() else {
        panic!("{:?}", trace.steps);
    };
    assert_eq!((a.filter, a.hook, a.nanos), ("a", Hook::Request, 10));
    assert_eq!(a.decision, "continue");
    let added = Change::Added {
        name: "X-Ran".to_owned(),
        value: "a".to_owned(),
    };
    assert_eq!(a.changes, [added]);
    assert_eq!(b.decision, "reply 403 why");

    let mut s = setup(&[("a", Does::Panic("request"))]);
    let mut trace = Trace::new(&mut clock);
    let _ = s
        .chain
        .request_traced(&mut s.request, &mut s.cx, &mut trace);
    assert_eq!(trace.steps[0].decision, "panic");
}
