//! Which names of headers are there, in one word.

use sip::{Header, HeaderName, HeaderSet};

use crate::lang::{Pattern, is_owned};
use crate::reserved;

/// One bit a pattern of the rules; beyond 62 of them several share one. So a bit that is not set
/// tells that the pattern means no such header, and one that is set that it may.
pub(super) type Bits = u64;

/// The bit that is set for every message.
pub(super) const ALWAYS: Bits = 1 << 63;
/// The bit of X- and P- headers that are not reserved: they cross boundaries by allow-list only.
pub(super) const GUARDED: Bits = 1 << 62;

/// The patterns of all rules, so that one look at a header tells all that mean it.
#[derive(Debug)]
pub(super) struct Names {
    /// Of each name that is known by number.
    known: [Bits; KNOWN],
    /// Other names, in full.
    full: Table,
    /// Beginnings of names.
    begun: Table,
    /// The lengths of those beginnings, shortest first.
    lengths: Vec<usize>,
    /// Their first letters; see [`letter`].
    letters: u32,
    /// Those for which [`Names::of`] may give anything.
    matter: HeaderSet,
    patterns: usize,
}

/// Names with their bits, by hash; never more than half full.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    hash: u32,
    /// 0 where the slot is free.
    bits: Bits,
    name: Box<[u8]>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            known: [0; KNOWN],
            full: Table::default(),
            begun: Table::default(),
            lengths: Vec::new(),
            letters: 0,
            matter: ALWAYS_MATTER,
            patterns: 0,
        }
    }

    /// The bit of `pattern`.
    pub(super) fn add(&mut self, pattern: &Pattern) -> Bits {
        let next = 1 << (self.patterns % GUARDED.trailing_zeros() as usize);
        let bits = match pattern {
            Pattern::Name { id, name } => match self.known.get_mut(*id as usize) {
                Some(bits) => {
                    if *bits == 0 {
                        *bits = next;
                    }
                    *bits
                }
                None => self.full.entry(name.as_bytes(), next),
            },
            Pattern::Prefix(name) => {
                if !self.lengths.contains(&name.len()) {
                    self.lengths.push(name.len());
                    self.lengths.sort_unstable();
                }
                self.letters |= name.bytes().next().map_or(u32::MAX, letter);
                self.begun.entry(name.as_bytes(), next)
            }
        };
        self.patterns += usize::from(bits == next);
        for (id, bits) in HeaderName::ALL.iter().zip(self.known) {
            let first = id.as_str().bytes().next().map_or(0, letter);
            if bits != 0 || first & self.letters != 0 {
                self.matter.insert(*id);
            }
        }
        bits
    }

    /// The names for which [`Names::of`] may give anything.
    #[inline]
    pub(super) fn mattering(&self) -> HeaderSet {
        self.matter
    }

    /// Whether each pattern has a bit of its own, so that one that is set tells all.
    pub(super) fn are_exact(&self) -> bool {
        self.patterns <= GUARDED.trailing_zeros() as usize
    }

    /// The bits of every pattern that means `header`, and [`GUARDED`].
    #[inline(always)]
    pub(super) fn of(&self, header: &Header<'_>) -> Bits {
        let bits = match self.known.get(header.id as usize) {
            Some(bits) => *bits,
            None => self.full.get(header.name),
        };
        let first = match header.name {
            [first, _, ..] => *first,
            // A compact form.
            _ => *header.id.as_str().as_bytes().first().unwrap_or(&0),
        };
        let guarded = match header.name {
            [b'X' | b'x' | b'P' | b'p', b'-', ..] if !reserved::is_reserved(header.name) => GUARDED,
            _ => 0,
        };
        if letter(first) & self.letters == 0 {
            return bits | guarded;
        }
        bits | guarded | self.of_begun(header)
    }

    #[inline(never)]
    fn of_begun(&self, header: &Header<'_>) -> Bits {
        if is_owned(header.id) || reserved::is_reserved(header.name) {
            return 0;
        }
        let long = match header.id {
            HeaderName::Other => header.name,
            id => id.as_str().as_bytes(),
        };
        let begins = self.lengths.iter().map_while(|length| long.get(..*length));
        begins.fold(0, |bits, begin| bits | self.begun.get(begin))
    }
}

