//! How the executor is set up.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::media::codec::Codec;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use sip::{Timers, Transport};

use crate::run::{self, FetchFailed};
use crate::sound::SoundConfig;
use crate::webhook::{CallStatus, ClientConfig, Hook};
use crate::{Secret, Sid, SidKind};

/// All settings of an executor.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its SIP sockets, UDP or TCP; at least one. Port 0 takes a free one.
    pub listen: Vec<Listen>,
    /// The proxies. Only they may speak to the executor, and their `X-Hookswitch-…` headers are
    /// believed; anybody else gets 403.
    pub proxies: Vec<TrustedPeer>,
    /// Where the legs of `<Dial>` go: a SIP URI with an address or a name, such as
    /// `sip:127.0.0.1:5061;lr`. Without one, `<Dial>` fails.
    pub outbound_proxy: Option<String>,
    /// The trunk for numbers.
    pub dial_trunk: Option<String>,
    /// The recording servers of `<Siprec>`.
    pub siprec: Vec<SiprecConnector>,
    /// The SIP domains.
    pub domains: Domains,
    /// The address that peers are told for media, if they see another than we do; by default the
    /// one that SIP came in by, on which the media are received in any case.
    pub media_address: Option<IpAddr>,
    /// The media: their ports, their threads, how many legs they are for.
    pub media: ::media::Config,
    /// The voice codecs, the best first. An offer is answered in its own order.
    pub codecs: Vec<Codec>,
    /// Ask for SRTP on every leg that we call, not only on those that are reached over TLS.
    pub secure_media: bool,
    /// Speech, files, recordings and streams.
    pub sound: SoundConfig,
    /// The timers of SIP transactions.
    pub timers: Timers,
    /// What the caller gets when the webhooks failed.
    pub fetch_failed: FetchFailed,
    /// The `CallStatus` of a call that the caller cancelled.
    pub cancelled: CallStatus,
    /// The bounds of one leg.
    pub run: run::Limits,
    /// The requests to webhooks.
    pub webhook: ClientConfig,
    /// The bounds of the executor.
    pub limits: Limits,
    /// How long calls may go on after the shutdown began; then they are hung up.
    pub drain: Duration,
}

/// One SIP socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// UDP or TCP.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// What Via and Contact say instead of the address: `host` or `host:port`.
    pub advertise: Option<String>,
}

/// Somebody who is trusted: an address or a network, perhaps with a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrustedPeer {
    /// The addresses.
    pub network: IpNet,
    /// The source port, if only one is trusted.
    pub port: Option<u16>,
}

/// A recording server that `<Siprec>` reaches by a name (RFC 7866: an SRS).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SiprecConnector {
    /// `connectorName`.
    pub name: String,
    /// Whom to call: a SIP URI without headers. It is the operator's word, so any address will do.
    pub uri: String,
}

/// A SIP domain: what its calls are asked and told.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The host of the Request-URI; `*` is every host that has no domain of its own.
    pub name: Arc<str>,
    /// `SipDomainSid`.
    pub sid: Sid,
    /// `AccountSid`.
    pub account_sid: Sid,
    /// The key of `X-Twilio-Signature`.
    pub auth_token: Secret,
    /// Where the first document comes from.
    pub voice: Hook,
    /// Asked after an error.
    pub fallback: Option<Hook>,
    /// Told when a call ends.
    pub status_callback: Option<Hook>,
}

/// The SIP domains; clones share them, so that they can be replaced while the executor runs. A call
/// keeps the domain that it began with.
#[derive(Clone, Debug)]
pub struct Domains(Arc<ArcSwap<Vec<Domain>>>);

impl Domains {
    /// These domains.
    pub fn new(domains: Vec<Domain>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(domains)))
    }

    /// Puts other domains in force for calls that come from now on.
    pub fn replace(&self, domains: Vec<Domain>) {
        self.0.store(Arc::new(domains));
    }

    /// The domains in force.
    pub fn all(&self) -> Arc<Vec<Domain>> {
        self.0.load_full()
    }

    /// The domain for a host: the one of that name, or `*`.
    pub(crate) fn find(&self, host: &[u8]) -> Option<Domain> {
        let named = |domain: &&Domain| sip::same_host(domain.name.as_bytes(), host);
        let any = |domain: &&Domain| &*domain.name == "*";
        let domains = self.0.load();
        let found = domains.iter().find(named);
        found.or_else(|| domains.iter().find(any)).cloned()
    }
}

/// The bounds of the executor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Calls at a time; one more gets 503 with Retry-After.
    pub calls: usize,
    /// Messages, keys and other things from outside that one call may cause; then it is hung up.
    pub events_per_call: u32,
    /// Status callbacks under way at a time; one more is dropped with a 15003.
    pub status_callbacks: usize,
    /// What a SIP message may be at most.
    pub message: sip::Limits,
    /// What the transactions may be at most.
    pub transactions: sip::LayerLimits,
}

