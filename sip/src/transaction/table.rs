//! Transactions by key: an arena of entries and a hash index over it, in shards.
//!
//! An index that grows is copied in one go. Its shards grow one by one, so that no message waits for
//! more than a small part of it.

use crate::arena::{Arena, Key};

use super::fingerprint::Fingerprint;
use super::index::Index;

/// Values by the fingerprint of their key.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Arena<Entry<T>>,
    shards: [Index; SHARDS],
}

#[derive(Debug)]
struct Entry<T> {
    print: Fingerprint,
    value: T,
}

impl<T> Table<T> {
    /// Memory of one value with its place in the index, which is half empty.
    pub(super) const VALUE_BYTES: usize = Arena::<Entry<T>>::SLOT_BYTES + 2 * size_of::<u64>();

    pub(super) const fn new() -> Self {
        Self {
            entries: Arena::new(),
            shards: [const { Index::new() }; SHARDS],
        }
    }

    #[inline]
    pub(super) fn find(&self, print: Fingerprint) -> Option<Key> {
        let mut found = None;
        self.shard(print)?.find(print.short(), |index| {
            found = self
                .entries
                .at(index)
                .and_then(|(key, entry)| (entry.print == print).then_some(key));
            found.is_some()
        });
        found
    }

    /// Stores `value` unless its key is taken.
    pub(super) fn insert(&mut self, print: Fingerprint, value: T) -> Option<Key> {
        if self.find(print).is_some() {
            return None;
        }
        let key = self.entries.insert(Entry { print, value });
        let shard = self.shards.get_mut(print.shard(SHARDS))?;
        shard.insert(print.short(), key.index);
        Some(key)
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Reads an entry and its place in the index, to have both in the cache. The reads of several
    /// entries overlap; those of several removals would wait for one another.
    #[inline]
    pub(super) fn touch(&self, key: Key, read: impl FnOnce(&T) -> u64) -> u64 {
        self.entries.get(key).map_or(0, |entry| {
            let shard = self.shard(entry.print);
            let place = shard.map_or(0, |shard| shard.touch(entry.print.short()));
            place ^ read(&entry.value)
        })
    }

    /// Removes a value, if it is there still.
    pub(super) fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.get(key)
            && let Some(shard) = self.shards.get_mut(entry.print.shard(SHARDS))
        {
            shard.remove(entry.print.short(), key.index);
            self.entries.remove(key);
        }
    }

    /// Gives the memory of a past burst back, if nothing is stored any more.
    pub(super) fn release_if_empty(&mut self) {
        if self.entries.release_if_empty() {
            for shard in &mut self.shards {
                shard.release_if_empty();
            }
        }
    }

    #[inline]
    fn shard(&self, print: Fingerprint) -> Option<&Index> {
        self.shards.get(print.shard(SHARDS))
    }
}

const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::fingerprint::Printer;
    use super::*;

    #[test]
    fn a_key_is_free_again_after_removal() {
        let printer = Printer::new(1);
        let (a, b) = (printer.of([b"a"]), printer.of([b"b"]));
        let mut table = Table::new();
        let first = table.insert(a, 1).unwrap();
        assert_eq!(table.insert(a, 2), None);
        assert_eq!(table.find(a), Some(first));
        assert_eq!(table.find(b), None);
        table.remove(first);
        table.remove(first);
        assert_eq!(table.get(first), None);
        assert_eq!(table.find(a), None);
        let second = table.insert(a, 3).unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(second), Some(&3));
    }

    /// Two keys of one short hash are two keys all the same.
    #[test]
    fn the_whole_fingerprint_counts() {
        let prints = [[7 << 32, 1], [7 << 32, 2], [7 << 32 | 1, 1]].map(Fingerprint);
        let mut table = Table::new();
        let keys = prints.map(|print| table.insert(print, ()));
        for (print, key) in prints.into_iter().zip(keys) {
            assert!(key.is_some());
            assert_eq!(print.short(), 7);
            assert_eq!(table.find(print), key);
        }
        assert_eq!(table.find(Fingerprint([7 << 32, 3])), None);
    }
}