impl Table {
    /// The bits of `name`; 0 for none.
    #[inline(never)]
    fn get(&self, name: &[u8]) -> Bits {
        if self.used == 0 {
            return 0;
        }
        let hash = hash(name);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get(at) {
            if slot.bits == 0 {
                break;
            }
            if slot.hash == hash && slot.name.eq_ignore_ascii_case(name) {
                return slot.bits;
            }
            at = (at + 1) & mask;
        }
        0
    }

    /// The bits of `name`, which are `bits` from now on where it had none.
    fn entry(&mut self, name: &[u8], bits: Bits) -> Bits {
        let found = self.get(name);
        if found != 0 {
            return found;
        }
        if (self.used + 1) * 2 > self.slots.len() {
            let slots = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, slots) {
                if slot.bits != 0 {
                    self.put(slot);
                }
            }
        }
        self.put(Slot {
            hash: hash(name),
            bits,
            name: name.into(),
        });
        self.used += 1;
        bits
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.hash as usize & mask;
        while self.slots[at].bits != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

/// The hash of a name, without case: of its length and its eight bytes at either end. What is in the
/// table comes from the configuration, so nobody can make it slow.
#[inline]
fn hash(name: &[u8]) -> u32 {
    // Sets the bit that tells upper from lower case letters.
    const CASE: u64 = 0x2020_2020_2020_2020;
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => {
            let byte = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
            (name.iter().fold(0, byte), 0)
        }
    };
    let mixed = (head | CASE) ^ (tail | CASE).rotate_left(29) ^ name.len() as u64;
    // An odd number without a pattern: the golden ratio in 64 bits.
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// One bit a letter without its case; bytes that share one are told apart later.
#[inline]
fn letter(byte: u8) -> u32 {
    1 << (byte & 0x1f)
}

/// Names that matter without any pattern: those that may be [`GUARDED`], and those without a number.
const ALWAYS_MATTER: HeaderSet = HeaderSet::of(&[
    HeaderName::Other,
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
]);
/// Names that are known by number.
const KNOWN: usize = HeaderName::Other as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_patterns_mean() {
        let texts = [
            "X-Tenant",
            "x-tenant-*",
            "*",
            "Refer-*",
            "s",
            "P-*",
            "X-A",
            "X-A*",
            "Via",
            "X-B",
        ];
        let mut names = Names::new();
        let patterns: Vec<_> = texts.map(|text| Pattern::parse(text).unwrap()).into();
        let bits: Vec<_> = patterns.iter().map(|pattern| names.add(pattern)).collect();
        // Enough to let the table grow.
        for number in 0..40 {
            names.add(&Pattern::parse(&format!("X-Number-{number}")).unwrap());
        }
        for name in [
            "X-TENANT",
            "X-Tenant-Id",
            "Subject",
            "r",
            "P-Asserted-Identity",
            "P-x",
            "v",
            "Via",
            "x-a",
            "x-ab",
            "X-Hookswitch-A",
            "X-B",
            "X-Number-17",
            "Y",
            "Route",
        ] {
            let header = Header {
                id: HeaderName::of(name.as_bytes()),
                name: name.as_bytes(),
                value: b"",
            };
            let found = names.of(&header);
            assert!(
                found == 0 || names.mattering().contains(header.id),
                "{name}"
            );
            for (pattern, bit) in patterns.iter().zip(&bits) {
                let matches = pattern.matches(&header);
                assert_eq!(found & bit != 0, matches, "{name} {pattern:?}");
            }
            let guarded = ["X-", "x-", "P-"]
                .iter()
                .any(|begin| name.starts_with(begin));
            let guarded = guarded && name != "X-Hookswitch-A";
            assert_eq!(found & GUARDED != 0, guarded, "{name}");
        }
    }
}
