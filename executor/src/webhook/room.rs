//! A bound on what bodies that are not used up yet take in memory altogether.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that many share. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// A part of a room; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Held {
    room: Arc<Semaphore>,
    part: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

/// There is no room left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoRoom;

impl Room {
    /// A room of some bytes, in whole units.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// An empty part.
    pub(crate) fn hold(&self) -> Held {
        Held {
            room: Arc::clone(&self.0),
            part: None,
            bytes: 0,
        }
    }
}

impl Held {
    /// Makes the part larger.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = self.bytes.saturating_add(bytes);
        let held = self
            .part
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = bytes.div_ceil(UNIT).saturating_sub(held);
        if wanted > 0 {
            let units = u32::try_from(wanted).map_err(|_| NoRoom)?;
            let more = Arc::clone(&self.room).try_acquire_many_owned(units);
            let more = more.map_err(|_| NoRoom)?;
            match &mut self.part {
                Some(part) => part.merge(more),
                None => self.part = Some(more),
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

/// What is counted at once: smaller bodies count as one of it.
const UNIT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_missing_until_it_is_dropped() {
        let room = Room::new(4 * UNIT);
        let (mut one, mut other) = (room.hold(), room.hold());
        assert_eq!(one.grow(0), Ok(()));
        assert_eq!(one.grow(1), Ok(()));
        assert_eq!(one.grow(UNIT - 1), Ok(()));
        assert_eq!(room.0.available_permits(), 3);
        assert_eq!(other.grow(3 * UNIT), Ok(()));
        assert_eq!(one.grow(1), Err(NoRoom));
        assert_eq!(other.grow(usize::MAX), Err(NoRoom));
        drop(other);
        assert_eq!(one.grow(3 * UNIT), Ok(()));
        assert_eq!(room.0.available_permits(), 0);
        drop(one);
        assert_eq!(room.0.available_permits(), 4);
    }
}
