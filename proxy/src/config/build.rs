//! Sections to snapshot: names are looked up, doubtful settings refused.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use filters::{BuildContext, Chain, Network, Role, TrunkConfig};
use sip::{Transport, Uri};

use super::check::{check_executor, check_names, check_registrar, check_server};
use super::error::Report;
use super::file;
use super::load::{ChainSection, Loader, Sections};
use super::routes::routes;
use super::users::{accounts, exempt};
use crate::loops::LoopHash;
use crate::plan::{Domain, Hashed, Listener, Plan, Reroute, Trunk, TrunkTarget};
use crate::registrar::Bounds;
use crate::route_index::RouteIndex;
use crate::sent_by::Fixed;
use crate::token::TokenKey;

/// A valid configuration: the snapshot for requests, and what only starting needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The snapshot.
    pub plan: Arc<Plan>,
    /// `[server]`.
    pub server: file::Server,
    /// `[limits]`.
    pub limits: file::LimitsSection,
    /// `[executor]`, if this process has one.
    pub executor: Option<file::Executor>,
    /// `[[domain]]`.
    pub domains: Vec<file::Domain>,
    /// Sources of all trunks: exempt from limits that are for strangers.
    pub trunk_sources: Vec<Network>,
    /// What is valid but surely not meant.
    pub warnings: Vec<String>,
}

/// Builds the settings; `None` where the report says why not.
pub(super) fn build(
    sections: &Sections<'_>,
    loader: &Loader,
    report: &mut Report<'_>,
) -> Option<Settings> {
    let mut warnings = Vec::new();
    check_names(sections, report);
    let trunk_configs = trunk_configs(sections, report);
    let context = |role| BuildContext {
        trunks: trunk_configs.clone(),
        counters: loader.counters.clone(),
        limits: sections.limits.message(),
        role,
    };
    let chains = chains(sections, loader, &context(Role::Listener), report);
    let trunk_chains = trunk_chains(sections, loader, &context(Role::Trunk), report);
    let listeners = listeners(sections, &chains, report);
    let trunks = trunks(sections, &trunk_configs, &trunk_chains, report);
    let (domains, any_domain) = domains(sections, report);
    let routes = routes(sections, &trunks, &domains, any_domain.as_ref(), report);
    check_executor(sections, report);
    check_registrar(sections, report);
    check_server(sections, report);
    let secret = match &sections.server.secret {
        Some(secret) if secret.len() < SECRET_BYTES_MIN => {
            let message = format!("too short; expected {SECRET_BYTES_MIN} bytes or more");
            report.add(sections.span("server.secret"), "server.secret", message);
            return None;
        }
        Some(secret) => secret.as_bytes().to_vec(),
        None => {
            warnings.push(
                "server.secret is not set: calls in progress do not outlive a restart".to_owned(),
            );
            loader.entropy.to_vec()
        }
    };
    if sections.timers.timer_c.0.as_secs() <= 180 {
        warnings.push("timers.timer_c is not over 3 minutes (RFC 3261 §16.6 step 11)".to_owned());
    }
    warnings.extend(unused(sections));
    if !report.is_empty() {
        return None;
    }
    let mut seed = [0u8; 8];
    seed.copy_from_slice(loader.entropy.get(..8)?);
    let plan = Plan {
        node: sections.server.node.clone(),
        message_limits: sections.limits.message(),
        transactions_max: sections.limits.transactions,
        udp_mtu: sections.limits.udp_mtu.0,
        udp_mtu_least: udp_mtu_least(sections.limits.udp_mtu.0, &trunks),
        timers: sip::Timers {
            t1: sections.timers.t1.0,
            t2: sections.timers.t2.0,
            t4: sections.timers.t4.0,
        },
        timer_c: sections.timers.timer_c.0,
        fr_timer: sections.timers.fr_timer.0,
        listeners,
        hashed: Hashed::new(&chains, &trunks),
        trunks,
        has_users: domains.values().any(|domain| domain.accounts.is_some()),
        domains,
        any_domain,
        route_index: RouteIndex::new(&routes),
        routes,
        chains,
        token_key: TokenKey::new(&secret),
        loop_hash: LoopHash::new(u64::from_le_bytes(seed)),
        registrar: Bounds {
            total: sections.registrar.bindings,
            per_user: sections.registrar.bindings_per_user,
            shortest: sections.registrar.min_expires.0,
            longest: sections.registrar.max_expires.0,
        },
    };
    Some(Settings {
        plan: Arc::new(plan),
        server: sections.server.clone(),
        limits: sections.limits.clone(),
        executor: sections
            .executor
            .as_ref()
            .map(|executor| executor.value.clone()),
        domains: sections
            .domain
            .iter()
            .map(|domain| file::Domain {
                // Nothing needs the passwords any more.
                user: Vec::new(),
                ..domain.value.clone()
            })
            .collect(),
        trunk_sources: trunk_configs
            .into_iter()
            .flat_map(|trunk| trunk.sources)
            .collect(),
        warnings,
    })
}

