//! What must hold for any input.

#![allow(clippy::unwrap_used)]

mod support;

use filters::{Branch, BuildContext, Chain, Flow, Registry, Target, Trust};
use proptest::prelude::*;
use sip::{Limits, Message, Request};

fn chain(filter: &str, config: &str) -> Chain {
    let cx = BuildContext::default();
    support::fixture::build(&Registry::builtin(), filter, config, &cx).unwrap()
}

/// Every rule of `x_headers` that writes.
const RULES: &str = r#"
default = "pass"
rules = [
  { op = "match", header = "X-A", pattern = '^(?<first>[^ ]*)(.*)$' },
  { op = "add", header = "X-Out", value = "${match.1}|${match.2}|${var.first}|${ruri.user}|${from.user}" },
  { op = "copy", header = "X-A", to = "X-Copy" },
  { op = "rename", header = "X-B", to = "X-Renamed" },
  { op = "replace", header = "X-C", value = "${header.X-A}${header.X-B}" },
  { op = "store", header = "From", var = "from" },
  { op = "add", header = "X-From", value = "${var.from}", when = "header.X-A =~ '^a' or header.X-B != ''" },
  { op = "remove", header = "X-D*" },
]
"#;

/// One rule on some of a few names.
fn rule() -> impl Strategy<Value = String> {
    let name = || {
        prop::sample::select(vec![
            "X-A",
            "x-b",
            "X-C",
            "Subject",
            "s",
            "X-Long-Name-Of-One",
        ])
    };
    let pattern = prop_oneof![name(), prop::sample::select(vec!["X-*", "X-L*", "S*", "*"])];
    let condition = prop_oneof![
        Just(String::new()),
        name().prop_map(|name| format!(", when = \"header.{name}\"")),
        name().prop_map(|name| format!(", when = \"header.{name} == '1'\"")),
        name().prop_map(|name| format!(", when = \"not header.{name}\"")),
        (name(), name())
            .prop_map(|(a, b)| format!(", when = \"header.{a} == '2' or header.{b} =~ 'c'\"")),
        (name(), name()).prop_map(|(a, b)| format!(
            ", when = \"in_dialog == false and header.{a} in ['1', '{b}']\""
        )),
        Just(", methods = [\"INVITE\", \"FOO\"]".to_owned()),
        Just(", methods = [\"BYE\"]".to_owned()),
        Just(", in_dialog = true".to_owned()),
    ];
    let edit = prop_oneof![
        pattern
            .clone()
            .prop_map(|p| format!("op = \"remove\", header = {p:?}")),
        (name(), name()).prop_map(|(a, b)| format!("op = \"rename\", header = {a:?}, to = {b:?}")),
        (name(), name()).prop_map(|(a, b)| format!("op = \"copy\", header = {a:?}, to = {b:?}")),
        (name(), "[0-2]?")
            .prop_map(|(a, v)| format!("op = \"add\", header = {a:?}, value = {v:?}")),
        (name(), name()).prop_map(|(a, b)| format!(
            "op = \"replace\", header = {a:?}, value = \"${{header.{b}}}\""
        )),
        (name(), "[a-c]").prop_map(|(a, v)| format!("op = \"store\", header = {a:?}, var = {v:?}")),
        pattern.prop_map(|p| format!(
            "op = \"match\", header = {p:?}, pattern = \"^[02a]\", on_mismatch = \"drop_header\""
        )),
        name().prop_map(|a| format!(
            "op = \"match\", header = {a:?}, pattern = \"(?<d>[a-c])\", on_mismatch = \"reject\""
        )),
    ];
    (edit, condition).prop_map(|(edit, condition)| format!("{{ {edit}{condition} }}"))
}

/// A request with these bytes in its headers, if that is one.
fn request(user: &[u8], a: &[u8], b: &[u8]) -> Option<Request> {
    let text = [
        b"INVITE sip:".as_slice(),
        user,
        b"@example.com SIP/2.0\r\nFrom: <sip:",
        user,
        b"@c>;tag=1\r\nX-A: ",
        a,
        b"\r\nX-B: ",
        b,
        b"\r\nX-C: 1\r\n\r\nbody",
    ]
    .concat();
    match sip::parse(text.into(), &Limits::default()) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}

/// Bytes that are often of interest.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => any::<u8>(),
        2 => prop::sample::select(b"\r\n\0 \t%&=?:;<>\"abXx-".to_vec()),
    ];
    prop::collection::vec(byte, 0..60)
}

