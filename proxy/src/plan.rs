//! The immutable snapshot that requests are handled by: a configuration that cannot be wrong.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use filters::{Chain, Network, Trust};
use foldhash::fast::RandomState;
use regex::Regex;
use sip::{Limits, Method, Transport, Uri};
use transport::{Flow, Hop, ListenerId};

use crate::auth::Accounts;
use crate::forward;
use crate::loops::LoopHash;
use crate::pipeline::LocalIp;
use crate::registrar::Bounds;
use crate::route_index::RouteIndex;
use crate::router::Way;
use crate::sent_by::Fixed;
use crate::token::{TokenKey, name_hash};

/// Everything that a request needs, built once from a valid file and shared by all workers.
///
/// An exchange keeps the plan that it began with.
#[derive(Debug)]
pub struct Plan {
    /// The name of this node.
    pub node: String,
    /// Bounds on one message.
    pub message_limits: Limits,
    /// Transactions in progress, all workers together.
    pub transactions_max: usize,
    /// Bytes above which a request goes by TCP in place of UDP (RFC 3261 §18.1.1); 0: none does.
    pub udp_mtu: usize,
    /// The least of these of all trunks and the server, so that most requests are asked one question.
    pub(crate) udp_mtu_least: usize,
    /// RFC 3261 §17 timers.
    pub timers: sip::Timers,
    /// Timer C (§16.6 step 11).
    pub timer_c: Duration,
    /// Silence after which the next target is tried; the last one has Timer B or F.
    pub fr_timer: Duration,
    /// The sockets, in the order of the file; [`ListenerId`] is the index.
    pub listeners: Vec<Listener>,
    /// Trunks by name.
    pub trunks: HashMap<Arc<str>, Arc<Trunk>>,
    /// SIP domains by lower-case host.
    pub domains: HashMap<String, Arc<Domain>>,
    /// The domain that takes hosts of nobody else.
    pub any_domain: Option<Arc<Domain>>,
    /// Rules in order.
    pub routes: Vec<Route>,
    /// The same by what they ask for.
    pub(crate) route_index: RouteIndex,
    /// Chains by name.
    pub chains: HashMap<Arc<str>, Arc<Chain>>,
    /// Chains and trunks as tokens name them.
    pub hashed: Hashed,
    /// Key of the Record-Route tokens.
    pub token_key: TokenKey,
    /// Key of the loop detection.
    pub loop_hash: LoopHash,
    /// Bounds on registrations.
    pub registrar: Bounds,
    /// Whether any domain has users.
    pub has_users: bool,
}

/// Chains and trunks by the hashes of their names, of which a configuration has no two alike.
#[derive(Debug, Default)]
pub struct Hashed {
    chains: hashbrown::HashMap<u32, Arc<Chain>, RandomState>,
    trunks: hashbrown::HashMap<u32, Arc<Trunk>, RandomState>,
}

impl Hashed {
    /// Everything by its hash.
    pub fn new(
        chains: &HashMap<Arc<str>, Arc<Chain>>,
        trunks: &HashMap<Arc<str>, Arc<Trunk>>,
    ) -> Self {
        let chain = |(name, chain): (&Arc<str>, &Arc<Chain>)| (name_hash(name), chain.clone());
        let trunk = |(name, trunk): (&Arc<str>, &Arc<Trunk>)| (name_hash(name), trunk.clone());
        Self {
            chains: chains.iter().map(chain).collect(),
            trunks: trunks.iter().map(trunk).collect(),
        }
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Its transport.
    pub transport: Transport,
    /// The bound address.
    pub bind: SocketAddr,
    /// Host and port that others are told.
    pub advertise: Option<(String, u16)>,
    /// What it is called where that is the same for everybody.
    pub(crate) fixed: Option<Fixed>,
    /// Who is on the other side, until a trunk says more.
    pub trust: Trust,
    /// The chain that its requests run through.
    pub chain: Arc<Chain>,
    /// Receive buffer to ask for, in bytes.
    pub recv_buffer: usize,
}

/// A carrier, a PBX or a neighbour.
#[derive(Debug)]
pub struct Trunk {
    /// Its name.
    pub name: Arc<str>,
    /// How far it is trusted.
    pub trust: Trust,
    /// Where its requests come from.
    pub sources: Vec<Network>,
    /// The chain whose branch and response hooks run for what leaves by it.
    pub chain: Option<Arc<Chain>>,
    /// Codes after which the next target is tried.
    pub reroute: Reroute,
    /// [`Plan::udp_mtu`] for what leaves by it.
    pub udp_mtu: usize,
    /// Enabled targets with priority and weight.
    pub targets: Vec<TrunkTarget>,
}

/// One origination URI.
#[derive(Debug)]
pub struct TrunkTarget {
    /// As configured, with its headers.
    pub uri: Bytes,
    /// Lowest first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// The way there.
    pub(crate) way: Way,
}

impl TrunkTarget {
    /// A target with a place among the others of its trunk.
    pub fn new(uri: Bytes, priority: u16, weight: u16) -> Self {
        Self {
            way: Way::of(&uri),
            uri,
            priority,
            weight,
        }
    }
}

/// Which final responses make the proxy try the next target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reroute {
    /// What says that an element is broken, not what it makes of the call.
    Broken,
    /// Every failure that another target may not have: all but 400, 401, 404, 405, 407, 410, 416,
    /// 482, 484, 486, 487 and 6xx.
    Default,
    /// None.
    Never,
    /// These codes.
    Only(Arc<[u16]>),
}

