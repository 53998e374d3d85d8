//! Which packets of a sender were there: the rollover counter and the replay window (RFC 3711
//! §3.3).

use super::SrtpError;

/// Senders that one direction keeps apart. A peer has one, and a few more over a call in which
/// streams begin anew; the one that was silent for longest makes room.
const STREAMS_MAX: usize = 8;

/// How far behind the newest packet one is still known, in packets.
const WINDOW: u64 = 128;

/// The first index that 32 bits of rollover counter cannot say.
const INDEX_END: u64 = 1 << 48;

/// The senders of a direction, the one heard last at the end.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// The highest index so far.
    newest: u64,
    /// Bit n: the index n below the newest was there.
    window: u128,
}

impl Streams {
    /// The index that belongs to a sequence number: the nearest to the newest packet (appendix A).
    pub(super) fn guess(&self, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let Some(stream) = self.find(ssrc) else {
            return Ok(sequence.into());
        };
        let ahead = sequence.wrapping_sub(stream.newest as u16) as i16;
        let index = stream.newest.checked_add_signed(ahead.into());
        match index.ok_or(SrtpError::Replayed)? {
            index if index < INDEX_END => Ok(index),
            _ => Err(SrtpError::Exhausted),
        }
    }

    /// Refuses an index that was there, or is too old to know.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        let behind = self.find(ssrc).and_then(|stream| {
            let behind = stream.newest.checked_sub(index)?;
            Some((stream.window, behind))
        });
        match behind {
            Some((window, behind)) if behind >= WINDOW || window >> behind & 1 == 1 => {
                Err(SrtpError::Replayed)
            }
            _ => Ok(()),
        }
    }

    /// Notes an index that was checked.
    pub(super) fn seen(&mut self, ssrc: u32, index: u64) {
        let at = self.0.iter().position(|stream| stream.ssrc == ssrc);
        let mut stream = match at {
            Some(at) => self.0.remove(at),
            None => Stream {
                ssrc,
                newest: index,
                window: 0,
            },
        };
        match stream.newest.checked_sub(index) {
            Some(behind) if behind < WINDOW => stream.window |= 1 << behind,
            Some(_) => {}
            None => {
                let ahead = index - stream.newest;
                stream.window = match ahead < WINDOW {
                    true => stream.window << ahead | 1,
                    false => 1,
                };
                stream.newest = index;
            }
        }
        if self.0.len() >= STREAMS_MAX {
            self.0.remove(0);
        }
        self.0.push(stream);
    }

    fn find(&self, ssrc: u32) -> Option<&Stream> {
        self.0.iter().rev().find(|stream| stream.ssrc == ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(streams: &mut Streams, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let index = streams.guess(ssrc, sequence)?;
        streams.check(ssrc, index)?;
        streams.seen(ssrc, index);
        Ok(index)
    }

    #[test]
    fn counts_on_over_the_wrap_in_any_order() {
        let mut streams = Streams::default();
        let sequences = [0xFFFE, 1, 0xFFFF, 0, 0x7FFF, 0xFFF0, 3];
        let indexes = sequences.map(|sequence| take(&mut streams, 5, sequence));
        let expected = [
            0xFFFE, 0x1_0001, 0xFFFF, 0x1_0000, 0x1_7FFF, 0x1_FFF0, 0x2_0003,
        ];
        assert_eq!(indexes, expected.map(Ok));
    }

    #[test]
    fn takes_each_index_once_and_none_that_is_too_old() {
        let mut streams = Streams::default();
        assert_eq!(take(&mut streams, 1, 1000), Ok(1000));
        assert_eq!(take(&mut streams, 1, 1000), Err(SrtpError::Replayed));
        assert_eq!(take(&mut streams, 1, 873), Ok(873));
        assert_eq!(take(&mut streams, 1, 873), Err(SrtpError::Replayed));
        assert_eq!(take(&mut streams, 1, 872), Err(SrtpError::Replayed));
        assert_eq!(take(&mut streams, 1, 1127), Ok(1127));
        assert_eq!(take(&mut streams, 1, 1000), Err(SrtpError::Replayed));
        assert_eq!(take(&mut streams, 1, 1001), Ok(1001));
        assert_eq!(take(&mut streams, 1, 9000), Ok(9000));
        assert_eq!(take(&mut streams, 1, 8999), Ok(8999));
        // Another sender has its own numbers.
        assert_eq!(take(&mut streams, 2, 1000), Ok(1000));
    }

    #[test]
    fn nothing_comes_before_the_first_index() {
        let mut streams = Streams::default();
        assert_eq!(take(&mut streams, 1, 2), Ok(2));
        assert_eq!(take(&mut streams, 1, 0xFFFF), Err(SrtpError::Replayed));
    }

    #[test]
    fn ends_with_the_last_index() {
        let mut streams = Streams::default();
        streams.seen(1, INDEX_END - 1);
        assert_eq!(take(&mut streams, 1, 0), Err(SrtpError::Exhausted));
    }

    #[test]
    fn keeps_a_bounded_number_of_senders() {
        let mut streams = Streams::default();
        for ssrc in 0..100 {
            take(&mut streams, ssrc, 7).unwrap();
        }
        assert_eq!(streams.0.len(), STREAMS_MAX);
        assert_eq!(take(&mut streams, 99, 7), Err(SrtpError::Replayed));
    }
}