/// What a header value may hold on the wire: any byte but a line end, and folds.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::collection::vec(any::<u8>().prop_filter("a line end", |b| !b"\r\n".contains(b)), 1..6),
        6 => "[ -~]{1,8}".prop_map(String::into_bytes),
        1 => Just(b"\r\n ".to_vec()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// URI text that parses often: plain bytes and escapes of any byte.
/// An `allow` rule: what it names, the ways, and whether it is for an INVITE.
type Allow = (Vec<&'static str>, &'static str, Option<bool>);

fn allow() -> impl Strategy<Value = Allow> {
    let patterns = vec![
        "X-*",
        "P-*",
        "x-a*",
        "X-A",
        "X-Ab",
        "P-Asserted-Identity",
        "p-a*",
        "*",
    ];
    (
        prop::sample::subsequence(patterns, 1..4),
        prop::sample::select(vec!["both", "in", "out"]),
        prop::sample::select(vec![None, Some(true), Some(false)]),
    )
}

/// The rows of `rows` that cross one way; by the text of the configuration's reference.
fn crossing(rows: &[&'static str], allows: &[Allow], denies: bool, way: &str) -> Vec<&'static str> {
    let begins = |name: &str, begin: &str| {
        let head = name.get(..begin.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(begin))
    };
    let for_us = |(_, direction, when): &&Allow| {
        (*direction == "both" || *direction == way) && *when != Some(false)
    };
    let allows: Vec<&Allow> = allows.iter().filter(for_us).collect();
    let means = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(begin) => begins(name, begin),
        None => name.eq_ignore_ascii_case(pattern),
    };
    let crosses = |name: &&&str| {
        let guarded = begins(name, "X-") || begins(name, "P-");
        let listed = |allow: &&Allow| allow.0.iter().any(|pattern| means(pattern, name));
        !guarded
            || begins(name, "X-Hookswitch-")
            || (allows.is_empty() && !denies)
            || allows.iter().any(listed)
    };
    rows.iter().filter(crosses).copied().collect()
}

fn escaped() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9+._-]{1,4}",
        3 => any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        1 => prop::sample::select(vec!["&", "=", "X-", "%", "%0", "Route", "X-Hookswitch-A="])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rules_write_only_what_reads_back(user in escaped(), a in value(), b in value()) {
        let Some(mut request) = request(user.as_bytes(), &a, &b) else {
            return Ok(());
        };
        let rows = request.headers.len();
        let mut cx = support::context(Trust::Untrusted);
        let flow = chain("x_headers", RULES).request(&mut request, &mut cx);
        prop_assert!(matches!(flow, Flow::Continue));
        for header in request.headers.iter().skip(rows) {
            prop_assert!(!header.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
        support::assert_reads_back(&Message::Request(request));
    }

    #[test]
    fn extension_headers_cross_by_the_allow_rules_alone(
        allows in prop::collection::vec(allow(), 0..4),
        rows in prop::collection::vec(prop::sample::select(vec![
            "X-A", "x-a", "X-Ab", "X-B", "P-Asserted-Identity", "p-asserted-identity", "P-A", "P-B",
            "Subject", "Xa", "P", "X-Hookswitch-A",
        ]), 0..9),
        denies in any::<bool>(),
    ) {
        let rule = |(names, direction, when): &Allow| {
            let when = match when {
                None => "",
                Some(true) => ", when = \"method == 'INVITE'\"",
                Some(false) => ", when = \"method == 'BYE'\"",
            };
            format!("{{ op = \"allow\", header = {names:?}, direction = {direction:?}{when} }}")
        };
        let rules: Vec<String> = allows.iter().map(rule).collect();
        let unlisted = if denies { "deny" } else { "pass" };
        let config = format!("default = {unlisted:?}\nrules = [{}]", rules.join(", "));
        let chain = chain("x_headers", &config);
        let names = |headers: &sip::Headers| -> Vec<String> {
            let rows = headers.iter().filter(|header| !header.is(b"Via") && !header.is(b"CSeq"));
            rows.map(|header| String::from_utf8_lossy(header.name).into_owned()).collect()
        };
        let text: String = rows.iter().map(|name| format!("{name}: 1\r\n")).collect();
        let text = format!("{text}CSeq: 1 INVITE\r\nVia: SIP/2.0/UDP h\r\n\r\n");
        let target = Target { uri: "sip:a@b".into(), trunk: None, trust: Trust::Untrusted };

        let mut request = support::request(format!("INVITE sip:a@b SIP/2.0\r\n{text}"));
        let mut branch = request.clone();
        chain.request(&mut request, &mut support::context(Trust::Untrusted));
        let inward = crossing(&rows, &allows, denies, "in");
        prop_assert_eq!(names(&request.headers), &*inward);

        chain.branch(&mut branch, &target, &mut support::context(Trust::Untrusted));
        prop_assert_eq!(names(&branch.headers), crossing(&rows, &allows, denies, "out"));

        let mut response = support::response(format!("SIP/2.0 200 OK\r\n{text}"));
        chain.response(&mut response, Some(&target), &mut support::context(Trust::Untrusted));
        prop_assert_eq!(names(&response.headers), crossing(&inward, &allows, denies, "out"));
    }

    /// What rules know of a message they keep up to date themselves: a rule behind others does what
    /// it would do in a filter of its own, which looks at the message anew.
    #[test]
    fn a_rule_sees_what_those_before_it_did(
        rules in prop::collection::vec(rule(), 1..9),
        rows in prop::collection::vec((
            prop::sample::select(vec!["X-A", "x-a", "X-B", "X-C", "Subject", "S", "x-long-name-of-one"]),
            "[0-2a-c]{1,2}",
        ), 0..9),
        many in any::<bool>(),
    ) {
        let rows: String = rows.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!("INVITE sip:a@b SIP/2.0\r\n{rows}Via: SIP/2.0/UDP h\r\n\r\n");
        let config = |rules: &[String]| format!("default = \"pass\"\nrules = [{}]", rules.join(", "));

        let mut together = support::request(text.clone());
        let mut cx = support::context(Trust::Internal);
        // So many that names share what they are told apart by.
        let idle = (0..if many { 80 } else { 0 })
            .map(|number| format!("{{ op = \"remove\", header = \"X-Idle-{number}\" }}"));
        let all: Vec<String> = idle.chain(rules.iter().cloned()).collect();
        let flow = chain("x_headers", &config(&all)).request(&mut together, &mut cx);

        let mut apart = support::request(text);
        let mut apart_cx = support::context(Trust::Internal);
        let mut apart_flow = Flow::Continue;
        for rule in &rules {
            let chain = chain("x_headers", &config(std::slice::from_ref(rule)));
            apart_flow = chain.request(&mut apart, &mut apart_cx);
            if !matches!(apart_flow, Flow::Continue) {
                break;
            }
        }
        prop_assert_eq!(together.to_bytes(), apart.to_bytes());
        prop_assert_eq!(&cx.facts.vars, &apart_cx.facts.vars);
        prop_assert_eq!(format!("{flow:?}"), format!("{apart_flow:?}"));
    }

    #[test]
    fn uri_headers_write_only_what_reads_back(
        pairs in prop::collection::vec((escaped(), escaped()), 0..6),
        others in prop::sample::select(vec!["prefix", "drop", "reject"]),
        on_conflict in prop::sample::select(vec!["keep", "replace", "append"]),
    ) {
        let headers: Vec<String> = pairs.iter().map(|(n, v)| format!("X-{n}={v}")).collect();
        let uri = format!("sip:a@b?{}", headers.join("&"));
        let config = format!("others = {others:?}\non_conflict = {on_conflict:?}");
        let chain = chain("uri_headers", &config);
        let text = format!("INVITE {uri} SIP/2.0\r\nX-a: 1\r\nVia: SIP/2.0/UDP h\r\n\r\n");
        let mut cx = support::context(Trust::Untrusted);

        if let Ok(Message::Request(mut request)) = sip::parse(text.into(), &Limits::default()) {
            let flow = chain.request(&mut request, &mut cx);
            prop_assert!(matches!(flow, Flow::Continue), "{:?}", flow);
            prop_assert_eq!(request.uri_bytes(), b"sip:a@b");
            check(&request)?;
            support::assert_reads_back(&Message::Request(request));
        }

        let mut request = support::request("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n");
        let target = Target { uri: uri.into(), trunk: None, trust: Trust::Untrusted };
        let branch = chain.branch(&mut request, &target, &mut cx);
        prop_assert_eq!(branch, Branch::Send);
        check(&request)?;
        support::assert_reads_back(&Message::Request(request));
    }

    #[test]
    fn no_bytes_panic_any_filter(text in bytes(), a in value()) {
        let text: Vec<u8> = text.into_iter().filter(|byte| *byte > b' ').collect();
        let text = [b"INVITE ".as_slice(), &text, b" SIP/2.0\r\nX-A: ", &a, b"\r\n\r\n"].concat();
        let Ok(Message::Request(request)) = sip::parse(text.into(), &Limits::default()) else {
            return Ok(());
        };
        for name in Registry::builtin().names() {
            let mut request = request.clone();
            let mut cx = support::context(Trust::Untrusted);
            let flow = chain(name, "").request(&mut request, &mut cx);
            if let Flow::Reply(reply) = flow {
                prop_assert_ne!(reply.status, 500);
            }
            support::assert_reads_back(&Message::Request(request));
        }
    }

    #[test]
    fn no_text_panics_the_configuration(text in "[ -~]{0,40}", key in "value|when|pattern|header|to") {
        let config = format!("rules = [{{ op = \"add\", header = \"X-A\", {key} = {text:?} }}]");
        if toml::from_str::<toml::Table>(&config).is_ok() {
            let cx = BuildContext::default();
            let built = support::fixture::build(&Registry::builtin(), "x_headers", &config, &cx);
            for error in built.err().unwrap_or_default() {
                prop_assert!(error.span.is_some(), "{}", error);
                prop_assert!(error.key.starts_with("rules[0]."), "{}", error);
            }
        }
    }
}

/// Only X- headers came in, none of them reserved, and none with a control byte.
fn check(request: &Request) -> Result<(), TestCaseError> {
    prop_assert_eq!(request.headers.named(b"Via").count(), 1);
    for header in request.headers.iter().filter(|header| !header.is(b"Via")) {
        let start = header.name.get(..2).unwrap_or_default();
        prop_assert!(start.eq_ignore_ascii_case(b"X-"), "{:?}", header);
        prop_assert!(!filters::reserved::is_reserved(header.name), "{:?}", header);
        prop_assert!(
            !header.value.iter().any(u8::is_ascii_control),
            "{:?}",
            header
        );
    }
    Ok(())
}
