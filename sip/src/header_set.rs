//! Sets of header names.

use crate::HeaderName;

/// Some header names, in one word; [`HeaderName::Other`] stands for all that are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSet(u64);

impl HeaderSet {
    /// The set of `names`.
    #[must_use]
    pub const fn of(mut names: &[HeaderName]) -> Self {
        let mut set = Self(0);
        while let [name, rest @ ..] = names {
            set.insert(*name);
            names = rest;
        }
        set
    }

    /// Adds a name.
    pub const fn insert(&mut self, name: HeaderName) {
        self.0 |= 1 << name as u8;
    }

    /// Whether the name is among them.
    #[inline]
    #[must_use]
    pub const fn contains(self, name: HeaderName) -> bool {
        self.0 >> name as u8 & 1 != 0
    }
}

const _: () = assert!((HeaderName::Other as u8) < 64, "one bit a name");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_its_own() {
        let names = || HeaderName::ALL.iter().chain([&HeaderName::Other]);
        for name in names() {
            let set = HeaderSet::of(&[*name]);
            assert!(names().all(|other| set.contains(*other) == (other == name)));
        }
        assert!(!names().any(|name| HeaderSet::default().contains(*name)));
    }
}
