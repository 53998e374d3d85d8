//! From a host to the addresses to try (RFC 3263).
//!
//! ```text
//!   address ────────────────────────────────────────────────► hop
//!   name with a port or without a dot, /etc/hosts ► A, AAAA ► hops
//!   name, transport given ──────────────► SRV ─► A, AAAA ───► hops in RFC 2782 order
//!   name alone ─────────────────► NAPTR ► SRV ─► A, AAAA ───► hops in RFC 3263 §4.1 order
//! ```
//!
//! A step that finds nothing, or fails, falls through to the next one with the defaults. One
//! deadline holds for all of it, and what was found by then is given.

mod cache;
mod host;
mod lookup;
mod order;
mod system;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sip::Transport;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use lookup::{Answer, Lookup, LookupError, Naptr, Srv};
pub use order::weighted_order;
pub use system::SystemLookup;

use cache::{Cache, CacheBounds, Known};
use host::Host;

/// Bounds on resolution and what we can do with its results.
#[derive(Clone, Debug)]
pub struct ResolverOptions {
    /// The transports that we can send over, the preferred ones first. DNS may offer others.
    pub transports: Vec<Transport>,
    /// Hops in a result.
    pub hops_max: usize,
    /// For one resolution, whatever it takes.
    pub budget: Duration,
    /// Questions to DNS at once. Over it, names that are not in the cache fail; addresses never do.
    pub questions_max: usize,
    /// Names in the cache, of each kind of record.
    pub cache_max: usize,
    /// The shortest time that an answer is kept, whatever it says.
    pub ttl_min: Duration,
    /// The longest time.
    pub ttl_max: Duration,
    /// The longest time that "there is none" is kept.
    pub negative_ttl_max: Duration,
    /// How long past its time an answer is used when DNS fails.
    pub stale_max: Duration,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Udp, Transport::Tcp],
            hops_max: 32,
            budget: Duration::from_secs(2),
            questions_max: 256,
            cache_max: 4_096,
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(3_600),
            negative_ttl_max: Duration::from_secs(60),
            stale_max: Duration::from_secs(3_600),
        }
    }
}

/// One address to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// Where.
    pub addr: SocketAddr,
}

/// Why there is no address to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither a name nor an address.
    #[error("not a host")]
    BadHost,
    /// The DNS servers cannot say.
    #[error("the DNS servers failed")]
    Failed,
    /// The name has no address.
    #[error("the name has no address")]
    NotFound,
    /// Too many questions are open.
    #[error("too many DNS questions at once")]
    Overloaded,
    /// It took too long.
    #[error("the DNS servers did not answer in time")]
    TimedOut,
    /// Only by transports that we do not have, or not securely as demanded.
    #[error("no transport that is supported")]
    Unsupported,
}

/// RFC 3263 with a cache. Clones share it.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    options: ResolverOptions,
    lookup: Arc<dyn Lookup>,
    naptr: Cache<Naptr>,
    srv: Cache<Srv>,
    addresses: Cache<IpAddr>,
    questions: Semaphore,
    random: AtomicU64,
}

impl Resolver {
    /// With the system's DNS servers and /etc/hosts.
    #[must_use]
    pub fn system(options: ResolverOptions) -> Self {
        Self::with_lookup(options, Arc::new(SystemLookup::new()))
    }

