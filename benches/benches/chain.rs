//! `chain/*`, `trunk_lookup/*`: messages through their filters.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use benches::chain::{context, default_chain, empty_chain, one_filter, source};
use benches::corpus;
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use filters::{BuildContext, Chain, Context, Flow, Outcome, Target, TrunkConfig, Trust};
use sip::{Limits, Message, Method, Request, Response, parse};

fn request(bytes: &[u8]) -> Request {
    match parse(Bytes::copy_from_slice(bytes), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn invite() -> Request {
    request(corpus::INVITE_1K)
}

/// The carrier's INVITE with two headers more, of which the ten rules speak.
fn invite_x() -> Request {
    let text = std::str::from_utf8(corpus::INVITE_1K).expect("the corpus is text");
    let last = "Content-Type:";
    let more = format!("X-Tenant: acme-0017\r\nX-Account: 004417\r\n{last}");
    request(text.replacen(last, &more, 1).as_bytes())
}

fn ok() -> Response {
    let buffer = Bytes::copy_from_slice(corpus::OK_RECORD_ROUTES);
    match parse(buffer, &Limits::default()) {
        Ok(Message::Response(response)) => response,
        other => panic!("not a response: {other:?}"),
    }
}

/// A target of a trunk, whose URI gives the call headers.
fn target() -> Target {
    let uri = b"sip:192.0.2.50:5090?X-customParameter=xxxxxxxx&X-customValue=true";
    Target {
        uri: Bytes::from_static(uri),
        trunk: Some("carrier-a".into()),
        trust: Trust::Untrusted,
    }
}

/// `count` trunks; the last one is where the INVITE comes from.
fn trunks(count: u32) -> BuildContext {
    let trunk = |name: String, sources: &[String]| TrunkConfig {
        name: name.into(),
        trust: Trust::Untrusted,
        sources: sources.iter().flat_map(|source| source.parse()).collect(),
        transports: Vec::new(),
        domains: Vec::new(),
    };
    let net = |number: u32| Ipv4Addr::from(0x0a00_0000 + number * 4);
    let others = (1..count).map(|number| {
        let sources = [format!("{}/30", net(number)), net(number).to_string()];
        trunk(format!("trunk-{number}"), &sources)
    });
    let sources = ["198.51.100.0/24".into(), "192.0.2.8".into()];
    BuildContext {
        trunks: others
            .chain([trunk("carrier-a".into(), &sources)])
            .collect(),
        ..BuildContext::default()
    }
}

/// `count` rules of five kinds, each on a name of its own that the INVITE does not have.
fn idle_rules(count: usize) -> String {
    let rule = |number: usize| match number % 5 {
        0 => format!("{{ op = \"remove\", header = \"X-Gone-{number}\" }}"),
        1 => format!("{{ op = \"remove\", header = \"X-Internal-{number}-*\" }}"),
        2 => format!("{{ op = \"store\", header = \"X-Kept-{number}\", var = \"v{number}\" }}"),
        3 => format!("{{ op = \"rename\", header = \"X-Old-{number}\", to = \"X-New-{number}\" }}"),
        _ => format!("{{ op = \"reject\", when = \"header.X-Bad-{number} == 'true'\" }}"),
    };
    let rules: Vec<String> = (0..count).map(rule).collect();
    format!("type = \"x_headers\"\nrules = [{}]", rules.join(", "))
}

fn bench_requests(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: &str,
    chain: &Chain,
    (request, cx): (&Request, &Context),
) {
    let flow = chain.request(&mut request.clone(), &mut cx.clone());
    assert!(
        matches!(flow, Flow::Continue),
        "the chain lets the INVITE through"
    );
    group.bench_function(id, |bencher| {
        bencher.iter_batched_ref(
            || (request.clone(), cx.clone()),
            |(request, cx)| chain.request(request, cx),
            BatchSize::SmallInput,
        );
    });
}

fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    group.throughput(Throughput::Elements(1));
    group.bench_function("empty_8", |bencher| {
        let chain = empty_chain(8);
        let (mut request, mut cx) = (invite(), context());
        bencher.iter(|| chain.request(black_box(&mut request), &mut cx));
    });
    let (plain, cx) = (invite(), context());
    let chain = default_chain(&BuildContext::default(), None);
    bench_requests(&mut group, "default", &chain, (&plain, &cx));
    default_10(&mut group);
    // Inside the boundary, so that rules are all that is measured.
    let mut inside = context();
    inside.facts.trust = Trust::Internal;
    for count in [1, 10, 100] {
        let chain = one_filter(&idle_rules(count), &BuildContext::default());
        let id = format!("rules/{count}");
        bench_requests(&mut group, &id, &chain, (&plain, &inside));
    }
    group.bench_function("context", |bencher| {
        let source = source();
        bencher.iter(|| Context::new(black_box(&source).clone(), Method::Invite, false));
    });
    group.finish();
    assert!(size_of::<Context>() <= 256, "a context is moved about");
}

/// The default chain with ten rules on X- headers, each hook by itself.
fn default_10(group: &mut BenchmarkGroup<'_, WallTime>) {
    let rules = include_str!("../../filters/tests/data/rules_10.toml");
    let chain = default_chain(&trunks(1), Some(rules));
    let (fresh, cx) = (invite_x(), context());
    bench_requests(group, "default_10/request", &chain, (&fresh, &cx));
    let (mut request, mut cx) = (fresh, cx);
    assert!(matches!(
        chain.request(&mut request, &mut cx),
        Flow::Continue
    ));
    let target = target();
    group.bench_function("default_10/branch", |bencher| {
        bencher.iter_batched_ref(
            || (request.clone(), cx.clone()),
            |(request, cx)| chain.branch(request, &target, cx),
            BatchSize::SmallInput,
        );
    });
    let response = ok();
    group.bench_function("default_10/response", |bencher| {
        bencher.iter_batched_ref(
            || (response.clone(), cx.clone()),
            |(response, cx)| chain.response(response, Some(&target), cx),
            BatchSize::SmallInput,
        );
    });
    let outcome = Outcome {
        status: 200,
        method: b"INVITE",
        call_id: b"61f3c2a87be04d19@198.51.100.17",
        ruri: b"sip:+14155550123@edge.hookswitch.example:5060;user=phone",
        target: Some(&target),
        duration: Duration::from_millis(4),
        reason: None,
    };
    group.bench_function("default_10/done", |bencher| {
        bencher.iter_batched_ref(
            || cx.clone(),
            |cx| chain.done(&outcome, cx),
            BatchSize::SmallInput,
        );
    });
}

/// The filter `trunk` alone, and how long it takes to build.
fn trunk_lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trunk_lookup");
    let config = "type = \"trunk\"";
    let (request, cx) = (invite(), context());
    for count in [1, 100, 10_000] {
        let chain = one_filter(config, &trunks(count));
        bench_requests(&mut group, &count.to_string(), &chain, (&request, &cx));
    }
    let all = trunks(10_000);
    group.sample_size(10);
    group.bench_function("build/10000", |bencher| {
        bencher.iter(|| one_filter(config, &all));
    });
    group.finish();
}

criterion_group!(benches, chains, trunk_lookup);
criterion_main!(benches);
