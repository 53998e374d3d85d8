//! Which trunk an address belongs to, for tens of thousands of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sip::Transport;
use smallvec::SmallVec;

use crate::network::NetworkKey;
use crate::{TrunkConfig, Trust};

/// Trunks by source network.
///
/// The longest prefix wins; within one network a rule with a port before one without, then one with
/// domains, then one with transports, then the one that stands first in the file. A rule that does
/// not fit leaves the request to the next one.
#[derive(Debug, Default)]
pub(crate) struct TrunkTable {
    rules: HashMap<NetworkKey, SmallVec<[Rule; 1]>>,
    /// The prefix lengths in use, longest first: IPv4 and IPv6.
    prefixes: [Vec<u8>; 2],
    has_domains: bool,
}

/// A trunk with the conditions that its source alone does not settle.
#[derive(Clone, Debug)]
struct Rule {
    /// Place in the file.
    order: usize,
    port: Option<u16>,
    trunk: Arc<TrunkEntry>,
}

/// What is known of a trunk once it is recognised, and what it must meet for that.
#[derive(Debug)]
pub(crate) struct TrunkEntry {
    pub(crate) name: Arc<str>,
    pub(crate) trust: Trust,
    transports: Vec<Transport>,
    domains: Vec<Box<[u8]>>,
}

impl TrunkTable {
    /// The table of `trunks`, which are in the order of the file.
    pub(crate) fn new<'t>(trunks: impl IntoIterator<Item = &'t TrunkConfig>) -> Self {
        let mut table = Self::default();
        for (order, config) in trunks.into_iter().enumerate() {
            table.has_domains |= !config.domains.is_empty();
            let trunk = Arc::new(TrunkEntry {
                name: config.name.clone(),
                trust: config.trust,
                transports: config.transports.clone(),
                domains: config.domains.iter().map(|d| d.as_bytes().into()).collect(),
            });
            for source in &config.sources {
                let rule = Rule {
                    order,
                    port: source.port,
                    trunk: trunk.clone(),
                };
                table.rules.entry(source.key).or_default().push(rule);
            }
        }
        for rules in table.rules.values_mut() {
            rules.sort_by_key(Rule::rank);
        }
        for key in table.rules.keys() {
            let prefixes = &mut table.prefixes[usize::from(key.v6)];
            if !prefixes.contains(&key.prefix) {
                prefixes.push(key.prefix);
            }
        }
        for prefixes in &mut table.prefixes {
            prefixes.sort_unstable_by(|a, b| b.cmp(a));
        }
        table
    }

    /// Whether any trunk has domains, so that the hosts of a request matter.
    pub(crate) fn has_domains(&self) -> bool {
        self.has_domains
    }

    /// The trunk that calls from `address` over `transport`; `hosts` are those that its domains may
    /// name.
    pub(crate) fn find(
        &self,
        address: SocketAddr,
        transport: Transport,
        hosts: &[&[u8]],
    ) -> Option<&TrunkEntry> {
        let v6 = address.ip().to_canonical().is_ipv6();
        self.prefixes[usize::from(v6)].iter().find_map(|prefix| {
            let key = NetworkKey::of(address.ip(), *prefix);
            let rules = self.rules.get(&key)?;
            let rule = rules.iter().find(|rule| {
                rule.port.is_none_or(|port| port == address.port())
                    && rule.trunk.fits(transport, hosts)
            })?;
            Some(&*rule.trunk)
        })
    }
}

impl Rule {
    /// Most specific first; no two are equal unless they are the same trunk's.
    fn rank(&self) -> (bool, bool, bool, usize) {
        (
            self.port.is_none(),
            self.trunk.domains.is_empty(),
            self.trunk.transports.is_empty(),
            self.order,
        )
    }
}

impl TrunkEntry {
    fn fits(&self, transport: Transport, hosts: &[&[u8]]) -> bool {
        let transports = self.transports.is_empty() || self.transports.contains(&transport);
        let named = |host: &&[u8]| {
            self.domains
                .iter()
                .any(|domain| sip::same_host(domain, host))
        };
        transports && (self.domains.is_empty() || hosts.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn trunk(name: &str, sources: &[&str]) -> TrunkConfig {
        TrunkConfig {
            name: name.into(),
            trust: Trust::Untrusted,
            sources: sources
                .iter()
                .map(|source| source.parse().unwrap())
                .collect(),
            transports: Vec::new(),
            domains: Vec::new(),
        }
    }

    fn find<'t>(table: &'t TrunkTable, address: &str, host: &str) -> Option<&'t str> {
        let found = table.find(address.parse().unwrap(), Transport::Udp, &[host.as_bytes()]);
        found.map(|trunk| &*trunk.name)
    }

    #[test]
    fn most_specific_wins_whatever_the_order() {
        let mut trunks = vec![
            trunk("any", &["0.0.0.0/0", "::/0"]),
            trunk("net", &["192.0.2.0/24"]),
            trunk("host", &["192.0.2.9"]),
            trunk("twin", &["192.0.2.9"]),
            trunk("port", &["192.0.2.9:5070"]),
            trunk("domain", &["192.0.2.9"]),
            trunk("tcp", &["192.0.2.10"]),
            trunk("nowhere", &[]),
        ];
        trunks[5].domains = vec!["Carrier.example".to_owned()];
        trunks[6].transports = vec![Transport::Tcp];
        let table = TrunkTable::new(&trunks);
        for (address, host, name) in [
            ("198.51.100.1:5060", "a", "any"),
            ("[2001:db8::1]:5060", "a", "any"),
            ("192.0.2.1:5060", "a", "net"),
            ("192.0.2.9:5060", "a", "host"),
            ("[::ffff:192.0.2.9]:5060", "a", "host"),
            ("192.0.2.9:5070", "a", "port"),
            ("192.0.2.9:5060", "carrier.EXAMPLE", "domain"),
            ("192.0.2.10:5060", "a", "net"),
        ] {
            assert_eq!(find(&table, address, host), Some(name), "{address} {host}");
        }
        let empty = TrunkTable::new(&[]);
        assert_eq!(find(&empty, "192.0.2.1:5060", "a"), None);
    }

    #[test]
    fn ten_thousand() {
        let name = |n: u32| format!("t{n}");
        let ip = |n: u32| Ipv4Addr::from(0x0a00_0000 + n * 4);
        let trunks: Vec<_> = (0..10_000)
            .map(|n| trunk(&name(n), &[&format!("{}/30", ip(n))]))
            .collect();
        let table = TrunkTable::new(&trunks);
        for n in (0..10_000).step_by(777) {
            let address = SocketAddr::new(IpAddr::V4(ip(n)), 5060);
            let found = table.find(address, Transport::Udp, &[]);
            assert_eq!(found.map(|trunk| &*trunk.name), Some(name(n).as_str()));
        }
        assert!(find(&table, "11.0.0.1:5060", "").is_none());
    }
}
