//! `chain/*`: a request through its filters.

use std::hint::black_box;
use std::sync::Arc;

use benches::corpus;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use filters::{BuildContext, Chain, Context, Counters, Filter, Flow, Registry, Source, Trust};
use sip::{Limits, Message, Method, Request, Transport, parse};
use toml::de::{DeTable, DeValue};

/// Does nothing at every hook.
struct Empty;

impl Filter for Empty {}

fn context() -> Context {
    let source = Source {
        address: "198.51.100.17:5060".parse().expect("an address"),
        local: "203.0.113.7:5060".parse().expect("an address"),
        transport: Transport::Udp,
        listener: Arc::from("public"),
        trust: Trust::Untrusted,
    };
    Context::new(source, Method::Invite, false)
}

fn invite() -> Request {
    let buffer = Bytes::copy_from_slice(corpus::INVITE_1K);
    match parse(buffer, &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

/// The chain of the annotated configuration that ships with the product.
fn default_chain() -> Chain {
    let registry = Registry::builtin();
    let cx = BuildContext::default();
    let text = include_str!("../../deploy/hookswitch.toml");
    let file = DeTable::parse(text).expect("TOML");
    let chains = array(file.get_ref().get("chain").expect("chains").get_ref());
    let inbound = array(
        chains[0]
            .get_ref()
            .get("filter")
            .expect("filters")
            .get_ref(),
    );
    let built = inbound
        .iter()
        .map(|table| registry.build(table.clone(), &cx));
    let filters = built
        .map(|filter| filter.expect("a valid filter"))
        .collect();
    Chain::new("inbound", filters, &Counters::default())
}

fn array<'a>(value: &'a DeValue<'a>) -> &'a [toml::Spanned<DeValue<'a>>] {
    match value {
        DeValue::Array(array) => array,
        other => panic!("not an array: {other:?}"),
    }
}

fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: corpus::INVITE_1K.len() as u64,
    });
    group.bench_function("empty_8", |bencher| {
        let filters = (0..8).map(|_| ("empty", Box::new(Empty) as Box<dyn Filter>));
        let chain = Chain::new("empty", filters.collect(), &Counters::default());
        let (mut request, mut cx) = (invite(), context());
        bencher.iter(|| chain.request(black_box(&mut request), &mut cx));
    });
    group.bench_function("default", |bencher| {
        let chain = default_chain();
        let (request, cx) = (invite(), context());
        let flow = chain.request(&mut request.clone(), &mut cx.clone());
        assert!(
            matches!(flow, Flow::Continue),
            "the chain lets the INVITE through"
        );
        bencher.iter_batched_ref(
            || (request.clone(), cx.clone()),
            |(request, cx)| chain.request(request, cx),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, chains);
criterion_main!(benches);