fn trunk_configs(sections: &Sections<'_>, report: &mut Report<'_>) -> Vec<TrunkConfig> {
    let mut configs = Vec::new();
    for trunk in &sections.trunk {
        let file = &trunk.value;
        let sources = networks(
            &file.source,
            || trunk.span("source"),
            &trunk.key("source"),
            report,
        );
        let mut transports = Vec::new();
        for name in &file.transport {
            match Transport::of(name.as_bytes()) {
                Some(transport) => transports.push(transport),
                None => {
                    let message =
                        format!("unknown transport `{name}`; expected udp, tcp, tls, ws or wss");
                    report.add(trunk.span("transport"), trunk.key("transport"), message);
                }
            }
        }
        configs.push(TrunkConfig {
            name: Arc::from(file.name.as_str()),
            trust: file.trust.into(),
            sources,
            transports,
            domains: file.domain.clone(),
        });
    }
    configs
}

/// Settings that are valid, and change nothing.
fn unused(sections: &Sections<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for domain in sections
        .domain
        .iter()
        .filter(|domain| !domain.value.executor.is_empty())
    {
        if domain.value.voice_url.is_some() {
            let name = &domain.value.name;
            warnings.push(format!("domain `{name}`: voice_url is for executors of this process; `executor` names others"));
        }
    }
    let targets = sections
        .trunk
        .iter()
        .flat_map(|trunk| &trunk.value.target)
        .map(|target| &target.uri.0);
    let fixed = sections
        .route
        .iter()
        .flat_map(|route| &route.value.targets)
        .map(|uri| &uri.0);
    for text in targets.chain(fixed) {
        let Ok(uri) = Uri::parse(text.as_bytes()) else {
            continue;
        };
        let transport = uri.params.value(b"transport").and_then(Transport::of);
        let plain = matches!(transport, None | Some(Transport::Udp | Transport::Tcp));
        if uri.scheme == sip::Scheme::Sips || !plain {
            warnings.push(format!(
                "`{text}` cannot be reached: this version sends over UDP and TCP"
            ));
        }
    }
    warnings
}

/// Reads addresses and networks.
pub(super) fn networks(
    texts: &[String],
    span: impl Fn() -> Option<std::ops::Range<usize>>,
    key: &str,
    report: &mut Report<'_>,
) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = format!(
                    "`{text}` is no source; expected ADDRESS, ADDRESS:PORT or NETWORK/BITS"
                );
                report.add(span(), key, message);
            }
        }
    }
    networks
}

/// The chains, built for listeners: those that only trunks name are left to [`trunk_chains`].
fn chains(
    sections: &Sections<'_>,
    loader: &Loader,
    context: &BuildContext,
    report: &mut Report<'_>,
) -> HashMap<Arc<str>, Arc<Chain>> {
    let by_trunk = |name: &str| {
        sections
            .trunk
            .iter()
            .any(|trunk| trunk.value.chain.as_deref() == Some(name))
    };
    let by_listener = |name: &str| {
        sections
            .listen
            .iter()
            .any(|listen| listen.value.chain == name)
    };
    sections
        .chain
        .iter()
        .filter(|chain| by_listener(&chain.name) || !by_trunk(&chain.name))
        .filter_map(|section| {
            let chain = chain(section, loader, context, report)?;
            Some((Arc::from(section.name.as_str()), Arc::new(chain)))
        })
        .collect()
}

fn trunk_chains(
    sections: &Sections<'_>,
    loader: &Loader,
    context: &BuildContext,
    report: &mut Report<'_>,
) -> HashMap<String, Arc<Chain>> {
    let mut chains = HashMap::new();
    for section in &sections.chain {
        let used = sections
            .trunk
            .iter()
            .any(|trunk| trunk.value.chain.as_ref() == Some(&section.name));
        if used && let Some(chain) = chain(section, loader, context, report) {
            chains.insert(section.name.clone(), Arc::new(chain));
        }
    }
    chains
}

