//! Which trunk an address belongs to, for tens of thousands of them.

use std::net::{IpAddr, SocketAddr};

use sip::Transport;
use smallvec::SmallVec;

use crate::network::NetworkKey;
use crate::{TrunkConfig, TrunkFact};

/// Trunks by source network.
///
/// The longest prefix wins; within one network a rule with a port before one without, then one with
/// domains, then one with transports, then the one that stands first in the file. A rule that does
/// not fit leaves the request to the next one.
#[derive(Debug, Default)]
pub(crate) struct TrunkTable {
    v4: Networks<u32>,
    v6: Networks<u128>,
    /// The rules of each network, most specific first.
    rules: Vec<Rules>,
    trunks: Vec<TrunkEntry>,
    has_domains: bool,
}

type Rules = SmallVec<[Rule; 1]>;

/// The networks of one family: a hash table for all prefix lengths together, which are asked from
/// the longest to the shortest. So a look-up costs as much with 10,000 networks as with one.
#[derive(Debug, Default)]
struct Networks<A> {
    /// Never more than half full; the length is a power of two.
    slots: Vec<Slot<A>>,
    used: usize,
    /// The prefix lengths in use with their masks, longest first.
    prefixes: Vec<(u8, A)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot<A> {
    bits: A,
    prefix: u8,
    /// Index into [`TrunkTable::rules`] and 1; 0 where the slot is free.
    rules: u32,
}

/// An address of one family as bits.
trait Address: Copy + Default + PartialEq {
    /// Those bits that a network with `prefix` bits has.
    fn mask(prefix: u8) -> Self;
    fn masked(self, mask: Self) -> Self;
    fn mix(self) -> u64;
}

impl Address for u32 {
    fn mask(prefix: u8) -> Self {
        Self::MAX.checked_shl(32 - Self::from(prefix)).unwrap_or(0)
    }

    fn masked(self, mask: Self) -> Self {
        self & mask
    }

    fn mix(self) -> u64 {
        self.into()
    }
}

impl Address for u128 {
    fn mask(prefix: u8) -> Self {
        Self::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
    }

    fn masked(self, mask: Self) -> Self {
        self & mask
    }

    fn mix(self) -> u64 {
        (self as u64).rotate_left(31) ^ (self >> 64) as u64
    }
}

impl<A: Address> Networks<A> {
    /// Where the search for a network begins. What is in the table comes from the configuration, so
    /// nobody else can make it slow.
    #[inline]
    fn start(&self, bits: A, prefix: u8) -> usize {
        // An odd number without a pattern: the golden ratio in 64 bits.
        let mixed = (bits.mix() ^ u64::from(prefix) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & (self.slots.len() - 1)
    }

    /// What is known of the network; 0 for nothing.
    #[inline]
    fn get(&self, bits: A, prefix: u8) -> u32 {
        let mut at = self.start(bits, prefix);
        while let Some(slot) = self.slots.get(at) {
            if slot.rules == 0 || (slot.bits == bits && slot.prefix == prefix) {
                return slot.rules;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        0
    }

    /// What is known of the network, which is `rules` where nothing was.
    fn entry(&mut self, bits: A, prefix: u8, rules: u32) -> u32 {
        if (self.used + 1) * 2 > self.slots.len() {
            let slots = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, slots) {
                if slot.rules != 0 {
                    self.put(slot);
                }
            }
        }
        let found = self.get(bits, prefix);
        if found != 0 {
            return found;
        }
        if !self.prefixes.iter().any(|(known, _)| *known == prefix) {
            self.prefixes.push((prefix, A::mask(prefix)));
            self.prefixes.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        }
        self.used += 1;
        self.put(Slot {
            bits,
            prefix,
            rules,
        });
        rules
    }

    fn put(&mut self, new: Slot<A>) {
        let mut at = self.start(new.bits, new.prefix);
        while self.slots[at].rules != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = new;
    }

    /// The networks that `address` lies in, the smallest first.
    #[inline]
    fn around(&self, address: A) -> impl Iterator<Item = u32> {
        let networks = self.prefixes.iter();
        let networks = networks.map(move |(prefix, mask)| self.get(address.masked(*mask), *prefix));
        networks.filter(|rules| *rules != 0)
    }
}

/// A trunk with the conditions that its source alone does not settle.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// Its trunk, which also is its place in the file.
    trunk: u32,
    port: Option<u16>,
}

/// What is known of a trunk once it is recognised, and what it must meet for that.
#[derive(Debug)]
struct TrunkEntry {
    fact: TrunkFact,
    transports: Vec<Transport>,
    domains: Vec<Box<[u8]>>,
}

impl TrunkTable {
    /// The table of `trunks`, which are in the order of the file.
    pub(crate) fn new<'t>(trunks: impl IntoIterator<Item = &'t TrunkConfig>) -> Self {
        let mut table = Self::default();
        for (order, config) in trunks.into_iter().enumerate() {
            table.has_domains |= !config.domains.is_empty();
            table.trunks.push(TrunkEntry {
                fact: TrunkFact {
                    name: config.name.clone(),
                    trust: config.trust,
                },
                transports: config.transports.clone(),
                domains: config.domains.iter().map(|d| d.as_bytes().into()).collect(),
            });
            for source in &config.sources {
                table.rules_of(source.key).push(Rule {
                    trunk: order as u32,
                    port: source.port,
                });
            }
        }
        for rules in &mut table.rules {
            rules.sort_by_key(|rule| rule.rank(&table.trunks));
        }
        table
    }

    fn rules_of(&mut self, network: NetworkKey) -> &mut Rules {
        let next = self.rules.len() as u32 + 1;
        let prefix = network.prefix;
        let number = if network.v6 {
            self.v6.entry(network.bits, prefix, next)
        } else {
            self.v4.entry((network.bits >> 96) as u32, prefix, next)
        };
        if number == next {
            self.rules.push(Rules::new());
        }
        &mut self.rules[number as usize - 1]
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
    ) -> Option<&TrunkFact> {
        let fitting = |number: u32| {
            let rules = self.rules.get(number as usize - 1)?;
            rules.iter().find_map(|rule| {
                let trunk = self.trunks.get(rule.trunk as usize)?;
                let fits = rule.port.is_none_or(|port| port == address.port())
                    && trunk.fits(transport, hosts);
                fits.then_some(&trunk.fact)
            })
        };
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => self.v4.around(ip.into()).find_map(fitting),
            IpAddr::V6(ip) => self.v6.around(ip.into()).find_map(fitting),
        }
    }
}

impl Rule {
    /// Most specific first; no two are equal unless they are the same trunk's.
    fn rank(&self, trunks: &[TrunkEntry]) -> (bool, bool, bool, u32) {
        let trunk = trunks.get(self.trunk as usize);
        (
            self.port.is_none(),
            trunk.is_none_or(|trunk| trunk.domains.is_empty()),
            trunk.is_none_or(|trunk| trunk.transports.is_empty()),
            self.trunk,
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
    use std::net::Ipv4Addr;

    use super::*;
    use crate::Trust;

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
