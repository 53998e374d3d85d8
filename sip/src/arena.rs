//! Storage with stable small keys that outlive what they name without ever naming something else.

/// Where an entry lives: its slot, and which of the slot's tenants it is.
///
/// Generations come from one counter of the arena, so a key is ambiguous only after 2^32 further
/// insertions, and an emptied arena may give its memory back without forgetting old keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A slab whose keys carry a generation. It grows by chunks, so that no entry ever moves.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    chunks: Vec<Box<Chunk<T>>>,
    /// The slot that was freed last.
    free: u32,
    len: usize,
    generation: u32,
}

type Chunk<T> = [Slot<T>; CHUNK];

#[derive(Debug)]
struct Slot<T> {
    /// The generation of the tenant; without one, the next free slot.
    mark: u32,
    value: Option<T>,
}

impl<T> Arena<T> {
    /// Memory of one entry.
    pub(crate) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: NIL,
            len: 0,
            generation: 0,
        }
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Key {
        if self.free == NIL {
            self.grow();
        }
        self.generation = self.generation.wrapping_add(1);
        let (index, generation) = (self.free, self.generation);
        if let Some(slot) = self.slot_mut(index) {
            let next = std::mem::replace(&mut slot.mark, generation);
            slot.value = Some(value);
            self.free = next;
            self.len += 1;
        }
        Key { index, generation }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slot(key.index)?;
        let value = slot.value.as_ref()?;
        (slot.mark == key.generation).then_some(value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.index)?;
        let value = slot.value.as_mut()?;
        (slot.mark == key.generation).then_some(value)
    }

    /// The tenant of a slot, whoever it is, with its key.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<(Key, &T)> {
        let slot = self.slot(index)?;
        let generation = slot.mark;
        Some((Key { index, generation }, slot.value.as_ref()?))
    }

    /// Drops an entry where it lies; false where it is gone.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> bool {
        let next = self.free;
        match self.slot_mut(key.index) {
            Some(slot) if slot.mark == key.generation && slot.value.is_some() => {
                slot.value = None;
                slot.mark = next;
                self.free = key.index;
                self.len -= 1;
                true
            }
            _ => false,
        }
    }

    /// Gives the memory of a past burst back, if nothing is stored any more; says whether there was some.
    pub(crate) fn release_if_empty(&mut self) -> bool {
        let burst = self.len == 0 && self.chunks.len() > IDLE_CHUNKS;
        if burst {
            self.chunks = Vec::new();
            self.free = NIL;
        }
        burst
    }

    /// Adds a chunk of free slots.
    #[cold]
    fn grow(&mut self) {
        let base = self.chunks.len() * CHUNK;
        // Every user bounds its arena far below 2^32 entries, which would be hundreds of gigabytes.
        assert!(base + CHUNK < NIL as usize, "arena of 2^32 entries");
        let end = (base + CHUNK) as u32;
        let slots: Vec<Slot<T>> = (base as u32 + 1..=end)
            .map(|next| Slot {
                mark: if next == end { self.free } else { next },
                value: None,
            })
            .collect();
        if let Ok(chunk) = Box::<Chunk<T>>::try_from(slots.into_boxed_slice()) {
            self.chunks.push(chunk);
            self.free = base as u32;
        }
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        chunk.get(index as usize % CHUNK)
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let chunk = self.chunks.get_mut(index as usize / CHUNK)?;
        chunk.get_mut(index as usize % CHUNK)
    }
}

/// Slots of a chunk.
const CHUNK: usize = 256;
const NIL: u32 = u32::MAX;
/// Chunks that an empty arena may keep.
const IDLE_CHUNKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_names_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert!(arena.remove(first));
        // The slot is free: whatever its mark says, no key fits it.
        let ghosts = (0..=2 * CHUNK as u32).chain([NIL]);
        for generation in ghosts {
            let ghost = Key {
                index: first.index,
                generation,
            };
            assert_eq!(arena.get(ghost), None);
            assert!(!arena.remove(ghost));
        }
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert!(!arena.remove(first));
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len, 1);
    }

    #[test]
    fn every_slot_of_every_chunk_serves() {
        let mut arena = Arena::new();
        let keys: Vec<Key> = (0..5 * CHUNK).map(|n| arena.insert(n)).collect();
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(arena.get(*key), Some(&n));
        }
        for key in keys.iter().step_by(3) {
            assert!(arena.remove(*key));
        }
        let freed = 5 * CHUNK - arena.len;
        let chunks = arena.chunks.len();
        for n in 0..freed {
            arena.insert(n);
        }
        assert_eq!((arena.len, arena.chunks.len()), (5 * CHUNK, chunks));
    }

    #[test]
    fn releasing_memory_keeps_old_keys_stale() {
        let mut arena = Arena::new();
        let keys: Vec<Key> = (0..5000).map(|n| arena.insert(n)).collect();
        for key in &keys {
            assert!(arena.remove(*key));
        }
        arena.release_if_empty();
        assert!(arena.chunks.is_empty());
        let fresh = arena.insert(7);
        assert!(keys.iter().all(|key| arena.get(*key).is_none()));
        assert_eq!(arena.get(fresh), Some(&7));
    }
}
