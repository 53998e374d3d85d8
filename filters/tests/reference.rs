//! What the reference says is what holds.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use filters::builtin::{AccessLog, RecordRoute, Sanity, Trunk, UriHeaders, XHeaders};
use filters::{BuildContext, Key, Kind, Plugin, Registry, Settings, Unset};

#[test]
fn filters_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../FILTERS.md");
    let text = Registry::builtin().reference(None).unwrap();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "run the test with UPDATE_FIXTURES=1 and commit FILTERS.md"
    );
}

#[test]
fn one_filter_or_none() {
    let registry = Registry::builtin();
    let text = registry.reference(Some("trunk")).unwrap();
    assert!(text.starts_with("## trunk\n"), "{text}");
    assert!(text.contains("`no_match`"), "{text}");
    assert_eq!(registry.reference(Some("nonsense")), None);
}

fn check<P: Plugin>() {
    let registry = Registry::builtin();
    let cx = BuildContext::default();
    let build = |config: &str| support::fixture::build(&registry, P::NAME, config, &cx);
    build(P::EXAMPLE).unwrap_or_else(|errors| panic!("{}: {errors:?}", P::NAME));
    build("").unwrap_or_else(|errors| panic!("{}: {errors:?}", P::NAME));
    for key in P::Config::KEYS {
        check_key(key, &|key, value| {
            // A trunk of the example is no trunk of an empty configuration.
            if (P::NAME, key) != ("trunk", "trunks") {
                let config = format!("{key} = {value}");
                build(&config).unwrap_or_else(|errors| panic!("{config}: {errors:?}"));
            }
        });
        if let Kind::Tables(keys) = key.kind {
            keys.iter().for_each(check_declaration);
        }
    }
}

/// Builds the filter with the example, the default and every word of a key.
fn check_key(key: &Key, build: &dyn Fn(&str, &str)) {
    check_declaration(key);
    build(key.name, key.example);
    if let Unset::Value(value) = key.default {
        build(key.name, value);
        assert_ne!(
            value, key.example,
            "{}: the example is the default",
            key.name
        );
    }
    match key.kind {
        Kind::Choice(words) => words
            .iter()
            .for_each(|word| build(key.name, &format!("{word:?}"))),
        Kind::Choices(words) => build(key.name, &format!("{words:?}")),
        Kind::Integer(low, _) => build(key.name, &low.to_string()),
        _ => {}
    }
}

fn check_declaration(key: &Key) {
    let meaning = key.meaning.trim();
    assert!(meaning.ends_with('.'), "{}: {meaning}", key.name);
    let table: toml::Table = toml::from_str(&format!("value = {}", key.example)).unwrap();
    assert_eq!(table.len(), 1, "{}", key.name);
}

#[test]
fn examples_defaults_and_words_are_accepted() {
    check::<AccessLog>();
    check::<RecordRoute>();
    check::<Sanity>();
    check::<Trunk>();
    check::<UriHeaders>();
    check::<XHeaders>();
}

#[test]
fn unknown_filters_are_refused() {
    let registry = Registry::builtin();
    let build = |text: &str| {
        let table = toml::de::DeTable::parse(text).unwrap();
        let span = table.span();
        let table = toml::Spanned::new(span, toml::de::DeValue::Table(table.into_inner()));
        let built = registry.build(table, &BuildContext::default());
        built
            .map(|(name, _)| name)
            .map_err(|errors| errors[0].to_string())
    };
    assert_eq!(
        build("type = \"trunk\"\nno_match = \"silent\""),
        Ok("trunk")
    );
    let names =
        "one of `access_log`, `record_route`, `sanity`, `trunk`, `uri_headers`, `x_headers`";
    assert_eq!(
        build("type = \"trunks\""),
        Err(format!(
            "type: unknown filter \"trunks\"; expected {names}; did you mean `trunk`?"
        ))
    );
    assert_eq!(
        build("no_match = \"silent\""),
        Err(format!("type: is missing; expected {names}"))
    );
    assert_eq!(
        build("type = 5"),
        Err("type: found integer; expected the name of a filter".to_owned())
    );
}
