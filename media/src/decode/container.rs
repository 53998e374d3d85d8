//! The formats that the library `symphonia` reads.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::FileError;
use super::gather::Gather;
use crate::pcm::Pcm;

/// The most channels that are mixed.
const CHANNELS_MAX: usize = 64;

/// Packets that may follow each other without a sound in them: a file of nothing but errors.
const ERRORS_MAX: u32 = 2000;

pub(super) fn decode(bytes: &[u8], hint: &str, limit_seconds: u32) -> Result<Pcm, FileError> {
    // The library is written not to panic; if it does, that costs one file and not the process.
    let decoded = catch_unwind(AssertUnwindSafe(|| read(bytes, hint, limit_seconds)));
    decoded.unwrap_or(Err(FileError::Malformed))
}

fn read(bytes: &[u8], hint: &str, limit_seconds: u32) -> Result<Pcm, FileError> {
    let source = Cursor::new(bytes);
    let source = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let mut names = Hint::new();
    match hint.contains('/') {
        true => names.mime_type(hint),
        false => names.with_extension(hint),
    };
    let mut format = symphonia::default::get_probe()
        .probe(
            &names,
            source,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|_| FileError::Unsupported)?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or(FileError::Empty)?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|all| all.audio());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(
            parameters.ok_or(FileError::Unsupported)?,
            &AudioDecoderOptions::default(),
        )
        .map_err(|_| FileError::Unsupported)?;
    let mut gather = Gather::new(limit_seconds);
    let mut samples: Vec<i16> = Vec::new();
    let mut errors = 0;
    while errors < ERRORS_MAX {
        // Whatever goes wrong here, the file is at its end.
        let Ok(Some(packet)) = format.next_packet() else {
            break;
        };
        if packet.track_id != track_id {
            errors += 1;
            continue;
        }
        match decoder.decode(&packet) {
            Ok(decoded) if decoded.frames() > 0 => {
                let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
                if channels > CHANNELS_MAX {
                    return Err(FileError::Unsupported);
                }
                decoded.copy_to_vec_interleaved(&mut samples);
                gather.push(&samples, channels, rate)?;
                errors = 0;
            }
            Ok(_) | Err(Error::DecodeError(_) | Error::IoError(_)) => errors += 1,
            Err(_) => break,
        }
    }
    Ok(gather.finish())
}
