//! Which names of headers are there, in one word.

use sip::{Header, HeaderName, HeaderSet};

use crate::lang::Pattern;
use crate::reserved;

/// One bit a pattern of the rules; beyond 63 of them several share one. So a bit that is not set
/// tells that the pattern means no such header, and one that is set that it may.
pub(super) type Bits = u64;

/// The bit that is set for every message.
pub(super) const ALWAYS: Bits = 1 << PATTERNS;
/// Patterns that have a bit of their own.
const PATTERNS: u32 = u64::BITS - 1;

/// The patterns of all rules, so that one look at a header tells all that mean it.
#[derive(Debug)]
pub(super) struct Names {
    /// Of each name that is known by number: the bits of all patterns that mean it.
    known: [Bits; KNOWN],
    /// Those for which [`Names::of`] may give anything.
    matter: HeaderSet,
    letters: Letters,
    /// Other names, in full.
    full: Table,
    /// Beginnings of names.
    begun: Table,
    /// The lengths of those beginnings, shortest first.
    lengths: Vec<usize>,
    /// Of each name that is known by number: the bit of the pattern that is this name.
    named: [Bits; KNOWN],
    patterns: u32,
}

/// The first and the third letters of names, one bit each; hardly any other name has both. The
/// second one is the hyphen nearly always.
#[derive(Clone, Copy, Debug, Default)]
struct Letters {
    first: u32,
    third: u32,
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
            matter: HeaderSet::default(),
            letters: Letters::default(),
            full: Table::default(),
            begun: Table::default(),
            lengths: Vec::new(),
            named: [0; KNOWN],
            patterns: 0,
        }
    }

    /// The bit of `pattern`.
    pub(super) fn add(&mut self, pattern: &Pattern) -> Bits {
        let next = 1 << (self.patterns % PATTERNS);
        let bits = match pattern {
            Pattern::Name { id, name } => match self.named.get_mut(*id as usize) {
                Some(bits) => {
                    if *bits == 0 {
                        *bits = next;
                    }
                    *bits
                }
                None => {
                    self.letters.add_name(name.as_bytes());
                    self.full.entry(name.as_bytes(), next)
                }
            },
            Pattern::Prefix(name) => {
                if !self.lengths.contains(&name.len()) {
                    self.lengths.push(name.len());
                    self.lengths.sort_unstable();
                }
                self.letters.add_begin(name.as_bytes());
                self.begun.entry(name.as_bytes(), next)
            }
        };
        self.patterns += u32::from(bits == next);
        for (id, known) in HeaderName::ALL.iter().zip(&mut self.known) {
            if pattern.matches(&named(*id)) {
                *known |= bits;
                self.matter.insert(*id);
            }
        }
        if self.full.used + self.begun.used > 0 {
            self.matter.insert(HeaderName::Other);
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
        self.patterns <= PATTERNS
    }

    /// The bits of every pattern that means the header with this name.
    #[inline]
    pub(super) fn of(&self, id: HeaderName, name: &[u8]) -> Bits {
        match self.known.get(id as usize) {
            Some(bits) => *bits,
            None if self.letters.may_begin(name) => self.of_other(name),
            None => 0,
        }
    }

    /// The bits of every pattern that means `name`, which has no number.
    #[inline(never)]
    fn of_other(&self, name: &[u8]) -> Bits {
        let begins = self.lengths.iter().map_while(|length| name.get(..*length));
        let begun = begins.fold(0, |bits, begin| bits | self.begun.get(begin));
        if begun != 0 && reserved::is_reserved(name) {
            return 0;
        }
        begun | self.full.get(name)
    }
}

impl Letters {
    /// A name in full.
    fn add_name(&mut self, name: &[u8]) {
        let (first, third) = Self::of(name);
        self.first |= first;
        self.third |= third;
    }

    /// A beginning of names.
    fn add_begin(&mut self, begin: &[u8]) {
        let (first, third) = Self::of(begin);
        self.first |= if begin.is_empty() { u32::MAX } else { first };
        self.third |= if begin.len() < 3 { u32::MAX } else { third };
    }

    #[inline]
    fn may_begin(self, name: &[u8]) -> bool {
        let (first, third) = Self::of(name);
        self.first & first != 0 && self.third & third != 0
    }

    #[inline]
    fn of(name: &[u8]) -> (u32, u32) {
        match name {
            [first, _, third, ..] => (letter(*first), letter(*third)),
            [first, ..] => (letter(*first), letter(0)),
            [] => (letter(0), letter(0)),
        }
    }
}

/// The header with this name that has no value.
fn named(id: HeaderName) -> Header<'static> {
    Header {
        id,
        name: id.as_str().as_bytes(),
        value: b"",
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
            "Refer-*",
            "s",
            "X-A",
            "X-A*",
            "Via",
            "X-B",
            "ab",
            "P-*",
            "*",
        ];
        // Without the last ones, which mean nearly all, most names are told by their letters.
        for count in [3, texts.len() - 2, texts.len() - 1, texts.len()] {
            check(&texts[..count]);
        }
    }

    fn check(texts: &[&str]) {
        let mut names = Names::new();
        let parse = |text: &&str| Pattern::parse(text).unwrap();
        let patterns: Vec<_> = texts.iter().map(parse).collect();
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
            "AB",
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
            let found = names.of(header.id, header.name);
            assert!(
                found == 0 || names.mattering().contains(header.id),
                "{name}"
            );
            for (pattern, bit) in patterns.iter().zip(&bits) {
                let matches = pattern.matches(&header);
                assert_eq!(found & bit != 0, matches, "{name} {pattern:?}");
            }
        }
    }
}
