//! What is wrong though each key by itself can be read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use super::error::Report;
use super::file;
use super::load::{ChainSection, Placed, Sections};
use crate::console::Access;
use crate::exchange::AIMS_MAX;
use crate::token::name_hash;
use crate::{executor_role, logging};

/// Names are unique within their kind.
pub(super) fn check_names(sections: &Sections<'_>, report: &mut Report<'_>) {
    fn unique<'n>(
        names: impl Iterator<Item = (&'n str, Option<Range<usize>>, String)>,
        report: &mut Report<'_>,
    ) {
        let mut seen = HashSet::new();
        for (name, span, key) in names {
            if name.is_empty() {
                report.add(span, key, "is empty");
            } else if !seen.insert(name) {
                report.add(
                    span,
                    key,
                    format!("`{name}` is there twice; names are unique"),
                );
            }
        }
    }
    fn placed<'n, T>(
        item: &'n Placed<'n, T>,
        name: &'n str,
    ) -> (&'n str, Option<Range<usize>>, String) {
        (name, item.span("name"), item.key("name"))
    }
    unique(
        sections
            .listen
            .iter()
            .map(|item| placed(item, &item.value.name)),
        report,
    );
    unique(
        sections
            .trunk
            .iter()
            .map(|item| placed(item, &item.value.name)),
        report,
    );
    unique(
        sections
            .domain
            .iter()
            .map(|item| placed(item, &item.value.name)),
        report,
    );
    unique(
        sections
            .route
            .iter()
            .map(|item| placed(item, &item.value.name)),
        report,
    );
    let chain =
        |chain: &ChainSection<'_>| (Some(chain.span.clone()), format!("{}.name", chain.path));
    let chains = sections.chain.iter().map(|section| {
        let (span, key) = chain(section);
        (section.name.as_str(), span, key)
    });
    unique(chains, report);
    // Tokens carry hashes of names: two names with one hash could not be told apart.
    let mut hashed: HashMap<u32, &str> = HashMap::new();
    for section in &sections.chain {
        let twin = hashed.insert(name_hash(&section.name), &section.name);
        if let Some(twin) = twin.filter(|twin| *twin != section.name) {
            let (span, key) = chain(section);
            report.add(
                span,
                key,
                format!(
                    "`{}` and `{twin}` have the same hash: rename one",
                    section.name
                ),
            );
        }
    }
    hashed.clear();
    for trunk in &sections.trunk {
        let name = &trunk.value.name;
        let twin = hashed.insert(name_hash(name), name);
        if let Some(twin) = twin.filter(|twin| twin != name) {
            let message = format!("`{name}` and `{twin}` have the same hash: rename one");
            report.add(trunk.span("name"), trunk.key("name"), message);
        }
    }
    if sections.listen.is_empty() && sections.is_whole("listen") {
        report.add(
            None,
            "listen",
            "no socket to listen on; expected at least one [[listen]]",
        );
    }
    if sections.listen.len() > LISTENERS_MAX {
        report.add(None, "listen", format!("more than {LISTENERS_MAX} sockets"));
    }
}

