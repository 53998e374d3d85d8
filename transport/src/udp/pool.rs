//! Receive buffers that come back by themselves.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Buffers whose payload is, or just was, held by someone.
///
/// A received payload is split off its buffer and frozen; the rest of the buffer stays here as a
/// claim on the memory. When the payload is dropped, [`BytesMut::try_reclaim`] gives the whole
/// buffer back without an allocation. The newest one is asked first: most payloads are gone after one
/// turn, and their memory is still in the processor's caches. What is held for long (a transaction keeps
/// its request while it rings) is put aside, and only costs a look now and then.
#[derive(Debug)]
pub(super) struct Pool {
    /// Lent in this batch: nobody has had the time to give them back.
    batch: Vec<BytesMut>,
    /// Lent in earlier batches and not looked at since, the newest at the end.
    lent: Vec<BytesMut>,
    /// Found to be held, the oldest at the front.
    held: VecDeque<BytesMut>,
    size: usize,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        Self {
            batch: Vec::new(),
            lent: Vec::new(),
            held: VecDeque::new(),
            size,
        }
    }

    /// A buffer with `size` bytes of room.
    pub(super) fn fresh(&self) -> BytesMut {
        BytesMut::with_capacity(self.size)
    }

    /// Makes `buffer`, whose payload was just split off and so is still held, ready for another
    /// datagram.
    pub(super) fn renew(&mut self, buffer: &mut BytesMut) {
        let next = self.returned().unwrap_or_else(|| self.fresh());
        let held = std::mem::replace(buffer, next);
        // Past the bound the claim is given up: the memory is freed with its payload instead of
        // coming back.
        if self.batch.len() + self.lent.len() + self.held.len() < LENT_MAX {
            self.batch.push(held);
        }
    }

    /// Ends a batch: what was lent in it may be back when the next one asks.
    pub(super) fn end_batch(&mut self) {
        self.lent.append(&mut self.batch);
    }

    fn returned(&mut self) -> Option<BytesMut> {
        for _ in 0..LOOKS {
            let Some(mut newest) = self.lent.pop() else {
                break;
            };
            if newest.try_reclaim(self.size) {
                return Some(newest);
            }
            self.held.push_back(newest);
        }
        for _ in 0..LOOKS {
            let mut oldest = self.held.pop_front()?;
            if oldest.try_reclaim(self.size) {
                return Some(oldest);
            }
            self.held.push_back(oldest);
        }
        None
    }
}

/// Buffers that may be outstanding and still come back: 16 MiB of them a socket.
const LENT_MAX: usize = 8_192;

/// Buffers of each kind that are looked at before a new one is allocated.
const LOOKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_payload_gives_its_buffer_back() {
        let mut pool = Pool::new(64);
        let mut buffer = pool.fresh();
        buffer.extend_from_slice(b"one");
        let place = buffer.as_ptr();
        let payload = buffer.split().freeze();

        pool.renew(&mut buffer);
        pool.end_batch();
        assert_ne!(
            buffer.as_ptr(),
            place,
            "the payload still holds the first buffer"
        );
        assert!(buffer.capacity() >= 64);

        drop(payload);
        buffer.extend_from_slice(b"two");
        let payload = buffer.split().freeze();
        pool.renew(&mut buffer);
        assert_eq!(buffer.as_ptr(), place, "the first buffer is in use again");
        assert_eq!(&payload[..], b"two");
    }

    #[test]
    fn the_newest_buffer_is_used_again_and_what_is_held_does_not_hide_it() {
        let mut pool = Pool::new(64);
        let mut buffer = pool.fresh();
        let mut receive = |pool: &mut Pool| {
            buffer.extend_from_slice(b"x");
            let payload = buffer.split().freeze();
            pool.renew(&mut buffer);
            pool.end_batch();
            payload
        };
        let held: Vec<_> = (0..LOOKS - 1).map(|_| receive(&mut pool)).collect();
        let mut places: Vec<_> = (0..6).map(|_| receive(&mut pool).as_ptr()).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() <= 2, "two take turns: {places:?}");
        assert!(held.iter().all(|held| !places.contains(&held.as_ptr())));
    }

    #[test]
    fn payloads_held_for_ever_do_not_grow_the_pool_without_bound() {
        let mut pool = Pool::new(8);
        let mut buffer = pool.fresh();
        let mut held = Vec::new();
        for _ in 0..LENT_MAX + 100 {
            buffer.extend_from_slice(b"x");
            held.push(buffer.split().freeze());
            pool.renew(&mut buffer);
            pool.end_batch();
        }
        assert_eq!(pool.lent.len() + pool.held.len(), LENT_MAX);
    }
}
