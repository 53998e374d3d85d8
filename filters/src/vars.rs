//! Named values that rules store for later rules.

use smallvec::SmallVec;

/// A small ordered map; two short values need no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vars {
    entries: SmallVec<[(Name, Value); 2]>,
}

type Name = SmallVec<[u8; 16]>;
type Value = SmallVec<[u8; 48]>;

impl Vars {
    /// Variables that one exchange may have at most.
    pub const COUNT_MAX: usize = 32;
    /// Bytes that a value may have at most.
    pub const VALUE_BYTES_MAX: usize = 4096;

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.entries
            .iter()
            .find(|(found, _)| found.as_slice() == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// Gives `name` a value; false where it is too long or there are too many already.
    pub fn set(&mut self, name: &str, value: &[u8]) -> bool {
        if value.len() > Self::VALUE_BYTES_MAX {
            return false;
        }
        let value = Value::from_slice(value);
        let entry = self
            .entries
            .iter_mut()
            .find(|(found, _)| found.as_slice() == name.as_bytes());
        if let Some((_, old)) = entry {
            *old = value;
            return true;
        }
        if self.entries.len() >= Self::COUNT_MAX {
            return false;
        }
        self.entries
            .push((Name::from_slice(name.as_bytes()), value));
        true
    }

    /// Name and value of each, in the order of their first setting.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(name, value)| {
            // `set` takes names as text only.
            let name = std::str::from_utf8(name).unwrap_or_default();
            (name, value.as_slice())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_ordered() {
        let mut vars = Vars::default();
        assert!(vars.set("b", b"1") && vars.set("a", b"2") && vars.set("b", b"3"));
        let all: Vec<_> = vars.iter().collect();
        assert_eq!(all, [("b", b"3".as_slice()), ("a", b"2".as_slice())]);
        assert!(!vars.set("c", &[b'x'; Vars::VALUE_BYTES_MAX + 1]));
        for index in 0..Vars::COUNT_MAX - 2 {
            assert!(vars.set(&format!("v{index}"), b""));
        }
        assert!(!vars.set("one too many", b""));
        assert!(vars.set("a", b"still"));
        assert_eq!(vars.get("a"), Some(b"still".as_slice()));
    }
}