impl Reroute {
    /// Whether `status` makes the proxy try the next target. A 6xx never does (§16.7 step 5).
    pub fn covers(&self, status: u16) -> bool {
        if !(300..600).contains(&status) {
            return false;
        }
        match self {
            Self::Broken => matches!(status, 408 | 500 | 502 | 503 | 504),
            Self::Default => {
                status >= 400
                    && !matches!(
                        status,
                        400 | 401 | 404 | 405 | 407 | 410 | 416 | 482 | 484 | 486 | 487
                    )
            }
            Self::Never => false,
            Self::Only(codes) => codes.contains(&status),
        }
    }
}

/// A SIP domain whose calls an executor handles.
#[derive(Debug)]
pub struct Domain {
    /// The host, lower-case, or `*`.
    pub name: String,
    /// Where its executors listen.
    pub executors: Vec<Bytes>,
    /// Its users: who may register, and call it from outside; anybody may call where it has none.
    pub accounts: Option<Arc<Accounts>>,
    /// Trunks whose requests need no credentials.
    pub exempt: Vec<String>,
}

/// A routing rule.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// When it holds.
    pub when: RouteWhen,
    /// Where it leads.
    pub to: RouteTo,
}

/// The conditions of a rule; an empty list holds for all.
#[derive(Debug, Default)]
#[allow(missing_docs)] // Named as in the file.
pub struct RouteWhen {
    pub from_trust: Vec<Trust>,
    pub from_trunk: Vec<String>,
    pub methods: Vec<Method>,
    pub ruri_hosts: Vec<String>,
    pub ruri_user: Option<Regex>,
}

/// A fixed target of a rule, with all that can be known of it before a request comes.
#[derive(Debug)]
pub struct StaticTarget {
    /// As configured.
    pub uri: Bytes,
    /// The Request-URI that requests get, where it has a user part.
    pub(crate) request_uri: Option<Bytes>,
    /// The way there.
    pub(crate) way: Way,
}

impl StaticTarget {
    /// The target that `uri` names.
    pub fn new(uri: Bytes) -> Self {
        let parsed = Uri::parse(&uri).ok().filter(|uri| uri.user.is_some());
        Self {
            request_uri: parsed.map(|uri| forward::target_uri(&uri, None)),
            way: Way::of(&uri),
            uri,
        }
    }
}

/// The destinations of a rule.
#[derive(Debug)]
pub enum RouteTo {
    /// A domain's executor.
    Domain(Arc<Domain>),
    /// The Request-URI itself.
    Ruri,
    /// Fixed URIs with their trust.
    Static(Vec<StaticTarget>, Trust),
    /// A trunk's targets.
    Trunk(Arc<Trunk>),
}

impl Trunk {
    /// Whether `flow` comes from one of its sources.
    pub(crate) fn speaks_from(&self, flow: &Flow) -> bool {
        self.sources
            .iter()
            .any(|source| source.contains(flow.remote))
    }
}

