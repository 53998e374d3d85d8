//! Receive buffers that come back by themselves.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Buffers whose payload is still held by someone.
///
/// A received payload is split off its buffer and frozen; the rest of the buffer stays here as a
/// claim on the memory. When the payload is dropped, [`BytesMut::try_reclaim`] gives the whole
/// buffer back without an allocation. What is held for long (a transaction keeps its request for
/// half a minute) only costs a look now and then.
#[derive(Debug)]
pub(super) struct Pool {
    lent: VecDeque<BytesMut>,
    size: usize,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        Self {
            lent: VecDeque::new(),
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
        if self.lent.len() < LENT_MAX {
            self.lent.push_back(held);
        }
    }

    fn returned(&mut self) -> Option<BytesMut> {
        for _ in 0..LOOKS {
            let mut oldest = self.lent.pop_front()?;
            if oldest.try_reclaim(self.size) {
                return Some(oldest);
            }
            self.lent.push_back(oldest);
        }
        None
    }
}

/// Buffers that may be outstanding and still come back: 16 MiB of them a socket.
const LENT_MAX: usize = 8_192;

/// Lent buffers that are looked at before a new one is allocated.
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
    fn payloads_held_for_ever_do_not_grow_the_pool_without_bound() {
        let mut pool = Pool::new(8);
        let mut buffer = pool.fresh();
        let mut held = Vec::new();
        for _ in 0..LENT_MAX + 100 {
            buffer.extend_from_slice(b"x");
            held.push(buffer.split().freeze());
            pool.renew(&mut buffer);
        }
        assert_eq!(pool.lent.len(), LENT_MAX);
    }
}
