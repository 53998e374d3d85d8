//! Tests as text: a configuration, a message, the difference that the filter makes.
//!
//! ```text
//! What it shows, in a line or two.
//! --- config
//! rules = [{ op = "remove", header = "X-Foo", on = ["branch"] }]
//! --- given
//! hook = "branch"
//! --- message
//! INVITE sip:bob@example.com SIP/2.0
//! X-Foo: 1
//! --- expect
//! - X-Foo: 1
//! send
//! ```
//!
//! `given` may be left out. In messages `\xNN`, `\t` and `{a*100}` stand for bytes; a line that
//! begins with a blank is a fold. With `UPDATE_FIXTURES=1` what happens is written to `expect`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use filters::{
    BuildContext, Chain, ConfigError, Context, Counters, Flow, Outcome, Reason, Registry, Role,
    Source, Target, Trace, TrunkConfig, TrunkFact, Trust,
};
use serde::Deserialize;
use sip::{Limits, Message, Method, Transport};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The circumstances of a message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    hook: String,
    role: String,
    source: String,
    transport: String,
    trust: Trust,
    in_dialog: bool,
    vars: BTreeMap<String, String>,
    trunk: Option<String>,
    trunk_trust: Trust,
    target: Option<String>,
    target_trunk: Option<String>,
    target_trust: Trust,
    status: u16,
    reason: bool,
    trunks: Vec<GivenTrunk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenTrunk {
    name: String,
    #[serde(default)]
    trust: Trust,
    #[serde(default)]
    source: Vec<String>,
    #[serde(default)]
    transport: Vec<String>,
    #[serde(default)]
    domain: Vec<String>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            hook: "request".to_owned(),
            role: "listener".to_owned(),
            source: "192.0.2.9:5060".to_owned(),
            transport: "udp".to_owned(),
            trust: Trust::Untrusted,
            in_dialog: false,
            vars: BTreeMap::new(),
            trunk: None,
            trunk_trust: Trust::Untrusted,
            target: None,
            target_trunk: None,
            target_trust: Trust::Untrusted,
            status: 200,
            reason: false,
            trunks: Vec::new(),
        }
    }
}

/// Runs every fixture of `filter`; returns all that was expected, for tests about coverage.
pub fn run_all(registry: &Registry, filter: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(filter);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let (mut all, mut failures) = (String::new(), String::new());
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        let (head, expected) = text.split_once("--- expect\n").unwrap_or((&text, ""));
        let found = run(registry, filter, head, path);
        if found != expected && update {
            fs::write(path, format!("{head}--- expect\n{found}")).unwrap();
        } else if found != expected {
            let name = path.display();
            writeln!(failures, "{name}\nexpected:\n{expected}\nfound:\n{found}").unwrap();
        }
        all.push_str(&found);
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(paths.len() > 1, "{filter} has too few fixtures");
    all
}

/// What the filter does with the message of one fixture, in words.
fn run(registry: &Registry, filter: &str, text: &str, path: &Path) -> String {
    let mut blocks: BTreeMap<&str, &str> = BTreeMap::new();
    for block in text.split("--- ").skip(1) {
        let (name, block) = block.split_once('\n').unwrap_or((block, ""));
        blocks.insert(name, block);
    }
    let config = blocks.get("config").copied().unwrap_or_default();
    let given = blocks.get("given").copied().unwrap_or_default();
    let given: Given = toml::from_str(given).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let counters = Arc::new(Counters::default());
    let cx = BuildContext {
        trunks: given.trunks.iter().map(GivenTrunk::config).collect(),
        counters: counters.clone(),
        limits: Limits::default(),
        role: match given.role.as_str() {
            "trunk" => Role::Trunk,
            _ => Role::Listener,
        },
    };
    let chain = match build(registry, filter, config, &cx) {
        Ok(chain) => chain,
        Err(errors) => return told(&errors, config),
    };
    let message = wire(
        blocks
            .get("message")
            .unwrap_or_else(|| panic!("{}: no message", path.display())),
    );
    let message = sip::parse(message.into(), &Limits::default());
    let message = message.unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    let (mut out, lines) = super::events::collect(|| act(&chain, &given, message));
    for line in lines {
        writeln!(out, "{line}").unwrap();
    }
    for count in counters.snapshot() {
        if count.value > 0 {
            writeln!(out, "count {} {}", count.reason, count.value).unwrap();
        }
    }
    out
}