    /// With another DNS client.
    #[must_use]
    pub fn with_lookup(options: ResolverOptions, lookup: Arc<dyn Lookup>) -> Self {
        let bounds = CacheBounds {
            entries: options.cache_max,
            ttl_min: options.ttl_min,
            ttl_max: options.ttl_max.max(options.ttl_min),
            negative_ttl_max: options.negative_ttl_max.max(options.ttl_min),
            stale_max: options.stale_max,
        };
        let shared = Shared {
            lookup,
            naptr: Cache::new(bounds),
            srv: Cache::new(bounds),
            addresses: Cache::new(bounds),
            questions: Semaphore::new(options.questions_max),
            random: AtomicU64::new(RandomState::new().build_hasher().finish()),
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The addresses to try for a URI, in order; never an empty list. `secure` is that of a `sips`
    /// URI: nothing but TLS will do (RFC 3261 §26.2.2).
    ///
    /// # Errors
    /// When there is none.
    pub async fn resolve(
        &self,
        host: &str,
        port: Option<u16>,
        transport: Option<Transport>,
        secure: bool,
    ) -> Result<Vec<Hop>, ResolveError> {
        let shared = &*self.shared;
        let host = Host::parse(host).ok_or(ResolveError::BadHost)?;
        let wanted = transport
            .map(|transport| secured(transport, secure))
            .transpose()?;
        // RFC 3263 §4.1: without NAPTR, UDP for sip and TLS for sips.
        let default = wanted.unwrap_or(if secure {
            Transport::Tls
        } else {
            Transport::Udp
        });
        let direct = |addresses: &[IpAddr]| {
            let port = port.unwrap_or_else(|| default.default_port());
            let mut hops = Hops::new(shared);
            hops.extend(default, port, addresses);
            hops.finish(None)
        };
        let name = match host {
            Host::Address(ip) => return direct(&[ip]),
            Host::Name(name) => name,
        };
        let local = shared.local_addresses(&name);
        if !local.is_empty() {
            return direct(&local);
        }
        let deadline = Instant::now() + shared.options.budget;
        // Services have domains; a single label is a host of the local network.
        if port.is_none() && name.contains('.') {
            let found = shared.services(&name, wanted, secure, deadline).await;
            if !matches!(found, Err(ResolveError::NotFound)) {
                return found;
            }
        }
        direct(&shared.addresses(&name, deadline).await?)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// By NAPTR and SRV. `NotFound`: the name has neither, so its addresses are to be tried.
    async fn services(
        &self,
        name: &str,
        wanted: Option<Transport>,
        secure: bool,
        deadline: Instant,
    ) -> Result<Vec<Hop>, ResolveError> {
        let services = match wanted {
            Some(transport) => vec![(transport, srv_name(transport, name))],
            None => self.offered(name, secure, deadline).await,
        };
        let mut hops = Hops::new(self);
        let mut any = false;
        let mut failure = None;
        for (transport, service) in services {
            let records = self.srv(&service, deadline).await.unwrap_or_default();
            any |= !records.is_empty();
            let weights: Vec<(u16, u16)> = records
                .iter()
                .map(|record| (record.priority, record.weight))
                .collect();
            for index in weighted_order(&weights, &mut |below| self.random(below)) {
                // RFC 2782: a target of "." says that there is decidedly no such service.
                let record = &records[index];
                if hops.is_full() || record.target == "." {
                    continue;
                }
                match self.target_addresses(&record.target, deadline).await {
                    Ok(addresses) => hops.extend(transport, record.port, &addresses),
                    Err(error) => failure = Some(error),
                }
            }
        }
        if any {
            hops.finish(failure)
        } else {
            Err(ResolveError::NotFound)
        }
    }

    /// What the domain offers, best first (RFC 3263 §4.1); without NAPTR, what we would like.
    async fn offered(
        &self,
        name: &str,
        secure: bool,
        deadline: Instant,
    ) -> Vec<(Transport, String)> {
        let records = self.naptr(name, deadline).await.unwrap_or_default();
        let mut offers: Vec<(u16, u16, Transport, &str)> = records
            .iter()
            .filter(|record| record.flags.eq_ignore_ascii_case("s"))
            .filter_map(|record| {
                let transport = naptr_transport(&record.services)
                    .filter(|&transport| self.may_use(transport, secure))?;
                Some((
                    record.order,
                    record.preference,
                    transport,
                    record.replacement.as_str(),
                ))
            })
            .collect();
        offers.sort_by_key(|&(order, preference, ..)| (order, preference));
        offers.truncate(SERVICES_MAX);
        if !offers.is_empty() {
            return offers
                .into_iter()
                .map(|(_, _, transport, name)| (transport, dotted(name)))
                .collect();
        }
        let ours = self
            .options
            .transports
            .iter()
            .filter(|&&transport| self.may_use(transport, secure));
        ours.map(|&transport| (transport, srv_name(transport, name)))
            .collect()
    }

    fn may_use(&self, transport: Transport, secure: bool) -> bool {
        self.options.transports.contains(&transport) && (!secure || is_secure(transport))
    }

    /// Names that need no DNS. RFC 6761 §6.3 wants localhost among them.
    fn local_addresses(&self, name: &str) -> Vec<IpAddr> {
        let local = self.lookup.local_addresses(name);
        if local.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        local
    }

    /// The addresses of an SRV target, which may be in /etc/hosts as well.
    async fn target_addresses(
        &self,
        target: &str,
        deadline: Instant,
    ) -> Result<Arc<[IpAddr]>, ResolveError> {
        let local = self.local_addresses(target.trim_end_matches('.'));
        if local.is_empty() {
            self.addresses(&dotted(target), deadline).await
        } else {
            Ok(local.into())
        }
    }

    async fn addresses(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Arc<[IpAddr]>, ResolveError> {
        self.ask(&self.addresses, name, deadline, self.lookup.addresses(name))
            .await
    }

    async fn srv(&self, name: &str, deadline: Instant) -> Result<Arc<[Srv]>, ResolveError> {
        self.ask(&self.srv, name, deadline, self.lookup.srv(name))
            .await
    }

    async fn naptr(&self, name: &str, deadline: Instant) -> Result<Arc<[Naptr]>, ResolveError> {
        let name = dotted(name);
        self.ask(&self.naptr, &name, deadline, self.lookup.naptr(&name))
            .await
    }

    /// From the cache, else by `question`; if that fails, from the cache after all, though out of
    /// date.
    async fn ask<T>(
        &self,
        cache: &Cache<T>,
        name: &str,
        deadline: Instant,
        question: impl Future<Output = Result<Answer<T>, LookupError>>,
    ) -> Result<Arc<[T]>, ResolveError> {
        let stale = match cache.known(name) {
            Known::Fresh(records) if records.is_empty() => return Err(ResolveError::NotFound),
            Known::Fresh(records) => return Ok(records),
            Known::Stale(records) => Some(records),
            Known::Nothing => None,
        };
        let failure = match self.questions.try_acquire() {
            Ok(_place) => {
                let answer = timeout_at(deadline, question)
                    .await
                    .unwrap_or(Err(LookupError::TimedOut));
                match cache.keep(name, answer) {
                    Ok(records) if records.is_empty() => return Err(ResolveError::NotFound),
                    Ok(records) => return Ok(records),
                    Err(LookupError::TimedOut) => ResolveError::TimedOut,
                    Err(_) => ResolveError::Failed,
                }
            }
            Err(_) => ResolveError::Overloaded,
        };
        stale.ok_or(failure)
    }

    /// A number below `below` (splitmix64). Who could predict it would learn which of several equal
    /// servers is next.
    fn random(&self, below: u32) -> u32 {
        let mut bits = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((((bits ^ (bits >> 31)) >> 32) * u64::from(below)) >> 32) as u32
    }
}

/// The result as it grows: bounded, without repetitions, only what we can use.
struct Hops<'a> {
    shared: &'a Shared,
    hops: Vec<Hop>,
    unusable: bool,
}

impl<'a> Hops<'a> {
    const fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            hops: Vec::new(),
            unusable: false,
        }
    }

    fn is_full(&self) -> bool {
        self.hops.len() >= self.shared.options.hops_max
    }

    fn extend(&mut self, transport: Transport, port: u16, addresses: &[IpAddr]) {
        if !self.shared.options.transports.contains(&transport) {
            self.unusable = true;
            return;
        }
        for &ip in addresses {
            let hop = Hop {
                transport,
                addr: SocketAddr::new(ip, port),
            };
            if !self.is_full() && !self.hops.contains(&hop) {
                self.hops.push(hop);
            }
        }
    }

    fn finish(self, failure: Option<ResolveError>) -> Result<Vec<Hop>, ResolveError> {
        match self {
            Self { hops, .. } if !hops.is_empty() => Ok(hops),
            Self { unusable: true, .. } => Err(ResolveError::Unsupported),
            // "NotFound" would mean that no service record was found, and be taken for leave to
            // guess.
            Self { .. } => Err(failure
                .filter(|&error| error != ResolveError::NotFound)
                .unwrap_or(ResolveError::Failed)),
        }
    }
}

/// RFC 3261 §26.2.2: `sips:…;transport=tcp` is TLS over TCP, and there is no such thing over UDP.
const fn secured(transport: Transport, secure: bool) -> Result<Transport, ResolveError> {
    match transport {
        _ if !secure => Ok(transport),
        Transport::Tcp | Transport::Tls => Ok(Transport::Tls),
        Transport::Ws | Transport::Wss => Ok(Transport::Wss),
        Transport::Udp => Err(ResolveError::Unsupported),
    }
}

const fn is_secure(transport: Transport) -> bool {
    matches!(transport, Transport::Tls | Transport::Wss)
}

/// RFC 3263 §4.1 and RFC 7118 §6.
fn naptr_transport(services: &str) -> Option<Transport> {
    [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ]
    .into_iter()
    .find_map(|(name, transport)| services.eq_ignore_ascii_case(name).then_some(transport))
}

/// RFC 3263 §4.1 and RFC 7118 §6.
fn srv_name(transport: Transport, name: &str) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    };
    format!("{service}.{name}.")
}

/// The name as DNS has it: complete, so that no search list applies.
fn dotted(name: &str) -> String {
    let name = name.trim_end_matches('.');
    format!("{name}.").to_ascii_lowercase()
}

/// Services of one domain that are looked at.
const SERVICES_MAX: usize = 8;
