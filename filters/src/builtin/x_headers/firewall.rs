//! The header firewall: which X- and P- headers cross a boundary.

use sip::{Header, Headers};
use smallvec::SmallVec;

use super::super::extension::Extension;
use super::rule::{Edit, Rule};
use super::{Direction, Unlisted};
use crate::lang::Pattern;
use crate::reserved;

/// What crosses boundaries, by direction.
#[derive(Debug)]
pub(super) struct Firewall {
    inward: Gate,
    outward: Gate,
}

/// What crosses boundaries one way.
#[derive(Debug)]
pub(super) struct Gate {
    /// The rules that let headers cross, by their place in the list, and those headers.
    allows: Box<[(usize, Box<[Pattern]>)]>,
    /// Whether all of these rules are for every message.
    fixed: bool,
    /// Whether headers are held back where no rule speaks.
    denies: bool,
    /// Whether all X- or P- headers cross, whatever the message; by [`Extension`].
    open: [bool; Extension::ALL.len()],
}

/// Indices of rows, in order.
pub(super) type Indices = SmallVec<[usize; 8]>;

impl Firewall {
    pub(super) fn new(rules: &[Rule], unlisted: Unlisted) -> Self {
        Self {
            inward: Gate::new(rules, Direction::In, unlisted),
            outward: Gate::new(rules, Direction::Out, unlisted),
        }
    }

    /// What crosses `way`, which is not both.
    pub(super) fn gate(&self, way: Direction) -> &Gate {
        match way {
            Direction::Out => &self.outward,
            _ => &self.inward,
        }
    }
}

impl Gate {
    fn new(rules: &[Rule], way: Direction, unlisted: Unlisted) -> Self {
        let denies = unlisted == Unlisted::Deny;
        let allows = |(at, rule): (usize, &Rule)| match &rule.edit {
            Edit::Allow {
                patterns,
                direction,
            } if *direction == Direction::Both || *direction == way => Some((at, patterns.clone())),
            _ => None,
        };
        let allows: Box<[_]> = rules.iter().enumerate().filter_map(allows).collect();
        let is_fixed = |at: &usize| rules.get(*at).is_some_and(Rule::is_for_all);
        let open = Extension::ALL.map(|extension| {
            let mut fixed = allows.iter().filter(|(at, _)| is_fixed(at));
            let all = |patterns: &[Pattern]| {
                patterns
                    .iter()
                    .any(|pattern| pattern.has_all(extension.begin()))
            };
            fixed.any(|(_, patterns)| all(patterns)) || (allows.is_empty() && !denies)
        });
        Self {
            fixed: allows.iter().all(|(at, _)| is_fixed(at)),
            allows,
            denies,
            open,
        }
    }

    /// Whether nothing is ever held back.
    pub(super) fn is_open(&self) -> bool {
        self.open == [true; Extension::ALL.len()]
    }

    /// The rule before which headers are held back; `None`: before all of them.
    pub(super) fn place(&self) -> Option<usize> {
        self.allows.first().map(|(at, _)| *at)
    }

    /// The rows that may not cross; `applies` says whether the rule at a place is for the message.
    pub(super) fn held(&self, headers: &Headers, applies: impl Fn(usize) -> bool) -> Indices {
        let mut held = Indices::new();
        let allows = self.allows.iter();
        let allows = allows.filter(|(at, _)| self.fixed || applies(*at));
        let allows: SmallVec<[&[Pattern]; 4]> = allows.map(|(_, patterns)| &**patterns).collect();
        if allows.is_empty() && !self.denies {
            return held;
        }
        for (index, id, name) in headers.names(Extension::NAMES) {
            let extension = Extension::of(name);
            if extension.is_none_or(|extension| self.open[extension as usize]) {
                continue;
            }
            let header = Header {
                id,
                name,
                value: b"",
            };
            let listed = |patterns: &&[Pattern]| matches_any(patterns, &header);
            if !reserved::is_reserved(name) && !allows.iter().any(listed) {
                held.push(index);
            }
        }
        held
    }
}

pub(super) fn matches_any(patterns: &[Pattern], header: &Header<'_>) -> bool {
    patterns.iter().any(|pattern| pattern.matches(header))
}