/// Runs the hook.
fn act(chain: &Chain, given: &Given, message: Message) -> String {
    let source = Source {
        address: given.source.parse().unwrap(),
        transport: Transport::of(given.transport.as_bytes()).unwrap(),
        ..super::source(given.trust)
    };
    let method = match &message {
        Message::Request(request) => request.method(),
        Message::Response(_) => Method::Invite,
    };
    let mut cx = Context::new(source, method, given.in_dialog);
    if let Some(trunk) = &given.trunk {
        let name: Arc<str> = trunk.as_str().into();
        let trust = given.trunk_trust;
        cx.facts.trust = trust;
        cx.facts.trunk = Some(TrunkFact { name, trust });
    }
    for (name, value) in &given.vars {
        cx.facts.vars.set(name, value.as_bytes());
    }
    let before = cx.facts.clone();
    let target = given.target.as_ref().map(|uri| Target {
        uri: Bytes::from(uri.clone()),
        trunk: given.target_trunk.as_deref().map(Into::into),
        trust: given.target_trust,
    });
    let mut out = String::new();
    let mut now = 0;
    let mut clock = || {
        now += 1;
        now
    };
    let mut trace = Trace::new(&mut clock);
    let mut reply = None;
    let message = match (given.hook.as_str(), message) {
        ("request", Message::Request(mut request)) => {
            match chain.request_traced(&mut request, &mut cx, &mut trace) {
                Flow::Reply(answer) => reply = Some(answer),
                Flow::Drop(reason) if method == Method::Ack => {
                    writeln!(out, "the chain drops {reason}").unwrap();
                }
                _ => {}
            }
            Message::Request(request)
        }
        ("branch", Message::Request(mut request)) => {
            let target = target.unwrap();
            let _ = chain.branch_traced(&mut request, &target, &mut cx, &mut trace);
            Message::Request(request)
        }
        ("response", Message::Response(mut response)) => {
            let _ = chain.response_traced(&mut response, target.as_ref(), &mut cx, &mut trace);
            Message::Response(response)
        }
        ("done", Message::Request(mut request)) => {
            let _ = chain.request(&mut request, &mut cx);
            let outcome = Outcome {
                status: given.status,
                method: request.method_bytes(),
                call_id: request
                    .headers
                    .first(sip::HeaderName::CallId)
                    .unwrap_or_default(),
                ruri: request.uri_bytes(),
                target: target.as_ref(),
                duration: Duration::from_micros(1234),
                reason: given.reason.then_some(Reason("no_trunk_match")),
            };
            chain.done(&outcome, &mut cx);
            chain.done(&outcome, &mut cx);
            Message::Request(request)
        }
        (hook, _) => panic!("{hook} does not go with this message"),
    };
    super::assert_reads_back(&message);
    for step in &trace.steps {
        for change in &step.changes {
            writeln!(out, "{change}").unwrap();
        }
        writeln!(out, "{}", step.decision).unwrap();
    }
    for (name, value) in reply.iter().flat_map(|reply| &reply.headers) {
        writeln!(out, "  {name}: {}", filters::escape(value)).unwrap();
    }
    if let Some(trunk) = cx
        .facts
        .trunk
        .filter(|trunk| before.trunk.as_ref() != Some(trunk))
    {
        writeln!(out, "trunk {} {}", trunk.name, trunk.trust).unwrap();
    }
    if cx.facts.record_route {
        writeln!(out, "record_route").unwrap();
    }
    for (name, value) in cx.facts.vars.iter() {
        if before.vars.get(name) != Some(value) {
            writeln!(out, "var {name} = {}", filters::escape(value)).unwrap();
        }
    }
    out
}

/// Makes a chain of one filter from the text of its table.
pub fn build(
    registry: &Registry,
    filter: &str,
    config: &str,
    cx: &BuildContext,
) -> Result<Chain, Vec<ConfigError>> {
    let table = DeTable::parse(config).unwrap_or_else(|error| panic!("{error}"));
    let span = table.span();
    let table = Spanned::new(span, DeValue::Table(table.into_inner()));
    let built = registry.build_named(filter, table, cx)?;
    Ok(Chain::new("test", vec![built], &cx.counters))
}

fn told(errors: &[ConfigError], config: &str) -> String {
    let mut out = String::new();
    for error in errors {
        let at = error.span.as_ref().map_or(0, |span| span.start);
        let before = &config[..at];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        writeln!(out, "config {line}:{column} {error}").unwrap();
    }
    out
}

impl GivenTrunk {
    fn config(&self) -> TrunkConfig {
        let transport = |name: &String| Transport::of(name.as_bytes()).unwrap();
        TrunkConfig {
            name: self.name.as_str().into(),
            trust: self.trust,
            sources: self
                .source
                .iter()
                .map(|source| source.parse().unwrap())
                .collect(),
            transports: self.transport.iter().map(transport).collect(),
            domains: self.domain.clone(),
        }
    }
}

/// The bytes of a message that is written with line feeds and escapes.
fn wire(text: &str) -> Vec<u8> {
    let (head, body) = text
        .split_once("\n\n")
        .unwrap_or_else(|| (text.trim_end_matches('\n'), ""));
    let mut out = Vec::new();
    for line in head.lines() {
        push_expanded(&mut out, line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    push_expanded(&mut out, body);
    out
}

fn push_expanded(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x") {
            out.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else if let Some(after) = rest.strip_prefix("\\t") {
            out.push(b'\t');
            rest = after;
        } else if let Some((what, after)) = repeated(rest) {
            out.extend_from_slice(what.as_bytes());
            rest = after;
        } else {
            let (c, after) = rest.split_at(first.len_utf8());
            out.extend_from_slice(c.as_bytes());
            rest = after;
        }
    }
}

/// `{a*100}`: a hundred times `a`.
fn repeated(text: &str) -> Option<(String, &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let (what, count) = inner.split_once('*')?;
    Some((what.repeat(count.parse().ok()?), after))
}
