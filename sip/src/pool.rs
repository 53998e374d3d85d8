//! Storage of messages that are gone, for the ones that come: each thread keeps some.
//!
//! So a message stays small enough to be moved, and its rows and its edited text cost no allocation
//! once a thread has had as many messages at a time.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use crate::headers::Row;

/// A vector whose storage comes from this thread's shelf and goes back there.
#[derive(Debug)]
pub(crate) struct Stored<T: Kept>(Vec<T>);

/// What is stored so.
pub(crate) trait Kept: Copy + 'static {
    /// Items that a new storage has room for.
    const CAPACITY: usize;
    /// A storage that grew beyond this is not kept.
    const CAPACITY_MAX: usize;

    fn shelf() -> &'static LocalKey<Shelf<Self>>;
}

type Shelf<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static ROWS: Shelf<Row> = const { RefCell::new(Vec::new()) };
    static TEXT: Shelf<u8> = const { RefCell::new(Vec::new()) };
}

impl Kept for Row {
    /// Carrier INVITEs have 12 to 20, and edits add a few.
    const CAPACITY: usize = 24;
    const CAPACITY_MAX: usize = 96;

    #[inline]
    fn shelf() -> &'static LocalKey<Shelf<Self>> {
        &ROWS
    }
}

impl Kept for u8 {
    /// Via, Record-Route and a handful of X- headers.
    const CAPACITY: usize = 640;
    const CAPACITY_MAX: usize = 2 * 1024;

    #[inline]
    fn shelf() -> &'static LocalKey<Shelf<Self>> {
        &TEXT
    }
}

impl<T: Kept> Stored<T> {
    /// Without storage: that is taken when it is needed.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// With storage.
    #[inline]
    pub(crate) fn taken() -> Self {
        // A thread that is ending has no shelf any more.
        let kept = T::shelf().try_with(|shelf| shelf.borrow_mut().pop());
        match kept {
            Ok(Some(storage)) => Self(storage),
            _ => Self(Vec::with_capacity(T::CAPACITY)),
        }
    }

    /// Keeps the items in storage of their size, and puts what was larger on the shelf.
    pub(crate) fn compact(&mut self) {
        if self.0.len() < self.0.capacity() {
            *self = Self(self.0.as_slice().to_vec());
        }
    }

    /// To write to.
    #[inline]
    pub(crate) fn ready(&mut self) -> &mut Vec<T> {
        if self.0.capacity() == 0 {
            self.take();
        }
        &mut self.0
    }

    /// Out of line, so that an edit stays small where it is written out: it comes once a message.
    #[inline(never)]
    fn take(&mut self) {
        *self = Self::taken();
    }
}

impl<T: Kept> Deref for Stored<T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Kept> DerefMut for Stored<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Kept> Clone for Stored<T> {
    #[inline]
    fn clone(&self) -> Self {
        if self.0.is_empty() {
            return Self::none();
        }
        let mut copy = Self::taken();
        copy.0.extend_from_slice(&self.0);
        copy
    }
}

impl<T: Kept> Drop for Stored<T> {
    #[inline]
    fn drop(&mut self) {
        if !(T::CAPACITY..=T::CAPACITY_MAX).contains(&self.0.capacity()) {
            return;
        }
        let mut storage = std::mem::take(&mut self.0);
        storage.clear();
        T::shelf()
            .try_with(|shelf| {
                let mut shelf = shelf.borrow_mut();
                if shelf.len() < KEPT_MAX {
                    shelf.push(storage);
                }
            })
            .unwrap_or_default();
    }
}

/// Storages that a thread keeps of each kind.
const KEPT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_used_again() {
        let mut text = Stored::<u8>::none();
        text.ready().extend_from_slice(b"abc");
        let place = text.as_ptr();
        let mut copy = text.clone();
        assert_eq!((&copy[..], copy.capacity()), (&b"abc"[..], u8::CAPACITY));
        copy.compact();
        assert_eq!((&copy[..], copy.capacity()), (&b"abc"[..], 3));
        drop((copy, text));
        let text = Stored::<u8>::taken();
        assert_eq!((text.as_ptr(), text.len()), (place, 0));
    }

    #[test]
    fn a_shelf_is_bounded() {
        let many: Vec<_> = (0..2 * KEPT_MAX).map(|_| Stored::<Row>::taken()).collect();
        drop(many);
        assert_eq!(ROWS.with(|shelf| shelf.borrow().len()), KEPT_MAX);
        let mut large = Stored::<u8>::taken();
        large.reserve(u8::CAPACITY_MAX + 1);
        let before = TEXT.with(|shelf| shelf.borrow().len());
        drop(large);
        assert_eq!(TEXT.with(|shelf| shelf.borrow().len()), before);
    }
}
