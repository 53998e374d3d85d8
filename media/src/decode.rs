//! Files of customers, as mono sound.
//!
//! The bytes come from anybody's web server. Whatever they are, decoding ends, takes memory only for
//! the sound that the caller allows, and never panics.

mod au;
mod container;
mod gather;
mod gsm;

use crate::codec::g711;
use crate::pcm::{NARROW, Pcm};

use gather::Gather;

/// Why a file could not be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FileError {
    /// There is no sound in it.
    #[error("the file holds no sound")]
    Empty,
    /// It begins like a known format and does not go on so.
    #[error("the file is malformed")]
    Malformed,
    /// The sound is longer than the caller allows.
    #[error("the sound is too long")]
    TooLong,
    /// No known format.
    #[error("the format of the file is not supported")]
    Unsupported,
}

/// Decodes a whole file: WAV, AIFF, CAF, AU, MP3, GSM 06.10, and bytes of the µ-law or A-law.
///
/// The format is known by how the file begins; `hint` (a MIME type or the extension of a name) is
/// asked for what has no beginning of its own: raw µ-law, A-law and GSM. Several channels become
/// one. Sound at more than 8 kHz comes at 16 kHz, other at 8 kHz.
///
/// # Errors
///
/// As [`FileError`] says; a file that breaks off gives what was there before.
pub fn decode_file(bytes: &[u8], hint: Option<&str>, limit_seconds: u32) -> Result<Pcm, FileError> {
    let hint = hint.map(normal).unwrap_or_default();
    let pcm = match Format::of(bytes, &hint) {
        Format::Au => au::decode(bytes, limit_seconds),
        Format::Container => container::decode(bytes, &hint, limit_seconds),
        Format::Gsm => gsm::decode(bytes, limit_seconds),
        Format::Ulaw => companded(bytes, g711::from_ulaw, limit_seconds),
        Format::Alaw => companded(bytes, g711::from_alaw, limit_seconds),
    }?;
    match pcm.samples.is_empty() {
        true => Err(FileError::Empty),
        false => Ok(pcm),
    }
}

enum Format {
    Au,
    /// What symphonia knows.
    Container,
    Gsm,
    Ulaw,
    Alaw,
}

impl Format {
    fn of(bytes: &[u8], hint: &str) -> Self {
        const MAGIC: [&[u8]; 5] = [b"RIFF", b"RF64", b"FORM", b"caff", b"ID3"];
        if bytes.starts_with(b".snd") {
            return Self::Au;
        }
        if MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
            return Self::Container;
        }
        match hint {
            "audio/basic" | "audio/ulaw" | "audio/x-ulaw" | "audio/mulaw" | "audio/x-mulaw"
            | "audio/pcmu" | "basic" | "ulaw" | "ul" | "mulaw" | "pcmu" => Self::Ulaw,
            "audio/alaw" | "audio/x-alaw" | "audio/pcma" | "alaw" | "al" | "pcma" => Self::Alaw,
            "audio/gsm" | "audio/x-gsm" | "gsm" => Self::Gsm,
            _ => Self::Container,
        }
    }
}

/// A hint without parameters and the point of an extension, in lower case.
fn normal(hint: &str) -> String {
    let hint = hint.split(';').next().unwrap_or_default();
    hint.trim().trim_start_matches('.').to_ascii_lowercase()
}

/// A byte a sample, at 8 kHz.
fn companded(bytes: &[u8], sample: fn(u8) -> i16, limit_seconds: u32) -> Result<Pcm, FileError> {
    let mut gather = Gather::new(limit_seconds);
    for piece in bytes.chunks(4096) {
        let samples: Vec<i16> = piece.iter().map(|&byte| sample(byte)).collect();
        gather.push(&samples, 1, NARROW)?;
    }
    Ok(gather.finish())
}

#[cfg(test)]
mod tests;
