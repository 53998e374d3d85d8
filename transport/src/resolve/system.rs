//! The system's DNS servers, by hickory.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};

use super::lookup::{Answer, Lookup, LookupError, Naptr, Srv};

/// DNS by the servers of /etc/resolv.conf, or by given ones, and the names of /etc/hosts.
pub struct SystemLookup {
    resolver: Option<TokioResolver>,
    hosts: Mutex<HostsFile>,
}

impl SystemLookup {
    /// As the system is configured. A host without DNS servers still knows its own names.
    #[must_use]
    pub fn new() -> Self {
        let builder = TokioResolver::builder_tokio();
        if let Err(error) = &builder {
            tracing::warn!(%error, "no DNS configuration; only addresses and names of /etc/hosts can be used");
        }
        let resolver = builder.ok().and_then(|mut builder| {
            adjust(builder.options_mut());
            builder.build().ok()
        });
        Self {
            resolver,
            hosts: Mutex::new(HostsFile::default()),
        }
    }

    /// Asks these servers instead, over UDP and, for long answers, TCP.
    #[must_use]
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|server| {
            let connections =
                [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        adjust(builder.options_mut());
        Self {
            resolver: builder.build().ok(),
            hosts: Mutex::new(HostsFile::default()),
        }
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        mut read: impl FnMut(&RData) -> Option<T>,
    ) -> Result<Answer<T>, LookupError> {
        let resolver = self.resolver.as_ref().ok_or(LookupError::Failed)?;
        let lookup = resolver
            .lookup(name, kind)
            .await
            .map_err(|error| refusal(&error))?;
        answer(lookup.answers(), |record| read(&record.data))
    }
}

impl Default for SystemLookup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemLookup").finish_non_exhaustive()
    }
}

#[async_trait]
impl Lookup for SystemLookup {
    async fn naptr(&self, name: &str) -> Result<Answer<Naptr>, LookupError> {
        let read = |data: &RData| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                services: String::from_utf8_lossy(&naptr.services).into_owned(),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        };
        self.records(name, RecordType::NAPTR, read).await
    }

    async fn srv(&self, name: &str) -> Result<Answer<Srv>, LookupError> {
        let read = |data: &RData| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            _ => None,
        };
        self.records(name, RecordType::SRV, read).await
    }

    async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, LookupError> {
        let resolver = self.resolver.as_ref().ok_or(LookupError::Failed)?;
        let lookup = resolver
            .lookup_ip(name)
            .await
            .map_err(|error| refusal(&error))?;
        let mut answer = answer(lookup.as_lookup().answers(), |record| record.data.ip_addr())?;
        // The order within a family is the server's, who may rotate it to spread load.
        answer.records.sort_by_key(IpAddr::is_ipv6);
        Ok(answer)
    }

    fn local_addresses(&self, name: &str) -> Vec<IpAddr> {
        self.hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .addresses(name)
    }
}

/// Time, order and caching are the resolver's above.
fn adjust(options: &mut ResolverOpts) {
    options.timeout = Duration::from_secs(1);
    options.attempts = 2;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

fn answer<T>(
    records: &[Record],
    read: impl FnMut(&Record) -> Option<T>,
) -> Result<Answer<T>, LookupError> {
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
    let records: Vec<T> = records.iter().filter_map(read).take(RECORDS_MAX).collect();
    let ttl = Duration::from_secs(ttl.into());
    if records.is_empty() {
        Err(LookupError::NotFound(Some(ttl)))
    } else {
        Ok(Answer { records, ttl })
    }
}

fn refusal(error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if is_answer(none.response_code.into()) => {
            LookupError::NotFound(none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into())))
        }
        NetError::Timeout => LookupError::TimedOut,
        _ => LookupError::Failed,
    }
}

/// "There is none" comes as NOERROR without records, or NXDOMAIN (RFC 2308); all else means that
/// the server failed.
const fn is_answer(code: u16) -> bool {
    matches!(code, 0 | 3)
}

/// /etc/hosts, read again when it has changed.
#[derive(Default)]
struct HostsFile {
    hosts: Hosts,
    modified: Option<SystemTime>,
    checked: Option<Instant>,
}

impl HostsFile {
    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        self.refresh();
        let Ok(name) = Name::from_ascii(name) else {
            return Vec::new();
        };
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| {
                self.hosts
                    .lookup_static_host(&Query::query(name.clone(), kind))
            })
            .flat_map(|lookup| {
                lookup
                    .answers()
                    .iter()
                    .filter_map(|record| record.data.ip_addr())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn refresh(&mut self) {
        if self
            .checked
            .is_some_and(|checked| checked.elapsed() < HOSTS_CHECK)
        {
            return;
        }
        self.checked = Some(Instant::now());
        let modified = std::fs::metadata(HOSTS)
            .and_then(|file| file.modified())
            .ok();
        if modified == self.modified && self.modified.is_some() {
            return;
        }
        self.modified = modified;
        self.hosts = Hosts::from_system().unwrap_or_default();
    }
}

const HOSTS: &str = "/etc/hosts";

/// How often the file is looked at.
const HOSTS_CHECK: Duration = Duration::from_secs(5);

/// Records that are taken from one answer; a UDP answer holds fewer, a hostile TCP answer could
/// hold thousands.
const RECORDS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_is_known() {
        let lookup = SystemLookup::new();
        assert!(
            lookup
                .local_addresses("localhost")
                .contains(&"127.0.0.1".parse().expect("an address"))
        );
        assert!(lookup.local_addresses("no-such-host.invalid").is_empty());
    }
}
