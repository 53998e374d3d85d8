//! Which addresses a webhook may have: public ones, and those that the operator allows.
//!
//! The check sits where the name is resolved for the connection, so what was checked is what is
//! connected to: there is no second look-up that could answer differently. A URL with an address
//! instead of a name never reaches a resolver and is checked before the request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::Lookup;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Lets a connection through to public and to allowed addresses only.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    lookup: Arc<dyn Lookup>,
}

/// The host has an address that is not public and not allowed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host has an address that is not public")]
pub(super) struct NotPublic;

/// The host has no address.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host name does not resolve")]
pub(super) struct NoAddress;

impl Guard {
    /// A guard that lets `allow` through although it is not public.
    pub fn new(allow: impl Into<Arc<[IpNet]>>, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            allow: allow.into(),
            lookup,
        }
    }

    /// Whether a webhook may be at an address.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.allow.iter().any(|net| net.contains(&ip))
    }

    /// Checks a host that is written as an address, in any of its spellings: the URL's parser has
    /// already turned `2130706433`, `0x7f.1` and `127.1` into what they mean.
    pub(super) fn check(&self, url: &Url) -> Result<(), NotPublic> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allows(ip) {
            Ok(())
        } else {
            Err(NotPublic)
        }
    }
}

impl Guard {
    /// The addresses of a URL's host, all of them checked: what is connected to must be one of
    /// these.
    ///
    /// # Errors
    ///
    /// The host does not resolve, or one of its addresses may not be asked.
    pub(crate) async fn addresses(&self, url: &Url) -> Result<Vec<IpAddr>, BoxError> {
        self.check(url)?;
        match url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![IpAddr::V4(ip)]),
            Some(Host::Ipv6(ip)) => Ok(vec![IpAddr::V6(ip)]),
            Some(Host::Domain(name)) => self.resolved(name).await,
            None => Err(NoAddress.into()),
        }
    }

    async fn resolved(&self, name: &str) -> Result<Vec<IpAddr>, BoxError> {
        let addresses = self.lookup.lookup(name).await?;
        if addresses.is_empty() {
            return Err(NoAddress.into());
        }
        if !addresses.iter().all(|ip| self.allows(*ip)) {
            return Err(NotPublic.into());
        }
        Ok(addresses)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.resolved(name.as_str()).await?;
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// RFC 6890 and its updates.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    );
    !special
}

/// Global unicast is 2000::/3 (RFC 4291 §2.4). Within it, what embeds an IPv4 address (6to4,
/// Teredo) could lead anywhere, and documentation prefixes nowhere.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let global = (0x2000..=0x3fff).contains(&a);
    let special = matches!(
        (a, b),
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff)
    );
    global && !special
}