impl Settings {
    /// Settings with defaults for everything but the sockets, the proxies and the domains.
    pub fn new(listen: Vec<Listen>, proxies: Vec<TrustedPeer>, domains: Vec<Domain>) -> Self {
        Self {
            listen,
            proxies,
            outbound_proxy: None,
            dial_trunk: None,
            domains: Domains::new(domains),
            media_address: None,
            media: ::media::Config::default(),
            codecs: vec![Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus],
            secure_media: false,
            siprec: Vec::new(),
            sound: SoundConfig::default(),
            timers: Timers::default(),
            fetch_failed: FetchFailed::default(),
            cancelled: CallStatus::NoAnswer,
            run: run::Limits::default(),
            webhook: ClientConfig::default(),
            limits: Limits::default(),
            drain: Duration::from_secs(32),
        }
    }

    /// Whether a source is one of the proxies.
    pub(crate) fn trusts(&self, source: SocketAddr) -> bool {
        self.proxies.iter().any(|peer| peer.matches(source))
    }

    pub(crate) fn run(&self, domain: &Domain) -> run::Settings {
        run::Settings {
            voice: domain.voice.clone(),
            fallback: domain.fallback.clone(),
            status_callback: domain.status_callback.clone(),
            fetch_failed: self.fetch_failed,
            cancelled: self.cancelled,
            limits: self.run.clone(),
            plain_streams: self.sound.streams.allow_plain,
        }
    }
}

impl Listen {
    /// A UDP socket.
    pub fn udp(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            address,
            advertise: None,
        }
    }

    /// A TCP listener.
    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Tcp,
            address,
            advertise: None,
        }
    }
}

impl TrustedPeer {
    /// One source address, whatever its port.
    pub fn address(address: IpAddr) -> Self {
        Self {
            network: IpNet::from(address),
            port: None,
        }
    }

    /// One socket.
    pub fn socket(address: SocketAddr) -> Self {
        Self {
            network: IpNet::from(address.ip()),
            port: Some(address.port()),
        }
    }

    fn matches(&self, source: SocketAddr) -> bool {
        self.network.contains(&source.ip().to_canonical())
            && self.port.is_none_or(|port| port == source.port())
    }
}

impl FromStr for TrustedPeer {
    type Err = &'static str;

    /// Reads `127.0.0.0/8`, `127.0.0.1`, `127.0.0.1:5061`, `::1` or `[::1]:5061`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().map(|network| Self {
            network,
            port: None,
        });
        network
            .or_else(|_| text.parse().map(Self::address))
            .or_else(|_| text.parse().map(Self::socket))
            .map_err(|_| "an address, an address with a port, or a network such as 10.0.0.0/8")
    }
}

impl Domain {
    /// A domain with identifiers that are derived from its name.
    pub fn new(name: &str, auth_token: Secret, voice: Hook) -> Self {
        Self {
            name: name.into(),
            sid: Sid::derive(SidKind::Domain, name),
            account_sid: Sid::derive(SidKind::Account, name),
            auth_token,
            voice,
            fallback: None,
            status_callback: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 5_000,
            events_per_call: 20_000,
            status_callbacks: 1_024,
            message: sip::Limits::default(),
            transactions: sip::LayerLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_peers() {
        let trusts = |peer: &str, source: &str| {
            peer.parse::<TrustedPeer>()
                .unwrap()
                .matches(source.parse().unwrap())
        };
        assert!(trusts("127.0.0.0/8", "127.9.9.9:1"));
        assert!(trusts("127.0.0.1", "127.0.0.1:9"));
        assert!(trusts("127.0.0.1", "[::ffff:127.0.0.1]:9"));
        assert!(!trusts("127.0.0.1", "127.0.0.2:9"));
        assert!(trusts("127.0.0.1:5061", "127.0.0.1:5061"));
        assert!(!trusts("127.0.0.1:5061", "127.0.0.1:5062"));
        assert!(trusts("[::1]:5061", "[::1]:5061"));
        assert!("proxy.example".parse::<TrustedPeer>().is_err());
    }

    #[test]
    fn domains_by_name_and_wildcard() {
        let hook = Hook::post("http://localhost/".parse().unwrap());
        let domain = |name| Domain::new(name, Secret::default(), hook.clone());
        let domains = Domains::new(vec![domain("*"), domain("demo.example")]);
        let name = |host: &[u8]| domains.find(host).map(|domain| domain.name.to_string());
        assert_eq!(name(b"Demo.Example").as_deref(), Some("demo.example"));
        assert_eq!(name(b"other").as_deref(), Some("*"));
        let shared = domains.clone();
        shared.replace(Vec::new());
        assert_eq!(name(b"demo.example"), None);
    }
}
