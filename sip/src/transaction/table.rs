//! Transactions by key: an arena of entries and a keyed hash index over it.

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use crate::arena::{Arena, Key};

/// Values by encoded key. Peers choose the keys, so the hash is seeded by a secret of the process.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Arena<Entry<T>>,
    index: HashTable<Slot>,
    hasher: KeyHasher,
}

#[derive(Debug)]
pub(super) struct Entry<T> {
    hash: u32,
    key: Box<[u8]>,
    pub(super) value: T,
}

/// An index entry knows its hash, so that growing the index touches no transaction.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    index: u32,
}

#[derive(Debug)]
struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl<T> Table<T> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            entries: Arena::new(),
            index: HashTable::new(),
            hasher: KeyHasher {
                seed,
                // Fixed shared constants would let a peer construct collisions for every seed.
                shared: SharedSeed::from_u64(seed.rotate_left(32)),
            },
        }
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<Key> {
        let hash = self.hasher.hash(key);
        let slot = self
            .index
            .find(spread(hash), |slot| is(&self.entries, slot, hash, key))?;
        self.entries.at(slot.index).map(|(key, _)| key)
    }

    /// Stores `value` unless its key is taken.
    pub(super) fn insert(&mut self, key: &[u8], value: T) -> Option<Key> {
        let hash = self.hasher.hash(key);
        let entries = &mut self.entries;
        let place = self.index.entry(
            spread(hash),
            |slot| is(entries, slot, hash, key),
            |slot| spread(slot.hash),
        );
        let Place::Vacant(place) = place else {
            return None;
        };
        let stored = entries.insert(Entry {
            hash,
            key: key.into(),
            value,
        });
        let index = stored.index;
        place.insert(Slot { hash, index });
        Some(stored)
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(super) fn entry(&self, key: Key) -> Option<&Entry<T>> {
        self.entries.get(key)
    }

    pub(super) fn entry_mut(&mut self, key: Key) -> Option<&mut Entry<T>> {
        self.entries.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry<T>> {
        let entry = self.entries.remove(key)?;
        let same = |slot: &Slot| slot.index == key.index;
        if let Ok(place) = self.index.find_entry(spread(entry.hash), same) {
            place.remove();
        }
        debug_assert_eq!(self.entries.len(), self.index.len());
        Some(entry)
    }

    /// Gives the memory of a past burst back, if nothing is stored any more.
    pub(super) fn release_if_empty(&mut self) {
        self.entries.release_if_empty();
        if self.index.is_empty() && self.index.capacity() > IDLE_CAPACITY {
            self.index = HashTable::new();
        }
    }
}

impl<T> Entry<T> {
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Memory of the entry itself, its index slot and its key.
    pub(super) fn overhead(&self) -> usize {
        size_of::<Self>() + size_of::<Slot>() + self.key.len()
    }
}

impl KeyHasher {
    fn hash(&self, key: &[u8]) -> u32 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        (hasher.finish() >> 32) as u32
    }
}

fn is<T>(entries: &Arena<Entry<T>>, slot: &Slot, hash: u32, key: &[u8]) -> bool {
    slot.hash == hash
        && entries
            .at(slot.index)
            .is_some_and(|(_, entry)| *entry.key == *key)
}

/// Spreads a stored hash over the 64 bits of which the index uses both ends.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Places that an empty index may keep.
const IDLE_CAPACITY: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_free_again_after_removal() {
        let mut table = Table::new(1);
        let first = table.insert(b"a", 1).unwrap();
        assert_eq!(table.insert(b"a", 2), None);
        assert_eq!(table.find(b"a"), Some(first));
        assert_eq!(table.find(b"b"), None);
        assert_eq!(table.remove(first).map(|entry| entry.value), Some(1));
        assert!(table.remove(first).is_none());
        assert_eq!(table.find(b"a"), None);
        let second = table.insert(b"a", 3).unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(second), Some(&3));
    }

    #[test]
    fn memory_of_a_burst_is_given_back() {
        let mut table = Table::new(1);
        let keys: Vec<Key> = (0u32..5000)
            .filter_map(|n| table.insert(&n.to_be_bytes(), n))
            .collect();
        assert_eq!(keys.len(), 5000);
        for key in keys {
            table.remove(key);
        }
        table.release_if_empty();
        assert_eq!(table.index.capacity(), 0);
    }
}
