//! What resolution asks of a DNS client.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

/// A DNS client. Bounds, order and caching are not its business.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// NAPTR records (RFC 3403) of a name that ends in a dot.
    async fn naptr(&self, name: &str) -> Result<Answer<Naptr>, LookupError>;

    /// SRV records (RFC 2782) of a name that ends in a dot.
    async fn srv(&self, name: &str) -> Result<Answer<Srv>, LookupError>;

    /// Addresses of a name, in the order to try them. Without a final dot, the system's search list
    /// may apply.
    async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, LookupError>;

    /// Addresses that this host knows by itself, from /etc/hosts.
    fn local_addresses(&self, _name: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// Records of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The records, at least one.
    pub records: Vec<T>,
    /// How long they hold.
    pub ttl: Duration,
}

/// Why there are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// The servers cannot say.
    Failed,
    /// There are none, and that holds for so long.
    NotFound(Option<Duration>),
    /// Nobody answered in time.
    TimedOut,
}

/// A NAPTR record, as far as RFC 3263 §4.1 uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first.
    pub order: u16,
    /// Among the same order, lower first.
    pub preference: u16,
    /// "s" when the replacement is a name of SRV records.
    pub flags: String,
    /// For example "SIP+D2U".
    pub services: String,
    /// Where to go on.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// The share among the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; "." when the service is decidedly not available.
    pub target: String,
}