impl Plan {
    /// The listener with this index.
    pub fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }

    /// The domain of `host`, if it is one of ours.
    pub fn domain(&self, host: &[u8]) -> Option<&Arc<Domain>> {
        if self.domains.is_empty() {
            return None;
        }
        let host = std::str::from_utf8(host).ok()?.to_ascii_lowercase();
        self.domains.get(&host)
    }

    /// The chain whose name has this token hash.
    pub(crate) fn chain_by_hash(&self, hash: u32) -> Option<&Arc<Chain>> {
        self.hashed.chains.get(&hash)
    }

    /// The trunk whose name has this token hash; 0 is none.
    pub(crate) fn trunk_by_hash(&self, hash: u32) -> Option<&Arc<Trunk>> {
        if hash == 0 {
            return None;
        }
        self.hashed.trunks.get(&hash)
    }

    /// The listener that says what to make of a request on `flow`, and how far it is trusted.
    ///
    /// For a connection that we had opened that is the listener `known` to stand for it. Else
    /// whoever is there did not come in by a door of ours, and is trusted like nobody.
    pub(crate) fn ingress(
        &self,
        flow: &Flow,
        known: Option<ListenerId>,
    ) -> Option<(ListenerId, &Listener, Trust)> {
        let known = known.filter(|_| flow.listener == ListenerId::OUTBOUND);
        let id = known.unwrap_or(flow.listener);
        if let Some(listener) = self.listener(id) {
            return Some((id, listener, listener.trust));
        }
        let unlike = |listener: &Listener| listener.transport != flow.transport;
        let indexed = self.listeners.iter().enumerate();
        let (index, listener) =
            indexed.min_by_key(|(index, listener)| (listener.trust, unlike(listener), *index))?;
        Some((ListenerId(index as u16), listener, Trust::Untrusted))
    }

    /// Whether `host:port` is one of our sockets, bound or advertised. `local` is where the message
    /// came in, which names the address of a wildcard socket.
    pub fn is_own(&self, host: &[u8], port: Option<u16>, local: SocketAddr) -> bool {
        self.is_own_at(host, sip::host_ip(host), port, local)
    }

    /// The same of a host that spells `ip`.
    pub(crate) fn is_own_at(
        &self,
        host: &[u8],
        ip: Option<IpAddr>,
        port: Option<u16>,
        local: SocketAddr,
    ) -> bool {
        let on_local = ip.is_some_and(|ip| ip == local.ip().to_canonical());
        self.listeners.iter().any(|listener| {
            let default = listener.transport.default_port();
            let port = port.unwrap_or(default);
            let bound = listener.bind.port() == port
                && (ip == Some(listener.bind.ip())
                    || listener.bind.ip().is_unspecified() && on_local);
            let advertised = listener
                .advertise
                .as_ref()
                .is_some_and(|(name, told)| *told == port && sip::same_host(name.as_bytes(), host));
            bound || advertised
        })
    }

    /// Whether what is sent to `hop` comes in again by a socket of ours. `local_ip` tells the addresses
    /// of those that are bound to all.
    pub(crate) fn leads_home(&self, hop: Hop, local_ip: &LocalIp) -> bool {
        let ip = hop.addr.ip().to_canonical();
        // Such an address is no peer's: the kernel puts one of ours in its place.
        if ip.is_unspecified() || ip.is_multicast() {
            return true;
        }
        let is_at = |bound: IpAddr| {
            bound == ip
                || bound.is_unspecified()
                    && (bound.is_ipv6() || ip.is_ipv4())
                    && (ip.is_loopback() || local_ip(hop.addr).to_canonical() == ip)
        };
        let told = |(host, port): &(String, u16)| {
            *port == hop.addr.port() && sip::host_ip(host.as_bytes()) == Some(ip)
        };
        self.listeners.iter().any(|listener| {
            listener.transport.is_reliable() == hop.transport.is_reliable()
                && (listener.bind.port() == hop.addr.port()
                    && is_at(listener.bind.ip().to_canonical())
                    || listener.advertise.as_ref().is_some_and(told))
        })
    }

    /// The socket to reach `remote` from: same transport and address family, trust like the
    /// target's where there is one, else the first that fits. The order of the file decides.
    pub fn egress(
        &self,
        transport: Transport,
        remote: IpAddr,
        trust: Trust,
    ) -> Option<(ListenerId, &Listener)> {
        let fits = |listener: &&Listener| {
            listener.transport == transport && listener.bind.is_ipv4() == remote.is_ipv4()
        };
        let inside = trust == Trust::Internal;
        let indexed = || {
            self.listeners
                .iter()
                .enumerate()
                .filter(move |(_, listener)| fits(listener))
        };
        indexed()
            .find(|(_, listener)| (listener.trust == Trust::Internal) == inside)
            .or_else(|| indexed().next())
            .map(|(index, listener)| (ListenerId(index as u16), listener))
    }
}
