//! Storage with stable small keys that outlive what they name without ever naming something else.

/// Where an entry lives: its slot, and which of the slot's tenants it is.
///
/// Generations come from one counter of the arena, so a key is ambiguous only after 2^32 further
/// insertions, and an emptied arena may give its memory back without forgetting old keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

impl Key {
    /// A key that never names anything: [`Arena::insert`] refuses to hand out this index.
    pub(crate) const NONE: Self = Self {
        index: NIL,
        generation: 0,
    };
}

/// A slab whose keys carry a generation.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
    generation: u32,
}

#[derive(Debug)]
enum Slot<T> {
    Free { next: u32 },
    Used { generation: u32, value: T },
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NIL,
            len: 0,
            generation: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let used = Slot::Used { generation, value };
        let index = self.free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            if let Slot::Free { next } = *slot {
                self.free = next;
            }
            *slot = used;
            self.len += 1;
            return Key { index, generation };
        }
        let index = self.slots.len() as u32;
        // Every user bounds its arena far below 2^32 entries, which would be hundreds of gigabytes.
        assert!(index < NIL, "arena of more than 2^32 entries");
        self.slots.push(used);
        self.len += 1;
        Key { index, generation }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize) {
            Some(Slot::Used { generation, value }) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize) {
            Some(Slot::Used { generation, value }) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The tenant of a slot, whoever it is, with its key.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<(Key, &T)> {
        match self.slots.get(index as usize) {
            Some(Slot::Used { generation, value }) => {
                let generation = *generation;
                Some((Key { index, generation }, value))
            }
            _ => None,
        }
    }

    /// As [`Arena::at`], to change.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize) {
            Some(Slot::Used { value, .. }) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let slot = self.slots.get_mut(key.index as usize)?;
        let next = self.free;
        let Slot::Used { value, .. } = std::mem::replace(slot, Slot::Free { next }) else {
            return None;
        };
        self.free = key.index;
        self.len -= 1;
        Some(value)
    }

    /// Gives the memory of a past burst back, if nothing is stored any more.
    pub(crate) fn release_if_empty(&mut self) {
        if self.is_empty() && self.slots.capacity() > IDLE_CAPACITY {
            self.slots = Vec::new();
            self.free = NIL;
        }
    }
}

const NIL: u32 = u32::MAX;
/// Slots that an empty arena may keep.
const IDLE_CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_names_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.get(Key::NONE), None);
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn releasing_memory_keeps_old_keys_stale() {
        let mut arena = Arena::new();
        let keys: Vec<Key> = (0..5000).map(|n| arena.insert(n)).collect();
        for key in &keys {
            assert!(arena.remove(*key).is_some());
        }
        arena.release_if_empty();
        assert_eq!(arena.slots.capacity(), 0);
        let fresh = arena.insert(7);
        assert!(keys.iter().all(|key| arena.get(*key).is_none()));
        assert_eq!(arena.get(fresh), Some(&7));
    }
}
