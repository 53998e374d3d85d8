//! Tombstones in the order of their making.

use std::collections::VecDeque;

use crate::arena::Key;

/// A queue that grows by chunks: nobody waits while it is copied, however long it is. Tombstones that
/// have ended stay in it until they are the oldest.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    /// What is taken out of; where there is anything, there is something here.
    first: Vec<Key>,
    /// Keys of it that have been taken out.
    taken: usize,
    /// Full chunks between the two.
    middle: VecDeque<Vec<Key>>,
    /// What is put into, unless all is empty.
    last: Vec<Key>,
    len: usize,
}

impl Graveyard {
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn push_back(&mut self, key: Key) {
        let chunk = match self.len {
            0 => {
                self.first.clear();
                self.taken = 0;
                &mut self.first
            }
            _ => &mut self.last,
        };
        chunk.push(key);
        self.len += 1;
        if self.last.len() == CHUNK {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK));
            self.middle.push_back(full);
        }
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&Key> {
        self.first.get(self.taken)
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Key> {
        let key = *self.front()?;
        self.len -= 1;
        self.taken += 1;
        if self.taken == self.first.len() {
            self.taken = 0;
            match self.middle.pop_front() {
                Some(next) => self.first = next,
                None => {
                    self.first.clear();
                    std::mem::swap(&mut self.first, &mut self.last);
                }
            }
        }
        Some(key)
    }
}

/// Keys of a chunk: a page of them.
const CHUNK: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[test]
    fn first_in_first_out() {
        let mut arena = Arena::new();
        let keys: Vec<Key> = (0..3 * CHUNK + 7).map(|n| arena.insert(n)).collect();
        let mut graveyard = Graveyard::default();
        for round in 0..2 {
            for key in &keys {
                graveyard.push_back(*key);
            }
            assert_eq!(graveyard.len(), keys.len());
            for (left, key) in keys.iter().enumerate() {
                assert_eq!(graveyard.front(), Some(key), "round {round}, {left}");
                assert_eq!(graveyard.pop_front(), Some(*key));
            }
            assert_eq!((graveyard.len(), graveyard.pop_front()), (0, None));
            assert!(graveyard.middle.is_empty() && graveyard.last.is_empty());
        }
        // Two come for each that goes.
        let mut oldest = keys.iter();
        for pair in keys.as_chunks::<2>().0 {
            for key in pair {
                graveyard.push_back(*key);
            }
            assert_eq!(graveyard.pop_front().as_ref(), oldest.next());
        }
        while let Some(key) = graveyard.pop_front() {
            assert_eq!(Some(&key), oldest.next());
        }
    }
}
