//! Secure RTP (RFC 3711) with keys from the session description (RFC 4568), for the suites with
//! AES in counter mode and HMAC-SHA1.
//!
//! A [`Srtp`] is one direction: ours with the keys that we offered or answered, the peer's with
//! its. A packet is changed in place; one that is refused is left in a state of no use.

mod cipher;
mod keys;
mod stream;

use cipher::{Session, TAG_RTCP};
use stream::Streams;

pub use keys::{Crypto, KEY_AND_SALT, KeyError, SrtpKeys, Suite};

/// Bytes of the fixed header of RTP.
const RTP_HEADER: usize = 12;

/// Bytes of a RTCP packet that stay readable: the first header and the sender (RFC 3711 §3.4).
const RTCP_HEADER: usize = 8;

/// Bytes of the field with the E flag and the index of SRTCP.
const RTCP_INDEX: usize = 4;

/// The E flag: the packet is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Why a packet was neither sent nor taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SrtpError {
    /// It was not made with these keys, or changed on the way.
    #[error("the authentication tag is wrong")]
    Authentication,
    /// The keys have protected as many packets as they may (RFC 3711 §9.2).
    #[error("the keys are used up")]
    Exhausted,
    /// It is no RTP or RTCP packet, or too short to be protected.
    #[error("not a packet")]
    Malformed,
    /// It was there already, or is too old to know.
    #[error("replayed or too old")]
    Replayed,
}

/// One direction of a session, RTP and RTCP.
#[derive(Debug)]
pub struct Srtp {
    rtp: Session,
    rtcp: Session,
    /// Bytes of the tag of an RTP packet.
    tag: usize,
    /// The identifier of the master key that every packet carries, or nothing.
    mki: Vec<u8>,
    rtp_streams: Streams,
    rtcp_streams: Streams,
    /// Index of the next RTCP packet that is sent.
    rtcp_index: u32,
}

impl Srtp {
    /// The beginning of a direction with these keys.
    #[must_use]
    pub fn new(keys: &SrtpKeys) -> Self {
        let (rtp, rtcp) = cipher::sessions(keys);
        Self {
            rtp,
            rtcp,
            tag: keys.suite().tag_length(),
            mki: keys.mki().to_vec(),
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
            rtcp_index: 0,
        }
    }

