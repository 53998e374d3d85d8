//! The configuration file: every key takes effect, or says at its place what is wrong with it.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use filters::{Registry, Trust};
use hookswitch::auth::Algorithm;
use hookswitch::config::file::{Codec, FetchFailed, LogFormat};
use hookswitch::config::{Loader, Settings};
use hookswitch::plan::{Reroute, RouteTo};
use sip::Transport;

/// A file in which every kind of section is there.
const BASE: &str = r#"[server]
node = "base"

[timers]

[limits]

[[listen]]
name = "public"
socket = "udp:127.0.0.1:5060"
chain = "inbound"

[[listen]]
name = "inside"
socket = "udp:127.0.0.1:5062"
trust = "internal"
chain = "inbound"

[[trunk]]
name = "carrier"
  [[trunk.target]]
  uri = "sip:127.0.0.1:5090"

[[domain]]
name = "demo.example"
voice_url = "http://127.0.0.1:9000/voice"

[[route]]
name = "out"
to = "trunk"
trunk = "carrier"

[[chain]]
name = "inbound"
  [[chain.filter]]
  type = "sanity"

[executor]
listen = "udp:127.0.0.1:5080"

[registrar]
"#;

fn loader() -> Loader {
    Loader {
        registry: Arc::new(Registry::builtin()),
        counters: Arc::default(),
        entropy: [7; 32],
    }
}