fn chain(
    section: &ChainSection<'_>,
    loader: &Loader,
    context: &BuildContext,
    report: &mut Report<'_>,
) -> Option<Chain> {
    let mut filters = Vec::new();
    let mut whole = true;
    for (index, table) in section.filters.iter().enumerate() {
        match loader.registry.build(table.clone(), context) {
            Ok(filter) => filters.push(filter),
            Err(errors) => {
                whole = false;
                for error in errors {
                    let key = format!("{}.filter[{index}].{}", section.path, error.key);
                    let span = error.span.clone().or_else(|| Some(table.span()));
                    let mut message = error.message.clone();
                    if let Some(expected) = &error.expected {
                        message.push_str("; expected ");
                        message.push_str(expected);
                    }
                    if let Some(suggestion) = &error.suggestion {
                        message.push_str(&format!(" (did you mean `{suggestion}`?)"));
                    }
                    report.add(span, key.trim_end_matches('.'), message);
                }
            }
        }
    }
    whole.then(|| Chain::new(&section.name, filters, &loader.counters))
}

fn listeners(
    sections: &Sections<'_>,
    chains: &HashMap<Arc<str>, Arc<Chain>>,
    report: &mut Report<'_>,
) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for listen in &sections.listen {
        let file = &listen.value;
        let Some(chain) = chains.get(file.chain.as_str()) else {
            // A chain with errors of its own has told them already.
            sections.check_name(listen, "chain", "chain", &file.chain, report);
            continue;
        };
        if file.socket.address.port() == 0 {
            // Every worker binds by itself, and others have to know where.
            report.add(
                listen.span("socket"),
                listen.key("socket"),
                "port 0; expected 1 to 65535",
            );
        }
        let socket = file.socket;
        let earlier = sections
            .listen
            .iter()
            .take_while(|other| other.path != listen.path);
        let twice = earlier
            .map(|other| other.value.socket)
            .any(|other| other == socket);
        if twice {
            report.add(
                listen.span("socket"),
                listen.key("socket"),
                "another listener has the same socket",
            );
        }
        let advertise = file.advertise.as_ref().map(|told| {
            let port = told.port.unwrap_or_else(|| socket.address.port());
            (told.host.clone(), port)
        });
        listeners.push(Listener {
            name: Arc::from(file.name.as_str()),
            transport: socket.transport,
            bind: socket.address,
            fixed: Fixed::of(socket.transport, socket.address, advertise.as_ref()),
            advertise,
            trust: file.trust.into(),
            chain: chain.clone(),
            recv_buffer: file.recv_buffer.0,
        });
    }
    listeners
}

fn trunks(
    sections: &Sections<'_>,
    configs: &[TrunkConfig],
    chains: &HashMap<String, Arc<Chain>>,
    report: &mut Report<'_>,
) -> HashMap<Arc<str>, Arc<Trunk>> {
    let mut trunks = HashMap::new();
    // There is one for each section, in order.
    for (trunk, config) in sections.trunk.iter().zip(configs) {
        let file = &trunk.value;
        let chain = match &file.chain {
            None => None,
            Some(name) => match chains.get(name) {
                Some(chain) => Some(chain.clone()),
                None => {
                    sections.check_name(trunk, "chain", "chain", name, report);
                    continue;
                }
            },
        };
        let reroute = match &file.reroute_causes {
            None => Reroute::Default,
            Some(codes) => {
                if let Some(code) = codes.iter().find(|code| !(300..600).contains(*code)) {
                    let message = format!(
                        "{code} cannot lead to another target; expected codes from 300 to 599"
                    );
                    report.add(
                        trunk.span("reroute_causes"),
                        trunk.key("reroute_causes"),
                        message,
                    );
                }
                Reroute::Only(codes.as_slice().into())
            }
        };
        if file.target.len() > TARGETS_MAX {
            let message = format!(
                "{} targets; a trunk has {TARGETS_MAX} at most",
                file.target.len()
            );
            report.add(trunk.span("target"), trunk.key("target"), message);
        }
        let targets = file.target.iter().filter(|target| target.enabled);
        let trunk = Trunk {
            name: config.name.clone(),
            trust: config.trust,
            sources: config.sources.clone(),
            chain,
            reroute,
            udp_mtu: file.udp_mtu.map_or(sections.limits.udp_mtu.0, |mtu| mtu.0),
            targets: targets
                .map(|target| {
                    let uri = Bytes::from(target.uri.0.clone());
                    TrunkTarget::new(uri, target.priority, target.weight)
                })
                .collect(),
        };
        trunks.insert(trunk.name.clone(), Arc::new(trunk));
    }
    trunks
}

