//! RTCP: what was received, in numbers for the sender (RFC 3550 §6).

use std::time::Duration;

/// What has come of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    started: bool,
    /// The first and the highest sequence number, the latter with its cycles.
    base: u32,
    highest: u32,
    received: u32,
    expected_before: u32,
    received_before: u32,
    /// Losses that were told.
    told: u32,
    /// What would follow a number that is far from where the stream is.
    follows: Option<u16>,
    transit: i64,
    /// RFC 3550 §A.8, in sixteenths.
    jitter: i64,
}

impl Reception {
    /// Another stream begins.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Counts a packet that came at `arrival`, in units of the timestamp.
    pub(crate) fn count(&mut self, sequence: u16, timestamp: u32, arrival: u32) {
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if !self.started {
            self.started = true;
            self.base = u32::from(sequence);
            self.highest = self.base;
            self.transit = transit;
        }
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < DROPOUT_MAX {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        } else if ahead < u16::MAX - MISORDER_MAX {
            // RFC 3550 §A.1: two in a row are a stream that has begun anew, one is a stray.
            if self.follows != Some(sequence) {
                self.follows = Some(sequence.wrapping_add(1));
                return;
            }
            self.restart();
            return self.count(sequence, timestamp, arrival);
        }
        self.received = self.received.wrapping_add(1);
        let change = (transit - self.transit).abs().min(i64::from(u16::MAX));
        self.transit = transit;
        self.jitter += change - ((self.jitter + 8) >> 4);
    }

    /// Losses since this was last asked. One that comes late after all is not lost a second time.
    pub(crate) fn losses(&mut self) -> u32 {
        let lost = self.lost();
        let more = lost.saturating_sub(self.told);
        self.told = self.told.max(lost);
        more
    }

    /// The jitter as a report tells it, in microseconds by the clock of the timestamps; `None` if
    /// nothing has come.
    pub(crate) fn jitter_micros(&self, clock: u32) -> Option<u64> {
        let sixteenths = u64::try_from(self.jitter).unwrap_or(0);
        let micros = sixteenths * 1_000_000 / 16;
        micros.checked_div(clock.into()).filter(|_| self.started)
    }

    /// Packets that should have come and did not.
    pub(crate) fn lost(&self) -> u32 {
        self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u32 {
        if self.started {
            self.highest.wrapping_sub(self.base).wrapping_add(1)
        } else {
            0
        }
    }

    /// A report block (RFC 3550 §6.4.1), and the end of its interval.
    fn report(&mut self, ssrc: u32, heard: Option<Heard>, out: &mut Vec<u8>) {
        let expected = self.expected();
        let expected_now = expected.wrapping_sub(self.expected_before);
        let received_now = self.received.wrapping_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (u64::from(lost_now) << 8)
            .checked_div(u64::from(expected_now))
            .unwrap_or(0)
            .min(255);
        out.extend_from_slice(&ssrc.to_be_bytes());
        let lost = self.lost().min(0x7f_ffff);
        out.extend_from_slice(&((fraction as u32) << 24 | lost).to_be_bytes());
        out.extend_from_slice(&self.highest.to_be_bytes());
        out.extend_from_slice(&((self.jitter >> 4) as u32).to_be_bytes());
        let (last, delay) = heard.map_or((0, 0), |heard| (heard.report, heard.delay()));
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&delay.to_be_bytes());
    }
}

/// When the last sender report came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Heard {
    /// The middle of its NTP time.
    pub(crate) report: u32,
    /// How long ago.
    pub(crate) ago: Duration,
}

