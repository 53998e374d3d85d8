//! Filter chains to measure, and what a request goes through them with.

use std::sync::Arc;

use filters::{BuildContext, Chain, Context, Counters, Filter, Registry, Source, Trust};
use sip::{Method, Transport};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Does nothing at every hook.
struct Empty;

impl Filter for Empty {}

/// A chain of so many filters that do nothing.
pub fn empty_chain(filters: usize) -> Chain {
    let filters = (0..filters).map(|_| ("empty", Box::new(Empty) as Box<dyn Filter>));
    Chain::new("empty", filters.collect(), &Counters::default())
}

/// The first chain of the annotated configuration that ships with the product; with `rules`, the table of
/// an `x_headers` filter, in place of its own, where there are any.
///
/// # Panics
///
/// Where that configuration or `rules` is wrong.
pub fn default_chain(cx: &BuildContext, rules: Option<&str>) -> Chain {
    let registry = Registry::builtin();
    let text = include_str!("../../deploy/hookswitch.toml");
    let file = DeTable::parse(text).expect("TOML");
    let chains = array(file.get_ref().get("chain").expect("chains").get_ref());
    let filters = chains[0].get_ref().get("filter").expect("filters");
    let built = array(filters.get_ref()).iter().map(|own| {
        let name = own.get_ref().get("type").expect("a type");
        let rules = rules.filter(|_| name.get_ref().as_str() == Some("x_headers"));
        let filter = match rules {
            Some(rules) => registry.build(table(rules), cx),
            None => registry.build(own.clone(), cx),
        };
        filter.expect("a valid filter")
    });
    Chain::new("inbound", built.collect(), &Counters::default())
}

/// A chain of the one filter that `config` is the table of.
///
/// # Panics
///
/// Where it is wrong.
pub fn one_filter(config: &str, cx: &BuildContext) -> Chain {
    let filter = Registry::builtin().build(table(config), cx);
    Chain::new("one", vec![filter.expect("a valid filter")], &cx.counters)
}

fn table(text: &str) -> Spanned<DeValue<'_>> {
    let table = DeTable::parse(text).expect("TOML");
    Spanned::new(table.span(), DeValue::Table(table.into_inner()))
}

fn array<'a>(value: &'a DeValue<'a>) -> &'a [Spanned<DeValue<'a>>] {
    match value {
        DeValue::Array(array) => array,
        other => panic!("not an array: {other:?}"),
    }
}

/// What a chain gets with an INVITE from a stranger.
pub fn context() -> Context {
    Context::new(source(), Method::Invite, false)
}

/// Where that INVITE comes from.
pub fn source() -> Source {
    Source {
        address: ([198, 51, 100, 17], 5060).into(),
        local: ([203, 0, 113, 7], 5060).into(),
        transport: Transport::Udp,
        listener: Arc::from("public"),
        trust: Trust::Untrusted,
    }
}
