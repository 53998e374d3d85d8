//! Filter chains to measure, and what a request goes through them with.

use std::sync::Arc;

use filters::{BuildContext, Chain, Context, Counters, Filter, Registry, Source, Trust};
use sip::{Method, Transport};
use toml::de::{DeTable, DeValue};

/// Does nothing at every hook.
struct Empty;

impl Filter for Empty {}

/// A chain of so many filters that do nothing.
pub fn empty_chain(filters: usize) -> Chain {
    let filters = (0..filters).map(|_| ("empty", Box::new(Empty) as Box<dyn Filter>));
    Chain::new("empty", filters.collect(), &Counters::default())
}

/// The chain of the annotated configuration that ships with the product.
///
/// # Panics
///
/// Where that configuration is wrong.
pub fn default_chain() -> Chain {
    chain_of(include_str!("../../deploy/hookswitch.toml"))
}

/// The first chain of a configuration file.
fn chain_of(text: &str) -> Chain {
    let registry = Registry::builtin();
    let cx = BuildContext::default();
    let file = DeTable::parse(text).expect("TOML");
    let chains = array(file.get_ref().get("chain").expect("chains").get_ref());
    let filters = chains[0].get_ref().get("filter").expect("filters");
    let built = array(filters.get_ref())
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

/// What a chain gets with an INVITE from a stranger.
pub fn context() -> Context {
    let source = Source {
        address: ([198, 51, 100, 17], 5060).into(),
        local: ([203, 0, 113, 7], 5060).into(),
        transport: Transport::Udp,
        listener: Arc::from("public"),
        trust: Trust::Untrusted,
    };
    Context::new(source, Method::Invite, false)
}