    /// Makes an RTP packet a SRTP packet.
    ///
    /// # Errors
    ///
    /// It is no RTP packet, its sequence number was used already (a second packet under the same
    /// key stream would give both away), or the keys are used up.
    pub fn protect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let rtp = Rtp::read(packet, packet.len())?;
        let index = self.rtp_streams.guess(rtp.ssrc, rtp.sequence)?;
        self.rtp_streams.check(rtp.ssrc, index)?;
        self.rtp.apply(rtp.ssrc, index, body(packet, rtp.payload)?);
        let tag = self.rtp.tag(packet, &rollover(index));
        packet.extend(&self.mki);
        packet.extend(tag.iter().take(self.tag));
        self.rtp_streams.seen(rtp.ssrc, index);
        Ok(())
    }

    /// Makes a SRTP packet an RTP packet.
    ///
    /// # Errors
    ///
    /// It is no SRTP packet with these keys, or was there already. Only a packet that is authentic
    /// leaves a trace.
    pub fn unprotect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let end = self.end(packet, self.tag)?;
        let rtp = Rtp::read(packet, end)?;
        let index = self.rtp_streams.guess(rtp.ssrc, rtp.sequence)?;
        self.rtp_streams.check(rtp.ssrc, index)?;
        self.verify(&self.rtp, packet, end, &rollover(index))?;
        packet.truncate(end);
        self.rtp.apply(rtp.ssrc, index, body(packet, rtp.payload)?);
        self.rtp_streams.seen(rtp.ssrc, index);
        Ok(())
    }

    /// Makes a compound RTCP packet a SRTCP packet.
    ///
    /// # Errors
    ///
    /// It is no RTCP packet, or the keys are used up.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = rtcp_sender(packet)?;
        if self.rtcp_index >= RTCP_ENCRYPTED {
            return Err(SrtpError::Exhausted);
        }
        let index = self.rtcp_index;
        self.rtcp
            .apply(ssrc, index.into(), body(packet, RTCP_HEADER)?);
        packet.extend((RTCP_ENCRYPTED | index).to_be_bytes());
        let tag = self.rtcp.tag(packet, &[]);
        packet.extend(&self.mki);
        packet.extend(tag.iter().take(TAG_RTCP));
        self.rtcp_index += 1;
        Ok(())
    }

    /// Makes a SRTCP packet a compound RTCP packet.
    ///
    /// # Errors
    ///
    /// As those of [`unprotect`](Self::unprotect).
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let end = self.end(packet, TAG_RTCP)?;
        let ssrc = rtcp_sender(packet)?;
        let start = end.checked_sub(RTCP_INDEX).filter(|&at| at >= RTCP_HEADER);
        let start = start.ok_or(SrtpError::Malformed)?;
        let field = word(packet, start)?;
        let index = u64::from(field & !RTCP_ENCRYPTED);
        self.rtcp_streams.check(ssrc, index)?;
        self.verify(&self.rtcp, packet, end, &[])?;
        packet.truncate(start);
        // The E flag is under the tag, so it is the peer's word that the rest is in the clear.
        if field & RTCP_ENCRYPTED != 0 {
            self.rtcp.apply(ssrc, index, body(packet, RTCP_HEADER)?);
        }
        self.rtcp_streams.seen(ssrc, index);
        Ok(())
    }

    /// Where the part under the tag ends.
    fn end(&self, packet: &[u8], tag: usize) -> Result<usize, SrtpError> {
        let behind = tag + self.mki.len();
        packet.len().checked_sub(behind).ok_or(SrtpError::Malformed)
    }

    /// Checks what stands behind the part under the tag.
    fn verify(
        &self,
        session: &Session,
        packet: &[u8],
        end: usize,
        rollover: &[u8],
    ) -> Result<(), SrtpError> {
        let (signed, behind) = packet.split_at_checked(end).ok_or(SrtpError::Malformed)?;
        let tag = behind.strip_prefix(&self.mki[..]);
        match tag.is_some_and(|tag| session.verify(signed, rollover, tag)) {
            true => Ok(()),
            false => Err(SrtpError::Authentication),
        }
    }
}

/// What of an RTP packet has to be known.
struct Rtp {
    ssrc: u32,
    sequence: u16,
    /// Where the payload begins.
    payload: usize,
}

impl Rtp {
    /// Reads the header of a packet that ends at `end` (RFC 3550 §5.1).
    fn read(packet: &[u8], end: usize) -> Result<Self, SrtpError> {
        let Some((&[first, _, high, low], _)) = packet.split_first_chunk() else {
            return Err(SrtpError::Malformed);
        };
        if first >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let mut payload = RTP_HEADER + 4 * usize::from(first & 0x0F);
        if first & 0x10 != 0 {
            let words = word(packet, payload)? & 0xFFFF;
            payload += 4 + 4 * words as usize;
        }
        if payload > end {
            return Err(SrtpError::Malformed);
        }
        Ok(Self {
            ssrc: word(packet, 8)?,
            sequence: u16::from_be_bytes([high, low]),
            payload,
        })
    }
}

/// The sender of a compound RTCP packet.
fn rtcp_sender(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first() {
        Some(first) if first >> 6 == 2 => word(packet, 4),
        _ => Err(SrtpError::Malformed),
    }
}

fn word(packet: &[u8], at: usize) -> Result<u32, SrtpError> {
    let bytes = packet.get(at..).and_then(|rest| rest.first_chunk());
    bytes
        .map(|&bytes| u32::from_be_bytes(bytes))
        .ok_or(SrtpError::Malformed)
}

fn body(packet: &mut [u8], start: usize) -> Result<&mut [u8], SrtpError> {
    packet.get_mut(start..).ok_or(SrtpError::Malformed)
}

/// The rollover counter of an index, which is under the tag without being sent.
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests;