type Domains = (HashMap<String, Arc<Domain>>, Option<Arc<Domain>>);

fn domains(sections: &Sections<'_>, report: &mut Report<'_>) -> Domains {
    let mut domains = HashMap::new();
    let mut any = None;
    for domain in &sections.domain {
        let file = &domain.value;
        for (key, method) in [
            ("voice_method", &file.voice_method),
            ("fallback_method", &file.fallback_method),
            ("status_callback_method", &file.status_callback_method),
        ] {
            if !matches!(method.as_str(), "GET" | "POST") {
                report.add(
                    domain.span(key),
                    domain.key(key),
                    format!("`{method}`; expected GET or POST"),
                );
            }
        }
        for (key, url) in [
            ("voice_url", &file.voice_url),
            ("fallback_url", &file.fallback_url),
            ("status_callback", &file.status_callback),
        ] {
            let web = |url: &String| {
                let parsed = url.parse::<http::Uri>().ok();
                let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
                matches!(scheme, Some("http" | "https"))
                    && parsed.is_some_and(|url| url.host().is_some())
            };
            if url.as_ref().is_some_and(|url| !web(url)) {
                report.add(
                    domain.span(key),
                    domain.key(key),
                    "expected an http:// or https:// URL",
                );
            }
        }
        for (key, sid) in [("sid", &file.sid), ("account_sid", &file.account_sid)] {
            if let Some(Err(error)) = sid.as_ref().map(|sid| sid.parse::<executor::Sid>()) {
                let message =
                    format!("{error}; expected two capital letters and 32 hexadecimal digits");
                report.add(domain.span(key), domain.key(key), message);
            }
        }
        if file.fallback_url.is_some() && file.voice_url.is_none() {
            report.add(
                domain.span("fallback_url"),
                domain.key("fallback_url"),
                "needs a voice_url (21405)",
            );
        }
        let own = sections.executor.as_ref().map(|executor| {
            let socket = executor.value.listen;
            let transport = match socket.transport {
                Transport::Udp => String::new(),
                other => format!(";transport={}", other.param()),
            };
            Bytes::from(format!("sip:{}{transport}", socket.address))
        });
        let executors: Vec<Bytes> = match file.executor.as_slice() {
            [] => own.into_iter().collect(),
            uris => uris.iter().map(|uri| Bytes::from(uri.0.clone())).collect(),
        };
        if executors.is_empty() && sections.is_whole("executor") {
            let message =
                "missing, and this process has no [executor]; expected the SIP URIs of executors";
            report.add(domain.span("executor"), domain.key("executor"), message);
        }
        if file.executor.is_empty() && file.voice_url.is_none() {
            report.add(
                domain.span("voice_url"),
                domain.key("voice_url"),
                "missing; expected the URL that decides about calls",
            );
        }
        let name = file.name.to_ascii_lowercase();
        let plan = Arc::new(Domain {
            accounts: accounts(domain, &name, report),
            exempt: exempt(domain, sections, report),
            name: name.clone(),
            executors,
        });
        if name == "*" {
            any = Some(plan);
        } else {
            let probe = format!("sip:{name}");
            if Uri::parse(probe.as_bytes()).is_err() {
                let message = format!("`{name}` is no host; expected a name, an address or `*`");
                report.add(domain.span("name"), domain.key("name"), message);
            }
            let bare = name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            domains.insert(bare, plan);
        }
    }
    (domains, any)
}

const SECRET_BYTES_MIN: usize = 16;
/// Origination URIs of a trunk at most.
const TARGETS_MAX: usize = 10;

/// The shortest request that may be too long for UDP.
fn udp_mtu_least(server: usize, trunks: &HashMap<Arc<str>, Arc<Trunk>>) -> usize {
    let trunks = trunks.values().map(|trunk| trunk.udp_mtu);
    let all = trunks.chain([server]).filter(|mtu| *mtu > 0);
    all.min().unwrap_or(usize::MAX)
}
