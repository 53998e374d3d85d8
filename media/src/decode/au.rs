//! Files of Sun and NeXT: `.snd`, the offset of the data, its length, the encoding, the rate and
//! the channels, as words of 32 bits, the highest byte first.

use super::FileError;
use super::gather::Gather;
use crate::codec::g711;
use crate::pcm::Pcm;

/// The most channels that are mixed.
const CHANNELS_MAX: usize = 64;

pub(super) fn decode(bytes: &[u8], limit_seconds: u32) -> Result<Pcm, FileError> {
    let word = |index: usize| {
        let at = bytes.get(4 * index..).and_then(|rest| rest.first_chunk());
        at.map(|&word| u32::from_be_bytes(word))
            .ok_or(FileError::Malformed)
    };
    let (offset, length) = (word(1)? as usize, word(2)? as usize);
    let (encoding, rate, channels) = (word(3)?, word(4)?, word(5)? as usize);
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(FileError::Unsupported);
    }
    let data = bytes.get(offset..).ok_or(FileError::Malformed)?;
    // A length of all ones is not known; one that is too long is a file that breaks off.
    let data = data.get(..length).unwrap_or(data);
    let (width, read): (usize, fn(&[u8]) -> i16) = match encoding {
        1 => (1, |bytes| {
            bytes.first().map_or(0, |&byte| g711::from_ulaw(byte))
        }),
        2 => (1, |bytes| i16::from_be_bytes([first(bytes), 0])),
        3 => (2, high),
        4 => (3, high),
        5 => (4, high),
        6 => (4, |bytes| {
            bytes
                .first_chunk()
                .map_or(0, |&word| float(f32::from_be_bytes(word).into()))
        }),
        7 => (8, |bytes| {
            bytes
                .first_chunk()
                .map_or(0, |&word| float(f64::from_be_bytes(word)))
        }),
        27 => (1, |bytes| {
            bytes.first().map_or(0, |&byte| g711::from_alaw(byte))
        }),
        _ => return Err(FileError::Unsupported),
    };
    let mut gather = Gather::new(limit_seconds);
    for piece in data.chunks(1024 * width * channels) {
        let samples: Vec<i16> = piece.chunks_exact(width).map(read).collect();
        gather.push(&samples, channels, rate)?;
    }
    Ok(gather.finish())
}

fn first(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or(0)
}

/// The upper 16 bits.
fn high(bytes: &[u8]) -> i16 {
    bytes
        .first_chunk()
        .map_or(0, |&word| i16::from_be_bytes(word))
}

/// A sample of -1 to 1. What is more is cut, and what is no number is silence.
fn float(sample: f64) -> i16 {
    (sample * 32_768.0) as i16
}