/// What a value of the right type may still not be.
pub(super) fn check_server(sections: &Sections<'_>, report: &mut Report<'_>) {
    let (server, timers, limits) = (&sections.server, &sections.timers, &sections.limits);
    let span = |key: &str| sections.span(key);
    if server.workers > WORKERS_MAX {
        let message = format!(
            "{}; expected {WORKERS_MAX} at most, or 0 for one a core",
            server.workers
        );
        report.add(span("server.workers"), "server.workers", message);
    }
    if let Err(error) = logging::directives(&server.log) {
        report.add(span("server.log"), "server.log", error);
    }
    if let Some(address) = server.console
        && let Err(error) = Access::new(address, server.console_password.as_deref())
    {
        report.add(span("server.console"), "server.console", error.to_string());
    }
    for (key, value) in [
        ("timers.t1", timers.t1),
        ("timers.t2", timers.t2),
        ("timers.t4", timers.t4),
        ("timers.timer_c", timers.timer_c),
        ("timers.fr_timer", timers.fr_timer),
    ] {
        if value.0 < TIMER_MIN || value.0 > TIMER_MAX {
            report.add(
                span(key),
                key,
                "expected a length of time from \"10ms\" to \"24h\"",
            );
        }
    }
    for (key, value, max) in [
        (
            "limits.message_bytes",
            limits.message_bytes.0,
            sip::MESSAGE_BYTES_MAX,
        ),
        (
            "limits.header_section_bytes",
            limits.header_section_bytes.0,
            sip::MESSAGE_BYTES_MAX,
        ),
        (
            "limits.header_bytes",
            limits.header_bytes.0,
            sip::MESSAGE_BYTES_MAX,
        ),
        ("limits.headers", limits.headers, sip::MESSAGE_BYTES_MAX),
        (
            "limits.via_values",
            limits.via_values,
            sip::MESSAGE_BYTES_MAX,
        ),
        (
            "limits.uri_bytes",
            limits.uri_bytes.0,
            sip::MESSAGE_BYTES_MAX,
        ),
        (
            "limits.method_bytes",
            limits.method_bytes.0,
            sip::MESSAGE_BYTES_MAX,
        ),
        ("limits.transactions", limits.transactions, TRANSACTIONS_MAX),
        ("limits.connections", limits.connections, CONNECTIONS_MAX),
        (
            "limits.connections_per_ip",
            limits.connections_per_ip,
            CONNECTIONS_MAX,
        ),
    ] {
        if value == 0 || value > max {
            report.add(span(key), key, format!("{value}; expected 1 to {max}"));
        }
    }
    for (key, value) in [
        ("limits.body_bytes", limits.body_bytes.0),
        ("limits.udp_mtu", limits.udp_mtu.0),
    ] {
        if value > sip::MESSAGE_BYTES_MAX {
            let max = sip::MESSAGE_BYTES_MAX;
            report.add(span(key), key, format!("{value}; expected {max} at most"));
        }
    }
}

/// Bounds on registrations hold each other.
pub(super) fn check_registrar(sections: &Sections<'_>, report: &mut Report<'_>) {
    let file = &sections.registrar;
    for (key, value, max) in [
        ("registrar.bindings", file.bindings, BINDINGS_MAX),
        (
            "registrar.bindings_per_user",
            file.bindings_per_user,
            AIMS_MAX,
        ),
    ] {
        if value == 0 || value > max {
            let message = format!("{value}; expected 1 to {max}");
            report.add(sections.span(key), key, message);
        }
    }
    let (shortest, longest) = (file.min_expires.0, file.max_expires.0);
    if shortest < EXPIRES_MIN || longest > TIMER_MAX || shortest > longest {
        let key = "registrar.min_expires";
        let span = sections
            .span(key)
            .or_else(|| sections.span("registrar.max_expires"));
        let message =
            "expected \"10s\" or more, and at most `max_expires`, which is \"24h\" at most";
        report.add(span, key, message);
    }
}

pub(super) fn check_executor(sections: &Sections<'_>, report: &mut Report<'_>) {
    let Some(executor) = &sections.executor else {
        return;
    };
    let file = &executor.value;
    for text in &file.proxies {
        if let Err(error) = text.parse::<executor::TrustedPeer>() {
            let message =
                format!("`{text}`: {error}; expected ADDRESS, ADDRESS:PORT or NETWORK/BITS");
            report.add(executor.span("proxies"), executor.key("proxies"), message);
        }
    }
    for text in &file.webhook_allow {
        if executor_role::network(text).is_none() {
            let message = format!("`{text}` is no network; expected ADDRESS or NETWORK/BITS");
            report.add(
                executor.span("webhook_allow"),
                executor.key("webhook_allow"),
                message,
            );
        }
    }
    if !PAUSES.contains(&file.webhook_pause.0) {
        report.add(
            executor.span("webhook_pause"),
            executor.key("webhook_pause"),
            "expected 100ms to 1h",
        );
    }
    if let Err(error) = file.rtp_ports.parse::<executor::RtpPorts>() {
        let message = format!(
            "`{}`: {error}; expected FIRST-LAST, for example \"20000-29999\"",
            file.rtp_ports
        );
        report.add(
            executor.span("rtp_ports"),
            executor.key("rtp_ports"),
            message,
        );
    }
    check_media(executor, report);
    check_siprec(executor, report);
    if file.listen.address.port() == 0 {
        report.add(
            executor.span("listen"),
            executor.key("listen"),
            "port 0; expected 1 to 65535",
        );
    }
    if file.calls == 0 {
        report.add(
            executor.span("calls"),
            executor.key("calls"),
            "0; expected 1 or more",
        );
    }
    if let Some(name) = &file.dial_trunk {
        sections.check_name(executor, "dial_trunk", "trunk", name, report);
    }
    let internal = sections
        .listen
        .iter()
        .any(|listen| listen.value.trust == file::Trust::Internal);
    if file.outbound_proxy.is_none() && !internal && sections.is_whole("listen") {
        let message = "missing, and no [[listen]] has trust = \"internal\"; calls of <Dial> need one of the two";
        report.add(
            executor.span("outbound_proxy"),
            executor.key("outbound_proxy"),
            message,
        );
    }
}

