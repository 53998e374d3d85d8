//! Named values that rules store for later rules.

use smallvec::SmallVec;

/// A small ordered map; three short values need no allocation.
///
/// One record after another: length of the name in a byte, length of the value in two, name, value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vars {
    records: SmallVec<[u8; 64]>,
}

impl Vars {
    /// Variables that one exchange may have at most.
    pub const COUNT_MAX: usize = 32;
    /// Bytes that a name may have at most.
    pub const NAME_BYTES_MAX: usize = 255;
    /// Bytes that a value may have at most.
    pub const VALUE_BYTES_MAX: usize = 4096;

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut records = self.records();
        let record = records.find(|record| record.name == name.as_bytes())?;
        Some(record.value)
    }

    /// Gives `name` a value; false where either is too long or there are too many already.
    pub fn set(&mut self, name: &str, value: &[u8]) -> bool {
        let Ok(name_length) = u8::try_from(name.len()) else {
            return false;
        };
        if value.len() > Self::VALUE_BYTES_MAX {
            return false;
        }
        let [high, low] = (value.len() as u16).to_be_bytes();
        let mut count = 0;
        let mut at = 0;
        for record in self.records() {
            if record.name == name.as_bytes() {
                break;
            }
            count += 1;
            at += record.len();
        }
        if count >= Self::COUNT_MAX {
            return false;
        }
        // What stands there is left out, and the rest put behind the new record again.
        let old = Record::first(self.records.get(at..).unwrap_or_default());
        let behind = at + old.map_or(0, |(record, _)| record.len());
        let rest: SmallVec<[u8; 64]> = SmallVec::from_slice(&self.records[behind..]);
        self.records.truncate(at);
        self.records.extend_from_slice(&[name_length, high, low]);
        self.records.extend_from_slice(name.as_bytes());
        self.records.extend_from_slice(value);
        self.records.extend_from_slice(&rest);
        true
    }

    /// Name and value of each, in the order of their first setting.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.records().map(|record| {
            // `set` takes names as text only.
            let name = std::str::from_utf8(record.name).unwrap_or_default();
            (name, record.value)
        })
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.records.as_slice();
        std::iter::from_fn(move || {
            let (record, behind) = Record::first(rest)?;
            rest = behind;
            Some(record)
        })
    }
}

struct Record<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `text`, and what stands behind it.
    fn first(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([name, high, low], text) = text.split_first_chunk()?;
        let (name, text) = text.split_at_checked(usize::from(*name))?;
        let length = u16::from_be_bytes([*high, *low]);
        let (value, rest) = text.split_at_checked(usize::from(length))?;
        Some((Self { name, value }, rest))
    }

    /// Bytes of the record.
    fn len(&self) -> usize {
        3 + self.name.len() + self.value.len()
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
        assert!(!vars.set(&"n".repeat(Vars::NAME_BYTES_MAX + 1), b""));
        assert_eq!(vars.iter().count(), Vars::COUNT_MAX);
    }
}