fn parse(text: &str) -> Settings {
    loader()
        .parse("edge.toml", text)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors, one a line.
fn errors(text: &str) -> Vec<String> {
    match loader().parse("edge.toml", text) {
        Ok(_) => panic!("valid:\n{text}"),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// [`BASE`] with `line` behind the first line that is `anchor`; a key that is there is replaced.
fn with(anchor: &str, line: &str) -> String {
    let key = line.split('=').next().unwrap().trim();
    let mut out = String::new();
    let mut found = false;
    let mut inside = false;
    for old in BASE.lines() {
        inside &= !old.trim_start().starts_with('[');
        if inside && old.split('=').next().unwrap().trim() == key {
            continue;
        }
        out.push_str(old);
        out.push('\n');
        if old == anchor && !found {
            (found, inside) = (true, true);
            out.push_str(line);
            out.push('\n');
        }
    }
    assert!(found, "no `{anchor}`");
    out
}

type Holds = fn(&Settings) -> bool;

const SERVER: &str = "[server]";
const TIMERS: &str = "[timers]";
const LIMITS: &str = "[limits]";
const LISTEN: &str = "[[listen]]";
const TRUNK: &str = "[[trunk]]";
const TARGET: &str = "  [[trunk.target]]";
const DOMAIN: &str = "[[domain]]";
const ROUTE: &str = "[[route]]";
const EXECUTOR: &str = "[executor]";
const REGISTRAR: &str = "[registrar]";

/// Section, line, and what follows from it.
#[rustfmt::skip]
const EFFECTS: &[(&str, &str, Holds)] = &[
    (SERVER, "workers = 3", |s| s.server.workers == 3),
    (SERVER, "node = \"edge-9\"", |s| s.plan.node == "edge-9"),
    (SERVER, "secret = \"0123456789abcdef\"", |s| {
        let token = hookswitch::token::TokenKey::new(b"0123456789abcdef").sign(&TOKEN, b"c");
        s.plan.token_key.read(&token, b"c") == Some(TOKEN)
    }),
    (SERVER, "console = \"127.0.0.1:8080\"", |s| s.server.console == Some("127.0.0.1:8080".parse().unwrap())),
    (SERVER, "console_password = \"p\"", |s| s.server.console_password.as_deref() == Some("p")),
    (SERVER, "log = \"debug\"", |s| s.server.log == "debug"),
    (SERVER, "log_format = \"json\"", |s| s.server.log_format == LogFormat::Json),
    (TIMERS, "t1 = \"250ms\"", |s| s.plan.timers.t1 == Duration::from_millis(250)),
    (TIMERS, "t2 = \"2s\"", |s| s.plan.timers.t2 == Duration::from_secs(2)),
    (TIMERS, "t4 = 3", |s| s.plan.timers.t4 == Duration::from_secs(3)),
    (TIMERS, "timer_c = \"4m\"", |s| s.plan.timer_c == Duration::from_secs(240)),
    (TIMERS, "fr_timer = \"1s\"", |s| s.plan.fr_timer == Duration::from_secs(1)),
    (LIMITS, "message_bytes = 4096", |s| s.plan.message_limits.message_bytes == 4096),
    (LIMITS, "header_section_bytes = \"4KiB\"", |s| s.plan.message_limits.header_section_bytes == 4096),
    (LIMITS, "header_bytes = 999", |s| s.plan.message_limits.header_bytes == 999),
    (LIMITS, "headers = 99", |s| s.plan.message_limits.headers == 99),
    (LIMITS, "via_values = 9", |s| s.plan.message_limits.via_values == 9),
    (LIMITS, "uri_bytes = 300", |s| s.plan.message_limits.uri_bytes == 300),
    (LIMITS, "method_bytes = 30", |s| s.plan.message_limits.method_bytes == 30),
    (LIMITS, "body_bytes = 0", |s| s.plan.message_limits.body_bytes == 0),
    (LIMITS, "transactions = 1000", |s| s.plan.transactions_max == 1000),
    (LIMITS, "connections = 77", |s| s.limits.connections == 77),
    (LIMITS, "connections_per_ip = 7", |s| s.limits.connections_per_ip == 7),
    (LIMITS, "udp_mtu = 1300", |s| s.plan.udp_mtu == 1300 && s.plan.trunks["carrier"].udp_mtu == 1300),
    (LISTEN, "name = \"west\"", |s| &*s.plan.listeners[0].name == "west"),
    (LISTEN, "socket = \"tcp:[::1]:5099\"", |s| {
        let listener = &s.plan.listeners[0];
        listener.transport == Transport::Tcp && listener.bind == "[::1]:5099".parse().unwrap()
    }),
    (LISTEN, "advertise = \"203.0.113.7\"", |s| s.plan.listeners[0].advertise == Some(("203.0.113.7".into(), 5060))),
    (LISTEN, "trust = \"partner\"", |s| s.plan.listeners[0].trust == Trust::Partner),
    (LISTEN, "chain = \"inbound\"", |s| s.plan.listeners[0].chain.names().eq(["sanity"])),
    (LISTEN, "recv_buffer = \"1MiB\"", |s| s.plan.listeners[0].recv_buffer == 1 << 20),
    (TRUNK, "name = \"carrier\"", |s| s.plan.trunks.contains_key("carrier")),
    (TRUNK, "trust = \"partner\"", |s| s.plan.trunks["carrier"].trust == Trust::Partner),
    (TRUNK, "source = [\"192.0.2.0/24\", \"[2001:db8::1]:5070\"]", |s| {
        s.plan.trunks["carrier"].sources.len() == 2 && s.trunk_sources[0].contains("192.0.2.9:1".parse().unwrap())
    }),
    (TRUNK, "transport = [\"tcp\"]", |s| s.plan.trunks.len() == 1),
    (TRUNK, "domain = [\"carrier.example\"]", |s| s.plan.trunks.len() == 1),
    (TRUNK, "chain = \"inbound\"", |s| s.plan.trunks["carrier"].chain.is_some()),
    (TRUNK, "reroute_causes = [500]", |s| {
        let reroute = &s.plan.trunks["carrier"].reroute;
        matches!(reroute, Reroute::Only(_)) && reroute.covers(500) && !reroute.covers(503)
    }),
    (TRUNK, "udp_mtu = \"2KiB\"", |s| s.plan.trunks["carrier"].udp_mtu == 2048 && s.plan.udp_mtu == 0),
    (TARGET, "  uri = \"sip:127.0.0.1:5099?X-A=1\"", |s| s.plan.trunks["carrier"].targets[0].uri == "sip:127.0.0.1:5099?X-A=1"),
    (TARGET, "  priority = 4", |s| s.plan.trunks["carrier"].targets[0].priority == 4),
    (TARGET, "  weight = 5", |s| s.plan.trunks["carrier"].targets[0].weight == 5),
    (TARGET, "  enabled = false", |s| s.plan.trunks["carrier"].targets.is_empty()),
    (DOMAIN, "name = \"Other.Example\"", |s| s.plan.domain(b"OTHER.example").is_some()),
    (DOMAIN, "executor = [\"sip:10.0.0.1\"]", |s| s.plan.domain(b"demo.example").unwrap().executors == ["sip:10.0.0.1"]),
    (DOMAIN, "sid = \"SD0123456789abcdef0123456789abcdef\"", |s| s.domains[0].sid.as_deref() == Some("SD0123456789abcdef0123456789abcdef")),
    (DOMAIN, "account_sid = \"AC0123456789abcdef0123456789abcdef\"", |s| s.domains[0].account_sid.is_some()),
    (DOMAIN, "auth_token = \"t\"", |s| s.domains[0].auth_token == "t"),
    (DOMAIN, "voice_url = \"https://x.example/v?a=1\"", |s| s.domains[0].voice_url.as_deref() == Some("https://x.example/v?a=1")),
    (DOMAIN, "voice_method = \"GET\"", |s| s.domains[0].voice_method == "GET"),
    (DOMAIN, "fallback_url = \"http://x.example/f\"", |s| s.domains[0].fallback_url.is_some()),
    (DOMAIN, "fallback_method = \"GET\"", |s| s.domains[0].fallback_method == "GET"),
    (DOMAIN, "status_callback = \"http://x.example/s\"", |s| s.domains[0].status_callback.is_some()),
    (DOMAIN, "status_callback_method = \"GET\"", |s| s.domains[0].status_callback_method == "GET"),
    (ROUTE, "name = \"first\"", |s| s.plan.routes[0].name == "first"),
    (ROUTE, "from_trust = [\"internal\", \"partner\"]", |s| s.plan.routes[0].when.from_trust == [Trust::Internal, Trust::Partner]),
    (ROUTE, "from_trunk = [\"carrier\"]", |s| s.plan.routes[0].when.from_trunk == ["carrier"]),
    (ROUTE, "method = [\"INVITE\", \"MESSAGE\"]", |s| s.plan.routes[0].when.methods == [sip::Method::Invite, sip::Method::Message]),
    (ROUTE, "ruri_host = [\"a.example\"]", |s| s.plan.routes[0].when.ruri_hosts == ["a.example"]),
    (ROUTE, "ruri_user = \"^9\"", |s| s.plan.routes[0].when.ruri_user.as_ref().is_some_and(|user| user.is_match("911"))),
    (ROUTE, "to = \"ruri\"", |s| matches!(s.plan.routes[0].to, RouteTo::Ruri)),
    (ROUTE, "trunk = \"carrier\"", |s| matches!(&s.plan.routes[0].to, RouteTo::Trunk(trunk) if &*trunk.name == "carrier")),
    (ROUTE, "to = \"domain\"\ndomain = \"demo.example\"", |s| matches!(&s.plan.routes[0].to, RouteTo::Domain(domain) if domain.name == "demo.example")),
    (ROUTE, "to = \"static\"\ntargets = [\"sip:10.0.0.1\"]", |s| matches!(&s.plan.routes[0].to, RouteTo::Static(targets, Trust::Untrusted) if targets.len() == 1)),
    (ROUTE, "to = \"static\"\ntargets = [\"sip:10.0.0.1\"]\ntrust = \"internal\"", |s| matches!(&s.plan.routes[0].to, RouteTo::Static(_, Trust::Internal))),
    (EXECUTOR, "listen = \"tcp:127.0.0.1:5081\"", |s| s.plan.domain(b"demo.example").unwrap().executors == ["sip:127.0.0.1:5081;transport=tcp"]),
    (EXECUTOR, "proxies = [\"10.0.0.0/8\"]", |s| s.executor.as_ref().unwrap().proxies == ["10.0.0.0/8"]),
    (EXECUTOR, "outbound_proxy = \"sip:10.0.0.1;lr\"", |s| s.executor.as_ref().unwrap().outbound_proxy.is_some()),
    (EXECUTOR, "dial_trunk = \"carrier\"", |s| s.executor.as_ref().unwrap().dial_trunk.as_deref() == Some("carrier")),
    (EXECUTOR, "rtp_ports = \"30000-30999\"", |s| s.executor.as_ref().unwrap().rtp_ports == "30000-30999"),
    (EXECUTOR, "media_address = \"203.0.113.7\"", |s| s.executor.as_ref().unwrap().media_address.is_some()),
    (EXECUTOR, "media_workers = 3", |s| s.executor.as_ref().unwrap().media_workers == 3),
    (EXECUTOR, "codecs = [\"opus\", \"pcma\"]", |s| s.executor.as_ref().unwrap().codecs == [Codec::Opus, Codec::Pcma]),
    (EXECUTOR, "secure_media = true", |s| s.executor.as_ref().unwrap().secure_media),
    (EXECUTOR, "tts = \"espeak-ng\"", |s| s.executor.as_ref().unwrap().tts.as_deref() == Some("espeak-ng")),
    (EXECUTOR, "tts_key = \"k\"", |s| s.executor.as_ref().unwrap().tts_key.as_deref() == Some("k")),
    (EXECUTOR, "stt = \"https://stt.example/listen\"", |s| s.executor.as_ref().unwrap().stt.is_some()),
    (EXECUTOR, "stt_key = \"k\"", |s| s.executor.as_ref().unwrap().stt_key.as_deref() == Some("k")),
    (EXECUTOR, "files_dir = \"/srv/sounds\"", |s| s.executor.as_ref().unwrap().files_dir.is_some()),
    (EXECUTOR, "recordings_dir = \"/srv/recordings\"", |s| s.executor.as_ref().unwrap().recordings_dir.is_some()),
    (EXECUTOR, "recordings_bytes = \"1GiB\"", |s| s.executor.as_ref().unwrap().recordings_bytes.is_some_and(|size| size.0 == 1 << 30)),
    (EXECUTOR, "recordings_listen = \"127.0.0.1:8081\"", |s| s.executor.as_ref().unwrap().recordings_listen.is_some()),
    (EXECUTOR, "recordings_url = \"https://edge.example\"", |s| s.executor.as_ref().unwrap().recordings_url.is_some()),
    (EXECUTOR, "recordings_auth = true", |s| s.executor.as_ref().unwrap().recordings_auth),
    (EXECUTOR, "streams_plain = true", |s| s.executor.as_ref().unwrap().streams_plain),
    (EXECUTOR, "siprec = [{ name = \"vault\", uri = \"sip:srs@10.0.0.9;transport=tcp\" }]", |s| {
        let siprec = &s.executor.as_ref().unwrap().siprec;
        siprec.len() == 1 && siprec[0].name == "vault" && siprec[0].uri.0 == "sip:srs@10.0.0.9;transport=tcp"
    }),
    (EXECUTOR, concat!("ca_file = \"", env!("CARGO_MANIFEST_DIR"), "/tests/ca.pem\""), |s| s.executor.as_ref().unwrap().ca_file.is_some()),
    (EXECUTOR, "webhook_allow = [\"127.0.0.0/8\"]", |s| s.executor.as_ref().unwrap().webhook_allow.len() == 1),
    (EXECUTOR, "webhook_failures = 0", |s| s.executor.as_ref().unwrap().webhook_failures == 0),
    (EXECUTOR, "webhook_pause = \"30s\"", |s| s.executor.as_ref().unwrap().webhook_pause.0 == Duration::from_secs(30)),
    (EXECUTOR, "recordings_listen = \"0.0.0.0:8081\"\nrecordings_url = \"https://edge.example\"", |s| s.executor.as_ref().unwrap().recordings_listen.is_some()),
    (EXECUTOR, "fetch_failed = \"reject\"", |s| s.executor.as_ref().unwrap().fetch_failed == FetchFailed::Reject),
    (DOMAIN, "user = [{ username = \"a\", password = \"p\" }]", |s| s.plan.domain(b"demo.example").unwrap().accounts.as_ref().is_some_and(|users| users.get(b"a").is_some())),
    (DOMAIN, "user = [{ username = \"a\", ha1 = \"0123456789abcdef0123456789ABCDEF\" }]", |s| offers(s, &[Algorithm::Md5])),
    (DOMAIN, "auth_algorithms = [\"md5\", \"sha-256\"]\nuser = [{ username = \"a\", password = \"p\" }]", |s| offers(s, &Algorithm::ALL)),
    (DOMAIN, "auth_algorithms = [\"SHA-256\"]\nuser = [{ username = \"a\", ha1_sha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }]", |s| offers(s, &[Algorithm::Sha256])),
    (DOMAIN, "auth_exempt = [\"carrier\"]", |s| s.plan.domain(b"demo.example").unwrap().exempt == ["carrier"]),
    (REGISTRAR, "bindings = 7", |s| s.plan.registrar.total == 7),
    (REGISTRAR, "bindings_per_user = 3", |s| s.plan.registrar.per_user == 3),
    (REGISTRAR, "min_expires = \"2m\"", |s| s.plan.registrar.shortest == Duration::from_secs(120)),
    (REGISTRAR, "max_expires = \"2h\"", |s| s.plan.registrar.longest == Duration::from_secs(7200)),
    (EXECUTOR, "calls = 12", |s| s.executor.as_ref().unwrap().calls == 12),
];

/// Whether the domain's users are offered just these.
fn offers(settings: &Settings, algorithms: &[Algorithm]) -> bool {
    let domain = settings.plan.domain(b"demo.example").unwrap();
    let accounts = domain.accounts.as_ref();
    accounts.is_some_and(|accounts| accounts.algorithms() == algorithms)
}

const TOKEN: hookswitch::token::Token = hookswitch::token::Token {
    caller_tag: 1,
    chain: 2,
    caller: hookswitch::token::Side {
        trust: Trust::Untrusted,
        trunk: 0,
        by_flow: false,
    },
    callee: hookswitch::token::Side {
        trust: Trust::Internal,
        trunk: 0,
        by_flow: false,
    },
};

#[test]
fn every_key_takes_effect() {
    for (section, line, holds) in EFFECTS {
        let base_holds = loader()
            .parse("base", BASE)
            .is_ok_and(|settings| holds(&settings));
        assert!(holds(&parse(&with(section, line))), "{section} {line}");
        // What held before says nothing: but for names and defaults that are written out.
        let plain = [
            "name",
            "chain",
            "trunk = ",
            "transport",
            "domain = [",
            "uri",
        ];
        let excused = plain.iter().any(|word| line.trim_start().starts_with(word));
        assert!(!base_holds || excused, "{section} {line} holds without it");
    }
}

#[test]
fn no_key_is_without_a_test() {
    let source = include_str!("../src/config/file.rs");
    let mut keys = BTreeSet::new();
    let mut section = "";
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            section = name.split(' ').next().unwrap();
        } else if let Some(rest) = line.strip_prefix("    pub ")
            && let Some((key, _)) = rest.split_once(':')
        {
            keys.insert((section, key));
        }
    }
    assert!(keys.len() > 50, "{keys:?}");
    for (section, key) in keys {
        // `[[trunk.target]]` and `[[chain.filter]]` are sections of their own.
        if (section, key) == ("Trunk", "target") {
            continue;
        }
        let header = match section {
            "Server" => SERVER,
            "Timers" => TIMERS,
            "LimitsSection" => LIMITS,
            "Listen" => LISTEN,
            "Trunk" => TRUNK,
            "TrunkTarget" => TARGET,
            "Domain" => DOMAIN,
            "Route" => ROUTE,
            "Executor" => EXECUTOR,
            "Registrar" => REGISTRAR,
            // A list of tables in a line of its section.
            "Siprec" | "User" => {
                let (home, list) = match section {
                    "User" => (DOMAIN, "user = [{"),
                    _ => (EXECUTOR, "siprec = [{"),
                };
                let named = format!("{key} = ");
                let tested = EFFECTS.iter().any(|(anchor, lines, _)| {
                    *anchor == home && lines.contains(list) && lines.contains(&named)
                });
                assert!(tested, "{section}.{key} has no test");
                continue;
            }
            other => panic!("a section without tests: {other}"),
        };
        let tested = EFFECTS.iter().any(|(anchor, lines, _)| {
            let mut named = lines
                .lines()
                .map(|line| line.split('=').next().unwrap().trim());
            *anchor == header && named.any(|name| name == key)
        });
        assert!(tested, "{section}.{key} has no test");
    }
}

/// Section, line, and what the one error has to say, beginning with line, column and key.
#[rustfmt::skip]
const FAULTS: &[(&str, &str, &str)] = &[
    (SERVER, "workers = \"many\"", "edge.toml:2:11: server.workers: "),
    (SERVER, "workers = 257", "edge.toml:2:11: server.workers: 257; expected 256 at most"),
    (SERVER, "secret = \"short\"", "edge.toml:2:10: server.secret: too short; expected 16 bytes"),
    (SERVER, "console = \"8080\"", "edge.toml:2:11: server.console: "),
    (SERVER, "console = \"0.0.0.0:8080\"", "edge.toml:2:11: server.console: "),
    (SERVER, "log = \"a=b=c\"", "edge.toml:2:7: server.log: "),
    (SERVER, "log_format = \"xml\"", "edge.toml:2:14: server.log_format: "),
    (SERVER, "colour = 1", "edge.toml:2:1: server.colour: unknown field"),
    (TIMERS, "t1 = \"fast\"", "edge.toml:5:6: timers.t1: "),
    (TIMERS, "t1 = 0", "edge.toml:5:6: timers.t1: expected a length of time from \"10ms\""),
    (TIMERS, "fr_timer = \"48h\"", "edge.toml:5:12: timers.fr_timer: "),
    (LIMITS, "headers = 0", "edge.toml:7:11: limits.headers: 0; expected 1 to"),
    (LIMITS, "message_bytes = \"1GiB\"", "edge.toml:7:17: limits.message_bytes: "),
    (LIMITS, "transactions = -1", "edge.toml:7:16: limits.transactions: "),
    (LIMITS, "uri_bytes = \"1 apple\"", "edge.toml:7:13: limits.uri_bytes: "),
    (LIMITS, "udp_mtu = 65536", "edge.toml:7:11: limits.udp_mtu: 65536; expected 65535 at most"),
    (LISTEN, "socket = \"sctp:127.0.0.1:5060\"", "edge.toml:9:10: listen[0].socket: "),
    (LISTEN, "socket = \"udp:127.0.0.1\"", "edge.toml:9:10: listen[0].socket: "),
    (LISTEN, "socket = \"udp:127.0.0.1:0\"", "edge.toml:9:10: listen[0].socket: port 0; expected 1 to 65535"),
    (LISTEN, "socket = \"udp:127.0.0.1:5062\"", "edge.toml:15:10: listen[1].socket: another listener has the same socket"),
    (LISTEN, "advertise = \"sip:x\"", "edge.toml:9:13: listen[0].advertise: "),
    (LISTEN, "trust = \"full\"", "edge.toml:9:9: listen[0].trust: "),
    (LISTEN, "chain = \"outbound\"", "edge.toml:9:9: listen[0].chain: no chain `outbound`; expected one of `inbound`"),
    (LISTEN, "name = \"inside\"", "edge.toml:14:8: listen[1].name: `inside` is there twice"),
    (LISTEN, "name = \"\"", "edge.toml:9:8: listen[0].name: is empty"),
    (LISTEN, "recv_buffer = \"big\"", "edge.toml:9:15: listen[0].recv_buffer: "),
    (TRUNK, "source = [\"300.0.0.0/8\"]", "edge.toml:20:10: trunk[0].source: `300.0.0.0/8` is no source; expected ADDRESS"),
    (TRUNK, "source = [\"10.0.0.0/99\"]", "edge.toml:20:10: trunk[0].source: "),
    (TRUNK, "transport = [\"carrier pigeon\"]", "edge.toml:20:13: trunk[0].transport: unknown transport"),
    (TRUNK, "chain = \"nope\"", "edge.toml:20:9: trunk[0].chain: no chain `nope`"),
    (TRUNK, "reroute_causes = [200]", "edge.toml:20:18: trunk[0].reroute_causes: 200 cannot lead"),
    (TARGET, "  uri = \"http://x\"", "edge.toml:22:9: trunk[0].target[0].uri: "),
    (TARGET, "  priority = 70000", "edge.toml:22:14: trunk[0].target[0].priority: "),
    (DOMAIN, "name = \"a b\"", "edge.toml:25:8: domain[0].name: `a b` is no host"),
    (DOMAIN, "sid = \"SD1\"", "edge.toml:25:7: domain[0].sid: "),
    (DOMAIN, "account_sid = \"x\"", "edge.toml:25:15: domain[0].account_sid: "),
    (DOMAIN, "voice_url = \"ftp://x\"", "edge.toml:25:13: domain[0].voice_url: expected an http"),
    (DOMAIN, "voice_url = \"http://a b\"", "edge.toml:25:13: domain[0].voice_url: expected an http"),
    (DOMAIN, "voice_method = \"PUT\"", "edge.toml:25:16: domain[0].voice_method: `PUT`; expected GET or POST"),
    (DOMAIN, "executor = [\"10.0.0.1\"]", "edge.toml:25:13: domain[0].executor: "),
    (ROUTE, "to = \"nowhere\"", "edge.toml:29:6: route[0].to: "),
    (ROUTE, "to = \"static\"", "edge.toml:29:6: route[0].targets: missing; `to = \"static\"` needs it"),
    (ROUTE, "to = \"domain\"", "edge.toml:29:6: route[0].domain: missing"),
    (ROUTE, "to = \"domain\"\ndomain = \"x\"", "edge.toml:30:10: route[0].domain: no domain `x`; expected one of `demo.example`"),
    (ROUTE, "trunk = \"x\"", "edge.toml:29:9: route[0].trunk: no trunk `x`; expected one of `carrier`"),
    (ROUTE, "from_trunk = [\"x\"]", "edge.toml:29:14: route[0].from_trunk: no trunk `x`"),
    (ROUTE, "ruri_user = \"(\"", "edge.toml:29:13: route[0].ruri_user: no regular expression: unclosed group"),
    (ROUTE, "method = [\"DANCE\"]", "edge.toml:29:10: route[0].method: unknown method `DANCE`"),
    (EXECUTOR, "listen = \"udp:127.0.0.1:0\"", "edge.toml:39:10: executor.listen: port 0"),
    (EXECUTOR, "proxies = [\"x\"]", "edge.toml:39:11: executor.proxies: `x`"),
    (EXECUTOR, "outbound_proxy = \"x\"", "edge.toml:39:18: executor.outbound_proxy: "),
    (EXECUTOR, "dial_trunk = \"x\"", "edge.toml:39:14: executor.dial_trunk: no trunk `x`"),
    (EXECUTOR, "rtp_ports = \"9-1\"", "edge.toml:39:13: executor.rtp_ports: "),
    (EXECUTOR, "media_address = \"here\"", "edge.toml:39:17: executor.media_address: "),
    (EXECUTOR, "media_workers = 65", "edge.toml:39:17: executor.media_workers: 65; expected 64 at most"),
    (EXECUTOR, "codecs = []", "edge.toml:39:10: executor.codecs: expected each of"),
    (EXECUTOR, "codecs = [\"pcmu\", \"pcmu\"]", "edge.toml:39:10: executor.codecs: expected each of"),
    (EXECUTOR, "codecs = [\"g729\"]", "edge.toml:39:11: executor.codecs: "),
    (EXECUTOR, "tts = \"ftp://x\"", "edge.toml:39:7: executor.tts: `ftp://x`; expected a program or an http(s) URL"),
    (EXECUTOR, "stt = \"\"", "edge.toml:39:7: executor.stt: ``; expected a program or an http(s) URL"),
    (EXECUTOR, "recordings_url = \"edge.example\"", "edge.toml:39:18: executor.recordings_url: `edge.example`; expected an http(s) URL"),
    (EXECUTOR, "siprec = [{ name = \"a\", uri = \"x\" }]", "edge.toml:39:31: executor.siprec"),
    (EXECUTOR, "siprec = [{ name = \"\", uri = \"sip:a\" }]", "edge.toml:39:10: executor.siprec[0].name: is empty"),
    (EXECUTOR, "siprec = [{ name = \"a\", uri = \"sip:a\" }, { name = \"a\", uri = \"sip:b\" }]", "edge.toml:39:10: executor.siprec[1].name: `a` is there twice"),
    (EXECUTOR, "siprec = [{ name = \"a\", uri = \"sip:a?X-b=c\" }]", "edge.toml:39:10: executor.siprec[0].uri: has headers"),
    (EXECUTOR, "ca_file = \"/nowhere/ca.pem\"", "edge.toml:39:11: executor.ca_file: `/nowhere/ca.pem`: I/O error: No such file"),
    (EXECUTOR, concat!("ca_file = \"", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml\""), "edge.toml:39:11: executor.ca_file: `"),
    (EXECUTOR, "webhook_allow = [\"x\"]", "edge.toml:39:17: executor.webhook_allow: `x` is no network"),
    (EXECUTOR, "webhook_failures = -1", "edge.toml:39:20: executor.webhook_failures: "),
    (EXECUTOR, "webhook_pause = \"2h\"", "edge.toml:39:17: executor.webhook_pause: expected 100ms to 1h"),
    (EXECUTOR, "recordings_listen = \"[::]:8081\"", "edge.toml:39:21: executor.recordings_listen: `[::]:8081` is no address that can be asked; expected recordings_url"),
    (EXECUTOR, "fetch_failed = \"shrug\"", "edge.toml:39:16: executor.fetch_failed: "),
    (DOMAIN, "user = [{ username = \"a b\", password = \"p\" }]", "edge.toml:25:8: domain[0].user[0].username: `a b`; expected 1 to 128 of"),
    (DOMAIN, "user = [{ username = \"a\" }]", "edge.toml:25:8: domain[0].user[0].password: missing; expected `password`, `ha1` or"),
    (DOMAIN, "user = [{ username = \"a\", password = \"\" }]", "edge.toml:25:8: domain[0].user[0].password: is empty"),
    (DOMAIN, "user = [{ username = \"a\", ha1 = \"12\" }]", "edge.toml:25:8: domain[0].user[0].ha1: expected 32 hexadecimal"),
    (DOMAIN, "user = [{ username = \"a\", ha1_sha256 = \"12\" }]", "edge.toml:25:8: domain[0].user[0].ha1_sha256: expected 64 hexadecimal"),
    (DOMAIN, "user = [{ username = \"a\", password = \"p\", ha1 = \"0123456789abcdef0123456789abcdef\" }]", "edge.toml:25:8: domain[0].user[0].password: is there beside a hash"),
    (DOMAIN, "user = [{ username = \"a\", password = \"p\" }, { username = \"a\", password = \"p\" }]", "edge.toml:25:8: domain[0].user[1].username: `a` is there twice"),
    (DOMAIN, "auth_algorithms = [\"SHA-256\"]\nuser = [{ username = \"a\", ha1 = \"0123456789abcdef0123456789abcdef\" }]", "edge.toml:26:8: domain[0].user: no algorithm of auth_algorithms"),
    (DOMAIN, "name = \"*\"\nuser = [{ username = \"a\", password = \"p\" }]", "edge.toml:26:8: domain[0].user: `*` has no users"),
    (DOMAIN, "user = [{ username = \"a\", pasword = \"p\" }]", "edge.toml:25:"),
    (DOMAIN, "auth_algorithms = [\"SHA-1\"]", "edge.toml:25:19: domain[0].auth_algorithms: expected `SHA-256`, `MD5` or both"),
    (DOMAIN, "auth_exempt = [\"x\"]", "edge.toml:25:15: domain[0].auth_exempt: no trunk `x`; expected one of `carrier`"),
    (REGISTRAR, "bindings = 0", "edge.toml:42:12: registrar.bindings: 0; expected 1 to"),
    (REGISTRAR, "bindings_per_user = 13", "edge.toml:42:21: registrar.bindings_per_user: 13; expected 1 to 12"),
    (REGISTRAR, "min_expires = \"2h\"", "edge.toml:42:15: registrar.min_expires: expected"),
    (REGISTRAR, "max_expires = \"1m\"", "edge.toml:42:15: registrar.min_expires: expected"),
    (EXECUTOR, "calls = 0", "edge.toml:39:9: executor.calls: 0; expected 1 or more"),
];

#[test]
fn every_fault_is_told_at_its_place() {
    let mut wrong = Vec::new();
    for (section, line, expected) in FAULTS {
        let told = errors(&with(section, line));
        if told.len() != 1 || !told[0].starts_with(expected) {
            wrong.push(format!(
                "{section} {line}\n  told: {told:?}\n  want: {expected}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_of_all_sections_come_at_once_and_in_order() {
    let text = BASE
        .replace("node = \"base\"", "nodes = 1")
        .replace("socket = \"udp:127.0.0.1:5060\"", "socket = \"nowhere\"")
        .replace("uri = \"sip:127.0.0.1:5090\"", "uri = \"x\"")
        .replace("type = \"sanity\"", "type = \"sanitiy\"")
        + "\n[surprise]\n";
    let told = errors(&text);
    let places: Vec<usize> = told
        .iter()
        .map(|line| line.split(':').nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(places.is_sorted(), "{told:#?}");
    for word in [
        "server.nodes",
        "listen[0].socket",
        "trunk[0]",
        "chain[0].filter[0]",
        "surprise",
    ] {
        assert!(
            told.iter().any(|line| line.contains(word)),
            "{word}: {told:#?}"
        );
    }
    assert!(
        told.iter()
            .any(|line| line.contains("did you mean `sanity`")),
        "{told:#?}"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let told = errors("[server\nnode = 1\n");
    assert!(told[0].starts_with("edge.toml:1:"), "{told:?}");
    let told = errors("[server]\nnode = \"a\"\nnode = \"b\"\n");
    assert!(told[0].starts_with("edge.toml:3:1"), "{told:?}");
}

#[test]
fn sections_that_are_missing_or_misshapen() {
    assert!(
        errors("")
            .iter()
            .any(|line| line.contains("no socket to listen on"))
    );
    assert!(errors("listen = 1\n")[0].contains("write [[listen]]"));
    assert!(errors(&BASE.replace("[[domain]]", "[domain]"))[0].contains("write [[domain]]"));
    let nameless = BASE.replace("[[chain]]\nname = \"inbound\"", "[[chain]]");
    assert!(
        errors(&nameless)
            .iter()
            .any(|line| line.contains("chain[0].name: missing"))
    );
    let none = BASE.replace("[executor]\nlisten = \"udp:127.0.0.1:5080\"\n", "");
    assert!(errors(&none)[0].contains("domain[0].executor: missing"));
    let no_inside = BASE.replace("trust = \"internal\"\n", "");
    assert!(errors(&no_inside)[0].contains("executor.outbound_proxy: missing"));
    let no_voice = BASE.replace("voice_url = \"http://127.0.0.1:9000/voice\"\n", "");
    assert!(errors(&no_voice)[0].contains("domain[0].voice_url: missing"));
}

#[test]
fn faults_of_filters_have_their_place_in_the_file() {
    let told = errors(&BASE.replace(
        "type = \"sanity\"",
        "type = \"sanity\"\n  actoin = \"drop\"",
    ));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("edge.toml:37:3: chain[0].filter[0].actoin: "),
        "{told:?}"
    );
    let told = errors(&BASE.replace(
        "type = \"sanity\"",
        "type = \"x_headers\"\n  rules = [ { op = \"burn\", header = \"X-A\" } ]",
    ));
    assert!(
        told[0].starts_with("edge.toml:37:") && told[0].contains("rules[0]"),
        "{told:?}"
    );
    let told = errors(&BASE.replace("type = \"sanity\"", "kind = \"sanity\""));
    assert!(told[0].contains("chain[0].filter[0]"), "{told:?}");
}

#[test]
fn what_is_surely_not_meant_is_warned_of() {
    let warnings = parse(&with(TIMERS, "timer_c = \"60s\"")).warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("timer_c")),
        "{warnings:?}"
    );
    assert!(
        parse(BASE)
            .warnings
            .iter()
            .any(|warning| warning.contains("server.secret"))
    );
    let warnings = parse(&with(DOMAIN, "executor = [\"sip:10.0.0.1\"]")).warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("voice_url")),
        "{warnings:?}"
    );
    let warnings = parse(&with(TARGET, "  uri = \"sips:gw.example\"")).warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("sips:gw.example")),
        "{warnings:?}"
    );
}