fn check_media(executor: &Placed<'_, file::Executor>, report: &mut Report<'_>) {
    let file = &executor.value;
    let mut add = |key: &str, message: String| {
        report.add(executor.span(key), executor.key(key), message);
    };
    if file.media_workers > MEDIA_WORKERS_MAX {
        let message = format!(
            "{}; expected {MEDIA_WORKERS_MAX} at most",
            file.media_workers
        );
        add("media_workers", message);
    }
    let twice =
        |(at, codec): (usize, &file::Codec)| file.codecs.iter().take(at).any(|c| c == codec);
    if file.codecs.is_empty() || file.codecs.iter().enumerate().any(twice) {
        let message = "expected each of \"pcmu\", \"pcma\", \"g722\" and \"opus\" at most once, and one at least";
        add("codecs", message.to_owned());
    }
    for (key, value) in [("tts", &file.tts), ("stt", &file.stt)] {
        let bad = |text: &&String| {
            let url = executor_role::is_url(text);
            text.is_empty() || (url && executor_role::web_url(text).is_none())
        };
        if let Some(text) = value.as_ref().filter(bad) {
            add(
                key,
                format!("`{text}`; expected a program or an http(s) URL"),
            );
        }
    }
    if let Some(text) = &file.recordings_url
        && executor_role::web_url(text).is_none()
    {
        add(
            "recordings_url",
            format!("`{text}`; expected an http(s) URL"),
        );
    }
    if let Some(path) = &file.ca_file
        && let Err(error) = executor::Roots::read(path)
    {
        add("ca_file", format!("`{}`: {error}", path.display()));
    }
    if let Some(listen) = file.recordings_listen
        && listen.ip().is_unspecified()
        && file.recordings_url.is_none()
    {
        let message = format!(
            "`{listen}` is no address that can be asked; expected recordings_url beside it"
        );
        add("recordings_listen", message);
    }
}

fn check_siprec(executor: &Placed<'_, file::Executor>, report: &mut Report<'_>) {
    let all = &executor.value.siprec;
    let mut add = |at: usize, key: &str, message: String| {
        let key = executor.key(&format!("siprec[{at}].{key}"));
        report.add(executor.span("siprec"), key, message);
    };
    if all.len() > SIPREC_MAX {
        let message = format!("{} of them; expected {SIPREC_MAX} at most", all.len());
        add(SIPREC_MAX, "name", message);
    }
    for (at, siprec) in all.iter().enumerate().take(SIPREC_MAX) {
        let name = &siprec.name;
        if name.is_empty() {
            add(at, "name", "is empty".to_owned());
        } else if all.iter().take(at).any(|other| other.name == *name) {
            add(at, "name", format!("`{name}` is there twice"));
        }
        let uri = sip::Uri::parse(siprec.uri.0.as_bytes());
        if uri.is_ok_and(|uri| uri.headers.is_some()) {
            add(
                at,
                "uri",
                "has headers; expected a SIP URI without".to_owned(),
            );
        }
    }
}

/// Recording servers, which are looked for in a row.
const SIPREC_MAX: usize = 64;

const MEDIA_WORKERS_MAX: usize = 64;
const PAUSES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);

/// Workers are one byte of a branch.
pub(crate) const WORKERS_MAX: usize = 256;
const LISTENERS_MAX: usize = 64;
const TIMER_MIN: Duration = Duration::from_millis(10);
const TIMER_MAX: Duration = Duration::from_secs(24 * 3600);
const EXPIRES_MIN: Duration = Duration::from_secs(10);
const BINDINGS_MAX: usize = 3_000_000;
const TRANSACTIONS_MAX: usize = 3_000_000;
const CONNECTIONS_MAX: usize = 1_000_000;
