//! Which exchange a transaction belongs to.

use sip::{ClientId, ServerId};

use crate::exchange::Key;

/// What belongs to transactions of either side, by the place that their ids have. It is as large as
/// the transactions that live at a time are many, grows by chunks, and is empty when it holds nothing.
#[derive(Debug, Default)]
pub(crate) struct Places {
    chunks: Vec<Box<[Slot; CHUNK]>>,
    filled: usize,
    /// What belongs to those that have ended, and whose place another has, until they are removed.
    late: Vec<(usize, Slot)>,
}

/// The exchange and the branch of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    serial: u32,
    index: u32,
    /// The generation of the exchange, and in the lowest byte the branch. Of a slot that is free, 0:
    /// no exchange has that generation.
    rest: u32,
}

/// The id of a transaction.
pub(crate) trait Id: Copy {
    /// A number that no other living transaction has.
    fn place(self) -> usize;
    /// Tells it from those that had the place before.
    fn serial(self) -> u32;
}

impl Id for ClientId {
    fn place(self) -> usize {
        self.place()
    }

    fn serial(self) -> u32 {
        self.serial()
    }
}

impl Id for ServerId {
    fn place(self) -> usize {
        self.place()
    }

    fn serial(self) -> u32 {
        self.serial()
    }
}

impl Slot {
    fn of(id: impl Id, key: Key, branch: usize) -> Self {
        debug_assert!(branch < 256);
        Self {
            serial: id.serial(),
            index: key.index,
            rest: key.generation << 8 | branch as u32 & 0xff,
        }
    }

    fn belongs_to(self, id: impl Id) -> bool {
        self.serial == id.serial() && !self.is_free()
    }

    const fn is_free(self) -> bool {
        self.rest == 0
    }

    const fn owner(self) -> (Key, usize) {
        let key = Key {
            index: self.index,
            generation: self.rest >> 8,
        };
        (key, (self.rest & 0xff) as usize)
    }
}

impl Places {
    /// Keeps the exchange and the branch that `id` belongs to, until it is removed.
    pub(crate) fn insert(&mut self, id: impl Id, key: Key, branch: usize) {
        let place = id.place();
        while self.chunks.len() * CHUNK <= place {
            self.chunks.push(Box::new([Slot::default(); CHUNK]));
        }
        if let Some(slot) = self.slot_mut(place) {
            let former = std::mem::replace(slot, Slot::of(id, key, branch));
            match former.is_free() {
                true => self.filled += 1,
                false => self.late.push((place, former)),
            }
        }
    }

    /// The exchange and the branch that `id` belongs to.
    pub(crate) fn get(&self, id: impl Id) -> Option<(Key, usize)> {
        let place = id.place();
        let chunk = self.chunks.get(place / CHUNK)?;
        let slot = *chunk.get(place % CHUNK)?;
        if slot.belongs_to(id) {
            return Some(slot.owner());
        }
        let mut late = self.late.iter();
        late.find(|(at, slot)| *at == place && slot.belongs_to(id))
            .map(|(_, slot)| slot.owner())
    }

    /// Forgets what `id` belongs to.
    pub(crate) fn remove(&mut self, id: impl Id) -> Option<(Key, usize)> {
        let place = id.place();
        let slot = self.slot_mut(place)?;
        if !slot.belongs_to(id) {
            let mut late = self.late.iter();
            let at = late.position(|(at, slot)| *at == place && slot.belongs_to(id))?;
            let owner = self.late.swap_remove(at).1.owner();
            self.rest();
            return Some(owner);
        }
        let owner = std::mem::take(slot).owner();
        self.filled -= 1;
        self.rest();
        Some(owner)
    }

    /// Gives the memory of a burst back once nothing is kept.
    fn rest(&mut self) {
        if self.filled == 0 && self.chunks.len() > IDLE_CHUNKS && self.late.is_empty() {
            self.chunks = Vec::new();
        }
    }

    fn slot_mut(&mut self, place: usize) -> Option<&mut Slot> {
        self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }
}

/// Slots of a chunk.
const CHUNK: usize = 1024;
/// Chunks that an idle table may keep.
const IDLE_CHUNKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Other(usize, u32);

    impl Id for Other {
        fn place(self) -> usize {
            self.0
        }

        fn serial(self) -> u32 {
            self.1
        }
    }

    fn key(number: u32) -> Key {
        Key {
            index: number,
            generation: 0xff_ffff,
        }
    }

    #[test]
    fn a_place_that_is_used_again_loses_nothing() {
        let mut places = Places::default();
        places.insert(Other(2, 1), key(7), 0);
        places.insert(Other(2, 2), key(8), 255);
        assert_eq!(places.get(Other(2, 1)), Some((key(7), 0)));
        assert_eq!(places.get(Other(2, 2)), Some((key(8), 255)));
        assert_eq!(places.get(Other(2, 3)), None);
        assert_eq!(places.get(Other(3, 1)), None);
        assert_eq!(places.get(Other(9 * CHUNK, 1)), None);
        assert_eq!(places.remove(Other(2, 2)), Some((key(8), 255)));
        assert_eq!(places.remove(Other(2, 1)), Some((key(7), 0)));
        assert_eq!(places.remove(Other(2, 1)), None);
        assert!(places.late.is_empty());
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let mut places = Places::default();
        let burst = 2 * IDLE_CHUNKS * CHUNK;
        for place in 0..burst {
            places.insert(Other(place, 0), key(place as u32), 1);
        }
        for place in 0..burst {
            let owner = Some((key(place as u32), 1));
            assert_eq!(places.remove(Other(place, 0)), owner);
        }
        assert_eq!(places.chunks.capacity(), 0);
    }

    #[test]
    fn what_is_late_is_not_given_back() {
        let mut places = Places::default();
        let far = 2 * IDLE_CHUNKS * CHUNK;
        places.insert(Other(far, 1), key(7), 0);
        places.insert(Other(far, 2), key(8), 0);
        assert_eq!(places.remove(Other(far, 2)), Some((key(8), 0)));
        assert_eq!(places.get(Other(far, 1)), Some((key(7), 0)));
        assert_eq!(places.remove(Other(far, 1)), Some((key(7), 0)));
        assert_eq!(places.chunks.capacity(), 0);
    }
}
