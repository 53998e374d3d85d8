//! Which rules may hold for a request, without a look at all of them.
//!
//! Each rule stands in one place: under the digits that its number pattern begins with, under its
//! hosts, under its trunks, or among those that may always hold. So a table of ten thousand numbers
//! costs what one rule costs.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use crate::plan::Route;

/// The rules of a configuration by what they ask for. Its names are the operator's own, so nobody else
/// can make a look-up slow.
#[derive(Debug, Default)]
pub(crate) struct RouteIndex {
    /// By the text that the user part must begin with.
    prefixes: HashMap<Box<[u8]>, Vec<u32>, RandomState>,
    /// The lengths of those texts.
    lengths: Vec<usize>,
    /// By host name, in lower case.
    hosts: HashMap<Vec<u8>, Vec<u32>, RandomState>,
    /// By the trunk that calls.
    trunks: HashMap<Box<str>, Vec<u32>, RandomState>,
    /// What nothing of this is known of.
    rest: Vec<u32>,
}

/// What rules are looked up by.
pub(crate) struct Asked<'a> {
    /// The user part of the Request-URI, decoded.
    pub(crate) user: &'a [u8],
    /// Its host.
    pub(crate) host: &'a [u8],
    /// The trunk that calls.
    pub(crate) trunk: Option<&'a str>,
}

impl RouteIndex {
    /// The index of `routes`.
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut index = Self::default();
        for (at, route) in routes.iter().enumerate() {
            index.insert(at as u32, route);
        }
        index.lengths = index.prefixes.keys().map(|prefix| prefix.len()).collect();
        index.lengths.sort_unstable();
        index.lengths.dedup();
        index
    }

    fn insert(&mut self, at: u32, route: &Route) {
        let when = &route.when;
        let pattern = when.ruri_user.as_ref().map(|pattern| pattern.as_str());
        let prefix = pattern.map(prefix_of).unwrap_or_default();
        let is_name = |host: &String| sip::host_ip(host.as_bytes()).is_none();
        if !prefix.is_empty() {
            self.prefixes.entry(prefix.into()).or_default().push(at);
        } else if !when.ruri_hosts.is_empty() && when.ruri_hosts.iter().all(is_name) {
            for host in &when.ruri_hosts {
                push(self.hosts.entry(host.as_bytes().to_ascii_lowercase()), at);
            }
        } else if !when.from_trunk.is_empty() {
            for trunk in &when.from_trunk {
                push(self.trunks.entry(trunk.as_str().into()), at);
            }
        } else {
            self.rest.push(at);
        }
    }

    /// The rules that may hold, in their order; all others do not.
    pub(crate) fn candidates(&self, asked: &Asked<'_>) -> SmallVec<[u32; 16]> {
        let mut found: SmallVec<[u32; 16]> = SmallVec::from_slice(&self.rest);
        for length in &self.lengths {
            let Some(prefix) = asked.user.get(..*length) else {
                break;
            };
            found.extend_from_slice(listed(self.prefixes.get(prefix)));
        }
        if !self.hosts.is_empty() {
            let mut host: SmallVec<[u8; 64]> = SmallVec::from_slice(asked.host);
            host.make_ascii_lowercase();
            found.extend_from_slice(listed(self.hosts.get(&host[..])));
        }
        let by_trunk = asked.trunk.and_then(|trunk| self.trunks.get(trunk));
        found.extend_from_slice(listed(by_trunk));
        if found.len() > self.rest.len() {
            found.sort_unstable();
        }
        found
    }
}

fn listed(found: Option<&Vec<u32>>) -> &[u32] {
    found.map_or(&[], Vec::as_slice)
}

/// Adds a rule once, though it may name the same thing twice.
fn push<K: Hash>(entry: Entry<'_, K, Vec<u32>, RandomState>, at: u32) {
    let rules = entry.or_default();
    if rules.last() != Some(&at) {
        rules.push(at);
    }
}

/// The text that everything begins with which `pattern` matches; empty where none is known. Only the
/// plainest patterns are understood: `^`, then letters, digits, and marks behind a backslash.
fn prefix_of(pattern: &str) -> Vec<u8> {
    let Some(rest) = pattern.strip_prefix('^') else {
        return Vec::new();
    };
    // An alternative or a flag may mean anything.
    if rest.contains('|') || rest.contains("(?") {
        return Vec::new();
    }
    let mut prefix = Vec::new();
    let mut rest = rest.bytes();
    loop {
        match rest.next() {
            Some(byte) if byte.is_ascii_alphanumeric() => prefix.push(byte),
            Some(b'\\') => match rest.next() {
                // Those are borders of words.
                Some(b'<' | b'>') => return prefix,
                Some(byte) if byte.is_ascii_punctuation() => prefix.push(byte),
                _ => return prefix,
            },
            // What stands before it need not be there.
            Some(b'?' | b'*' | b'{') => {
                prefix.pop();
                return prefix;
            }
            _ => return prefix,
        }
    }
}

#[cfg(test)]
mod tests {
    use filters::Trust;
    use regex::Regex;

    use super::*;
    use crate::plan::{RouteTo, RouteWhen};

    #[test]
    fn prefixes_of_patterns() {
        for (pattern, prefix) in [
            (r"^\+1415\d{7}$", "+1415"),
            ("^9", "9"),
            ("^90?", "9"),
            ("^90*1", "9"),
            ("^90{0,2}", "9"),
            ("^90+", "90"),
            ("^ab[cd]", "ab"),
            ("^ab.c", "ab"),
            ("^ab$", "ab"),
            ("^1|2", ""),
            ("^(1|2)3", ""),
            ("^(?i)ab", ""),
            ("(?i)^ab", ""),
            (r"^\d1", ""),
            (r"^\x41", ""),
            (r"^1\<2", "1"),
            ("9", ""),
            ("^é1", ""),
            ("", ""),
        ] {
            assert_eq!(prefix_of(pattern), prefix.as_bytes(), "{pattern}");
        }
    }

    fn route(when: RouteWhen) -> Route {
        Route {
            name: String::new(),
            when,
            to: RouteTo::Static(Vec::new(), Trust::Untrusted),
        }
    }

    #[test]
    fn candidates_in_the_order_of_the_file() {
        let number = |pattern: &str| RouteWhen {
            ruri_user: Some(Regex::new(pattern).unwrap()),
            ..RouteWhen::default()
        };
        let host = |host: &str| RouteWhen {
            ruri_hosts: vec![host.to_owned(), host.to_owned()],
            ..RouteWhen::default()
        };
        let trunk = RouteWhen {
            from_trunk: vec!["a".to_owned()],
            ..RouteWhen::default()
        };
        let routes = [
            number("^12"),
            number("2$"),
            host("Example.com"),
            number("^1"),
            host("192.0.2.1"),
            trunk,
            number("^3"),
        ]
        .map(route);
        let index = RouteIndex::new(&routes);
        let found = |user: &str, host: &str, trunk| {
            index
                .candidates(&Asked {
                    user: user.as_bytes(),
                    host: host.as_bytes(),
                    trunk,
                })
                .to_vec()
        };
        assert_eq!(found("123", "x", None), [0, 1, 3, 4]);
        assert_eq!(found("13", "example.COM", None), [1, 2, 3, 4]);
        assert_eq!(found("", "x", Some("a")), [1, 4, 5]);
        assert_eq!(found("3", "x", Some("b")), [1, 4, 6]);
    }
}
