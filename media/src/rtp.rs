//! RTP packets (RFC 3550 §5.1).

/// What is told of a packet before its payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl Header {
    /// Reads a packet: its header, and where its payload is.
    pub(crate) fn parse(packet: &[u8]) -> Option<(Self, std::ops::Range<usize>)> {
        let [first, second, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3, ..] = *packet else {
            return None;
        };
        // RTCP on this port (RFC 5761 §4) has types that no payload type may take.
        if first >> 6 != 2 || (64..=95).contains(&(second & 0x7f)) {
            return None;
        }
        let mut start = HEADER + usize::from(first & 0x0f) * 4;
        if first & 0x10 != 0 {
            let length = packet.get(start + 2..start + 4)?;
            start += 4 + usize::from(u16::from_be_bytes([*length.first()?, *length.get(1)?])) * 4;
        }
        let mut end = packet.len();
        if first & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            end = end.checked_sub(padding).filter(|_| padding > 0)?;
        }
        if start > end {
            return None;
        }
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([q0, q1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        };
        Some((header, start..end))
    }

    /// Begins a packet.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(0x80);
        out.push(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// Whether `one` comes before `other`, among numbers that begin anew after their last.
pub(crate) const fn before(one: u16, other: u16) -> bool {
    (one.wrapping_sub(other) as i16) < 0
}

/// Bytes of a header without sources and extension.
pub(crate) const HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            marker: true,
            payload_type: 101,
            sequence: 0xfffe,
            timestamp: 0x0102_0304,
            ssrc: 0xa0b0_c0d0,
        }
    }

    #[test]
    fn there_and_back() {
        let mut packet = Vec::new();
        sample().write(&mut packet);
        packet.extend_from_slice(b"payload");
        let (header, payload) = Header::parse(&packet).unwrap();
        assert_eq!(header, sample());
        assert_eq!(&packet[payload], b"payload");
    }

    #[test]
    fn sources_extension_and_padding() {
        let mut packet = Vec::new();
        sample().write(&mut packet);
        packet[0] = 0x80 | 0x20 | 0x10 | 2;
        packet.extend_from_slice(&[9; 8]); // Two contributing sources.
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 7, 7, 7, 7]);
        packet.extend_from_slice(b"abc");
        packet.extend_from_slice(&[0, 0, 3]);
        let (_, payload) = Header::parse(&packet).unwrap();
        assert_eq!(&packet[payload], b"abc");
        for length in 0..packet.len() {
            // No part of it may be read beyond its end.
            Header::parse(&packet[..length]);
        }
        *packet.last_mut().unwrap() = 200;
        assert_eq!(Header::parse(&packet), None, "more padding than packet");
        *packet.last_mut().unwrap() = 0;
        assert_eq!(Header::parse(&packet), None, "padding without length");
    }

    #[test]
    fn not_rtp() {
        assert_eq!(Header::parse(b""), None);
        assert_eq!(Header::parse(&[0x80; 11]), None);
        assert_eq!(Header::parse(&[0x00; 40]), None, "STUN");
        let mut report = [0; 28];
        report[..2].copy_from_slice(&[0x80, 200]);
        assert_eq!(Header::parse(&report), None, "a sender report");
    }

    #[test]
    fn order_goes_round() {
        assert!(before(1, 2));
        assert!(before(0xffff, 0));
        assert!(!before(0, 0xffff));
        assert!(!before(5, 5));
    }
}
