//! An ordinary INVITE goes through the default chain, with ten rules and to a target with headers of
//! its own, without touching the heap: on_request, on_branch, on_response and on_done.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use filters::{
    Branch, BuildContext, Chain, Context, Counters, Flow, Outcome, Registry, Relay, Target,
    TrunkConfig, Trust,
};
use sip::Transport;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What `work` gives, and how often it asked for memory.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let asked = allocation_counter::measure(|| result = Some(work()));
    (result.expect("work was done"), asked.count_total)
}

/// The first chain of the configuration that ships with the product, with the rules of
/// `data/rules_10.toml`.
fn chain() -> Chain {
    let cx = BuildContext {
        trunks: vec![TrunkConfig {
            name: "carrier-a".into(),
            trust: Trust::Untrusted,
            sources: vec!["192.0.2.0/24".parse().unwrap()],
            transports: vec![Transport::Udp, Transport::Tcp],
            domains: Vec::new(),
        }],
        ..BuildContext::default()
    };
    let file = DeTable::parse(include_str!("../../deploy/hookswitch.toml")).unwrap();
    let rules = DeTable::parse(include_str!("data/rules_10.toml")).unwrap();
    let rules = Spanned::new(rules.span(), DeValue::Table(rules.into_inner()));
    let chains = file.get_ref().get("chain").unwrap().get_ref();
    let filters = chains.get(0).unwrap().get_ref().get("filter").unwrap();
    let DeValue::Array(filters) = filters.get_ref() else {
        panic!("the filters are no list");
    };
    let build = |table: &Spanned<DeValue<'_>>| {
        let name = table.get_ref().get("type").unwrap().get_ref();
        let is_rules = name.as_str() == Some("x_headers");
        let table = if is_rules { &rules } else { table };
        Registry::builtin().build(table.clone(), &cx).unwrap()
    };
    Chain::new(
        "inbound",
        filters.iter().map(build).collect(),
        &Counters::default(),
    )
}

/// A buffer as a receiver has it: shared already, so that a reference costs a count and no more.
fn received(text: &str) -> Bytes {
    let buffer = Bytes::from(text.replace('\n', "\r\n"));
    drop(buffer.clone());
    buffer
}

const INVITE: &str = "INVITE sip:+14155550123@edge.example;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK7a91c0de4f;rport
Max-Forwards: 66
From: \"CALLER\" <sip:+12125550188@192.0.2.9;user=phone>;tag=9c41d07e
To: <sip:+14155550123@edge.example;user=phone>
Call-ID: 61f3c2a87be04d19@192.0.2.9
CSeq: 20417 INVITE
Contact: <sip:+12125550188@192.0.2.9:5060;transport=udp>
P-Asserted-Identity: \"CALLER\" <sip:+12125550188@192.0.2.9>
Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS
Supported: 100rel, timer, replaces
X-Carrier-Trunk: nyc-04/17
X-Tenant: acme-0017
X-Account: 004417
Content-Length: 0

";
const OK: &str = "SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK7a91c0de4f;rport
From: \"CALLER\" <sip:+12125550188@192.0.2.9;user=phone>;tag=9c41d07e
To: <sip:+14155550123@edge.example;user=phone>;tag=1
Call-ID: 61f3c2a87be04d19@192.0.2.9
CSeq: 20417 INVITE
Contact: <sip:+14155550123@192.0.2.50>
X-Tenant: acme-0017
X-Internal-Node: 7
Content-Length: 0

";

#[test]
fn an_ordinary_call_allocates_nothing() {
    assert_eq!(counted(|| Vec::<u8>::with_capacity(100)).1, 1);
    let chain = chain();
    // A thread that has had a message keeps its storage for the next one.
    run(&chain);
    let calls = run(&chain);
    assert_eq!(calls, [0; 5], "context, request, branch, response, done");
}

/// A call through every hook; how often each asked for memory, the context first.
fn run(chain: &Chain) -> [u64; 5] {
    let target = Target {
        uri: Bytes::from_static(b"sip:192.0.2.50?X-customParameter=xxxxxxxx&X-customValue=true"),
        trunk: Some("carrier-a".into()),
        trust: Trust::Untrusted,
    };
    let mut request = support::request(received(INVITE));
    let mut response = support::response(received(OK));
    let source = support::source(Trust::Untrusted);
    let outcome = Outcome {
        status: 200,
        method: b"INVITE",
        call_id: b"61f3c2a87be04d19@192.0.2.9",
        ruri: b"sip:+14155550123@edge.example;user=phone",
        target: Some(&target),
        duration: Duration::from_millis(4),
        reason: None,
    };

    let (mut cx, new) = counted(|| Context::new(source, sip::Method::Invite, false));
    let (flow, on_request) = counted(|| chain.request(&mut request, &mut cx));
    assert!(matches!(flow, Flow::Continue), "{flow:?}");
    let (branch, on_branch) = counted(|| chain.branch(&mut request, &target, &mut cx));
    assert_eq!(branch, Branch::Send);
    let (relay, on_response) = counted(|| chain.response(&mut response, Some(&target), &mut cx));
    assert_eq!(relay, Relay::Forward);
    let ((), on_done) = counted(|| chain.done(&outcome, &mut cx));

    // It did what it is there for.
    let rows = |name: &[u8]| request.headers.named(name).count();
    assert_eq!(rows(b"X-Edge-Trunk"), 1);
    assert_eq!(rows(b"X-Origin"), 1);
    assert_eq!(rows(b"X-customValue"), 1);
    assert_eq!(rows(b"X-Account"), 0);
    assert_eq!(rows(b"P-Asserted-Identity"), 0);
    assert_eq!(response.headers.named(b"X-Customer").count(), 1);
    assert_eq!(cx.facts.vars.get("tenant"), Some(b"acme-0017".as_slice()));
    [new, on_request, on_branch, on_response, on_done]
}