impl Heard {
    /// In units of 1/65536 s.
    fn delay(self) -> u32 {
        u32::try_from((self.ago.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
    }
}

/// What we sent, for a sender report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Since 1970.
    pub(crate) now: Duration,
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// Writes a compound packet: SR or RR, SDES, and BYE if it is the last.
pub(crate) fn write(
    out: &mut Vec<u8>,
    ssrc: u32,
    sent: Option<Sent>,
    received: Option<(u32, &mut Reception, Option<Heard>)>,
    cname: &str,
    last: bool,
) {
    out.clear();
    let blocks = u8::from(received.is_some());
    let kind = if sent.is_some() {
        SENDER_REPORT
    } else {
        RECEIVER_REPORT
    };
    let words = if sent.is_some() { 6 } else { 1 } + u16::from(blocks) * 6;
    out.extend_from_slice(&[0x80 | blocks, kind]);
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(sent) = sent {
        let seconds = sent.now.as_secs().wrapping_add(NTP_EPOCH) as u32;
        let fraction = (u64::from(sent.now.subsec_nanos()) << 32) / 1_000_000_000;
        out.extend_from_slice(&seconds.to_be_bytes());
        out.extend_from_slice(&(fraction as u32).to_be_bytes());
        out.extend_from_slice(&sent.timestamp.to_be_bytes());
        out.extend_from_slice(&sent.packets.to_be_bytes());
        out.extend_from_slice(&sent.octets.to_be_bytes());
    }
    if let Some((ssrc, reception, heard)) = received {
        reception.report(ssrc, heard, out);
    }
    // RFC 3550 §6.5: one chunk, ended by at least one zero and filled up to a word.
    let cname = cname.as_bytes();
    let cname = cname.get(..cname.len().min(64)).unwrap_or_default();
    let chunk = (4 + 2 + cname.len() + 1).next_multiple_of(4);
    out.extend_from_slice(&[0x81, SDES]);
    out.extend_from_slice(&((chunk / 4) as u16).to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    out.resize(out.len() + chunk - 6 - cname.len(), 0);
    if last {
        out.extend_from_slice(&[0x81, BYE, 0, 1]);
        out.extend_from_slice(&ssrc.to_be_bytes());
    }
}

/// Whether a datagram on a port that RTP and RTCP share is RTCP (RFC 5761 §4): the types of RTCP are
/// payload types that no codec takes.
pub(crate) fn is_report(packet: &[u8]) -> bool {
    matches!(packet, [first, 192..=223, ..] if first >> 6 == 2)
}

/// The sender report in a compound packet: its source, and the middle of its NTP time.
pub(crate) fn sender_report(mut packet: &[u8]) -> Option<(u32, u32)> {
    while let [first, kind, l0, l1, rest @ ..] = packet {
        let length = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
        if first >> 6 != 2 || rest.len() < length {
            return None;
        }
        let (body, after) = rest.split_at(length);
        if *kind == SENDER_REPORT
            && let [s0, s1, s2, s3, _, _, n0, n1, n2, n3, ..] = *body
        {
            let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
            return Some((ssrc, u32::from_be_bytes([n0, n1, n2, n3])));
        }
        packet = after;
    }
    None
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;

/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// RFC 3550 §A.1.
const DROPOUT_MAX: u16 = 3000;
const MISORDER_MAX: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_jitter() {
        let mut reception = Reception::default();
        for number in 0..100_u32 {
            // Each tenth is lost; the odd ones come 10 ms late.
            if number % 10 != 5 {
                let late = number % 2 * 80;
                let sequence = (65_500 + number) as u16;
                reception.count(sequence, number * 160, 7_000_000 + number * 160 + late);
            }
        }
        assert_eq!(reception.lost(), 10);
        let mut block = Vec::new();
        reception.report(9, None, &mut block);
        assert_eq!(block.len(), 24);
        assert_eq!(block[4], 25, "a tenth of 256");
        assert_eq!(&block[5..8], &[0, 0, 10]);
        assert_eq!(&block[8..12], &(65_599_u32).to_be_bytes());
        let jitter = u32::from_be_bytes(block[12..16].try_into().unwrap());
        assert!((60..=80).contains(&jitter), "{jitter}");
        let micros = reception.jitter_micros(8000).unwrap();
        assert_eq!(micros / 125, u64::from(jitter));
        assert_eq!(reception.jitter_micros(0), None);
        assert_eq!(Reception::default().jitter_micros(8000), None);
        // A second interval in which nothing is lost.
        reception.count(64, 16_000, 7_016_000);
        block.clear();
        reception.report(9, None, &mut block);
        assert_eq!(block[4], 0);
    }

    #[test]
    fn a_stream_that_begins_anew_loses_nothing() {
        let mut reception = Reception::default();
        for sequence in [1_u16, 2, 3, 40_000, 40_001, 40_000] {
            reception.count(sequence, 0, 0);
        }
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.highest, 40_001);
    }

    #[test]
    fn a_stray_number_changes_nothing() {
        let mut reception = Reception::default();
        for sequence in [1_u16, 2, 40_000, 3, 20_000, 4] {
            reception.count(sequence, 0, 0);
        }
        assert_eq!((reception.lost(), reception.highest), (0, 4));
    }

    #[test]
    fn a_loss_is_told_once() {
        let mut reception = Reception::default();
        let mut losses = |sequence| {
            reception.count(sequence, 0, 0);
            reception.losses()
        };
        let told: Vec<u32> = [1, 4, 3, 5, 7, 6, 9].map(&mut losses).into();
        // 2, 6 and 8 are missing when they are asked for; 3 and 6 come late.
        assert_eq!(told, [0, 2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn reports_are_read_back() {
        let mut reception = Reception::default();
        reception.count(1, 0, 0);
        let heard = Heard {
            report: 5,
            ago: Duration::from_millis(1500),
        };
        let sent = Sent {
            now: Duration::new(1_000_000_000, 500_000_000),
            timestamp: 77,
            packets: 3,
            octets: 480,
        };
        let mut packet = Vec::new();
        let received = Some((9, &mut reception, Some(heard)));
        write(&mut packet, 0x0102_0304, Some(sent), received, "name", true);
        assert_eq!(packet.len() % 4, 0);
        assert_eq!(packet.len(), 28 + 24 + 4 + 12 + 8);
        let seconds = (1_000_000_000_u64 + NTP_EPOCH) as u32;
        let middle = (seconds << 16) | 0x8000;
        assert_eq!(sender_report(&packet), Some((0x0102_0304, middle)));
        assert_eq!(&packet[44..52], &[0, 0, 0, 5, 0, 1, 0x80, 0], "1.5 s ago");
        assert_eq!(&packet[packet.len() - 8..][..2], &[0x81, BYE]);
        write(&mut packet, 1, None, None, "", false);
        assert_eq!(packet[1], RECEIVER_REPORT);
        assert_eq!(packet.len(), 8 + 4 + 8);
        assert_eq!(sender_report(&packet), None);
    }

    #[test]
    fn cut_reports_are_not_read() {
        let mut packet = Vec::new();
        let sent = Sent {
            now: Duration::ZERO,
            timestamp: 0,
            packets: 0,
            octets: 0,
        };
        write(&mut packet, 1, Some(sent), None, "name", false);
        for length in 0..28 {
            assert_eq!(sender_report(&packet[..length]), None);
        }
        assert_eq!(sender_report(&[0x80, 200, 0, 0, 0x80, 200, 0, 1, 0]), None);
    }
}
