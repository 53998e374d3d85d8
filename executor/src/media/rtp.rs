//! The little of RTP that is needed without a media engine: keys as telephone events (RFC 4733).

/// Finds the keys in a stream of RTP packets.
///
/// An event is sent many times, with one timestamp; it counts once, when it is first seen.
#[derive(Debug, Default)]
pub(super) struct Keys {
    last: Option<(u32, u32, u8)>,
}

impl Keys {
    /// The key that a packet begins, if it is one of payload type `events`.
    pub(super) fn read(&mut self, packet: &[u8], events: u8) -> Option<char> {
        let [first, second, _, _, t0, t1, t2, t3, s0, s1, s2, s3, ..] = *packet else {
            return None;
        };
        if first >> 6 != 2 || second & 0x7f != events {
            return None;
        }
        // RFC 3550 §5.1: contributing sources, then an extension, stand before the payload.
        let mut start = 12 + usize::from(first & 0x0f) * 4;
        if first & 0x10 != 0 {
            let length = packet.get(start + 2..start + 4)?;
            start += 4 + usize::from(u16::from_be_bytes([length[0], length[1]])) * 4;
        }
        let event = *packet.get(start..start + 4)?.first()?;
        let source = u32::from_be_bytes([s0, s1, s2, s3]);
        let seen = (source, u32::from_be_bytes([t0, t1, t2, t3]), event);
        if self.last == Some(seen) {
            return None;
        }
        self.last = Some(seen);
        KEYS.get(usize::from(event)).map(|key| char::from(*key))
    }
}

/// RFC 4733 §3.2: the DTMF events in the order of their numbers.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timestamp: u8, event: u8) -> [u8; 16] {
        [
            0x80, 101, 0, 1, 0, 0, 0, timestamp, 1, 2, 3, 4, event, 0x8a, 0, 160,
        ]
    }

    #[test]
    fn a_key_counts_once() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(&packet(1, 5), 101), Some('5'));
        assert_eq!(keys.read(&packet(1, 5), 101), None);
        assert_eq!(keys.read(&packet(2, 5), 101), Some('5'));
        assert_eq!(keys.read(&packet(3, 11), 101), Some('#'));
        assert_eq!(keys.read(&packet(4, 16), 101), None);
        assert_eq!(keys.read(&packet(5, 1), 96), None);
    }

    #[test]
    fn odd_packets() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"", 101), None);
        assert_eq!(keys.read(&packet(1, 5)[..13], 101), None);
        let mut extended = packet(1, 5);
        extended[0] = 0x9f;
        assert_eq!(keys.read(&extended, 101), None);
    }
}
