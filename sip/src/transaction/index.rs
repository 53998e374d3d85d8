//! A hash index of 8-byte places, one cache line a look-up.
//!
//! Open addressing with linear probing; removal closes the gap, so nothing deleted stays behind.
//! A place knows 32 bits of its hash: growing and closing gaps touch no transaction.

/// Arena indices by hash.
#[derive(Debug)]
pub(super) struct Index {
    /// Hash in the upper half, arena index in the lower. A power of two of them, or none.
    places: Vec<u64>,
    len: usize,
    /// Takes a hash to its home: the upper bits of the hash count.
    shift: u32,
}

impl Index {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            len: 0,
            shift: u32::BITS,
        }
    }

    /// The first arena index of `hash` that `is` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let place = *self.places.get(at)?;
            if place == EMPTY {
                return None;
            }
            if hash_of(place) == hash && is(place as u32) {
                return Some(place as u32);
            }
            at = self.after(at);
        }
    }

    /// Adds a place. The caller has made sure that it is not there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, index: u32) {
        if (self.len + 1) * FULL_OF > self.places.len() * FULL_AT {
            self.grow();
        }
        self.put(place_of(hash, index));
        self.len += 1;
    }

    #[inline]
    pub(super) fn remove(&mut self, hash: u32, index: u32) {
        let sought = place_of(hash, index);
        let mut gap = self.home(hash);
        loop {
            match self.places.get(gap) {
                None | Some(&EMPTY) => return,
                Some(&place) if place == sought => break,
                Some(_) => gap = self.after(gap),
            }
        }
        self.len -= 1;
        let mut at = gap;
        loop {
            at = self.after(at);
            let place = self.places.get(at).copied().unwrap_or(EMPTY);
            if place == EMPTY {
                break;
            }
            // A place may move back into the gap unless its home lies behind that.
            let distance = self.distance(self.home(hash_of(place)), at);
            if distance >= self.distance(gap, at) {
                self.set(gap, place);
                gap = at;
            }
        }
        self.set(gap, EMPTY);
    }

    /// Reads where the search for `hash` begins, to have it in the cache.
    #[inline]
    pub(super) fn touch(&self, hash: u32) -> u64 {
        self.places.get(self.home(hash)).copied().unwrap_or(EMPTY)
    }

    #[cfg(test)]
    const fn len(&self) -> usize {
        self.len
    }

    /// Gives the memory of a past burst back, if nothing is stored any more.
    pub(super) fn release_if_empty(&mut self) {
        if self.len == 0 && self.places.len() > IDLE_PLACES {
            *self = Self::new();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(PLACES_MIN);
        let old = std::mem::replace(&mut self.places, vec![EMPTY; size]);
        self.shift = u32::BITS - size.ilog2();
        for place in old {
            if place != EMPTY {
                self.put(place);
            }
        }
    }

    fn put(&mut self, place: u64) {
        let mut at = self.home(hash_of(place));
        while self.places.get(at).is_some_and(|other| *other != EMPTY) {
            at = self.after(at);
        }
        self.set(at, place);
    }

    fn set(&mut self, at: usize, place: u64) {
        if let Some(there) = self.places.get_mut(at) {
            *there = place;
        }
    }

    /// Where the search for `hash` begins.
    const fn home(&self, hash: u32) -> usize {
        (hash as u64 >> self.shift) as usize
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len().wrapping_sub(1))
    }

    /// How many places `to` lies after `from`, around the end.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len().wrapping_sub(1))
    }
}

const fn place_of(hash: u32, index: u32) -> u64 {
    ((hash as u64) << 32) | index as u64
}

const fn hash_of(place: u64) -> u32 {
    (place >> 32) as u32
}

/// No arena index is `u32::MAX`.
const EMPTY: u64 = u64::MAX;
/// At most 5 places of 8 are taken: a search for what is not there sees four places on average.
const FULL_AT: usize = 5;
const FULL_OF: usize = 8;
const PLACES_MIN: usize = 16;
/// Places that an empty index may keep.
const IDLE_PLACES: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The index against a set, with hashes that crowd a few homes and both ends of the table.
        #[test]
        fn behaves_like_a_set(steps in prop::collection::vec((any::<bool>(), 0u32..6, 0u32..40), 1..400)) {
            let mut index = Index::new();
            let mut set = HashSet::new();
            for (adds, home, number) in steps {
                let hash = [0, 1, 0x0800_0000, 0x7fff_ffff, 0xf800_0000, u32::MAX][home as usize];
                if adds {
                    if set.insert((hash, number)) {
                        index.insert(hash, number);
                    }
                } else {
                    set.remove(&(hash, number));
                    index.remove(hash, number);
                }
                prop_assert_eq!(index.len(), set.len());
                let found = index.find(hash, |other| other == number);
                prop_assert_eq!(found.is_some(), set.contains(&(hash, number)));
            }
            for &(hash, number) in &set {
                prop_assert_eq!(index.find(hash, |other| other == number), Some(number));
            }
        }
    }

    #[test]
    fn an_empty_index_gives_its_memory_back() {
        let mut index = Index::new();
        let hashes = (0..5000u32).map(|n| n.wrapping_mul(0x9e37_79b9));
        for (n, hash) in hashes.clone().enumerate() {
            index.insert(hash, n as u32);
        }
        for (n, hash) in hashes.enumerate() {
            index.remove(hash, n as u32);
        }
        index.release_if_empty();
        assert_eq!(index.places.capacity(), 0);
        assert_eq!(index.find(7, |_| true), None);
    }
}
