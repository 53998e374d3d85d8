//! MP3, by the crate `rusty_mp3`: no C, no further dependencies, and the licence of this project.
//! (LAME, the usual choice, is LGPL and builds with autotools.)
//!
//! The crate is young, so it is pinned to one version; the tests decode what it makes with another
//! library.

use std::io::{self, Read, Write};

use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

use super::WavHeader;

/// Kilobits a second for each channel at 8 kHz; transparent for a telephone line.
const KBPS_NARROW: u32 = 32;

/// The same at 16 kHz.
const KBPS_WIDE: u32 = 48;

/// Bytes of WAV that are turned into MP3 at once.
const PIECE: usize = 1 << 16;

/// Why no MP3 was made.
#[derive(Debug, thiserror::Error)]
pub enum Mp3Error {
    /// The source could not be read or the MP3 not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The source is no WAV file as [`WavWriter`](super::WavWriter) writes it.
    #[error("the recording is malformed")]
    Malformed,
    /// Rates other than 8000 and 16000, or more than two channels.
    #[error("neither the rate nor the channels of telephony")]
    Unsupported,
}

/// Makes an MP3 stream, piece by piece.
struct Encoder {
    inner: Mp3Encoder,
    rate: u32,
    channels: u16,
}

impl Encoder {
    /// The beginning of a stream of 8000 or 16000 samples a second, in one or two channels.
    fn new(rate: u32, channels: u16) -> Result<Self, Mp3Error> {
        let kbps = match rate {
            8000 => KBPS_NARROW,
            16_000 => KBPS_WIDE,
            _ => return Err(Mp3Error::Unsupported),
        };
        if !(1..=2).contains(&channels) {
            return Err(Mp3Error::Unsupported);
        }
        let config = Mp3EncoderConfig {
            bitrate_kbps: kbps * u32::from(channels),
            ..Mp3EncoderConfig::default()
        };
        Ok(Self {
            inner: Mp3Encoder::new(config),
            rate,
            channels,
        })
    }

    /// Takes the next samples, those of two channels in turn, and appends the frames that are
    /// ready.
    fn encode(&mut self, interleaved: &[i16], out: &mut Vec<u8>) -> Result<(), Mp3Error> {
        self.push(interleaved)?;
        self.drain(out);
        Ok(())
    }

    /// Appends what is left.
    fn finish(mut self, out: &mut Vec<u8>) {
        self.inner.finish();
        self.drain(out);
    }

    /// Appends what is ready, without the summary: it stands at the beginning and is known at the
    /// end. A stream of a constant rate can do without.
    fn drain(&mut self, out: &mut Vec<u8>) {
        while let Ok(frame) = self.inner.next_packet() {
            if !is_summary(&frame) {
                out.extend(frame);
            }
        }
    }

    fn push(&mut self, interleaved: &[i16]) -> Result<(), Mp3Error> {
        self.inner
            .push_pcm_s16(interleaved, self.channels, self.rate)
            .map_err(|_| Mp3Error::Unsupported)
    }
}

/// A whole sound as MP3, with the summary by which players know its exact length.
#[cfg(test)]
pub(crate) fn mp3(interleaved: &[i16], rate: u32, channels: u16) -> Result<Vec<u8>, Mp3Error> {
    let mut encoder = Encoder::new(rate, channels)?;
    let mut out = Vec::new();
    for piece in interleaved.chunks(PIECE) {
        encoder.push(piece)?;
    }
    encoder.inner.finish();
    while let Ok(frame) = encoder.inner.next_packet() {
        out.extend(frame);
    }
    Ok(out)
}

/// A recording of [`WavWriter`](super::WavWriter) as MP3, without holding either in memory.
///
/// # Errors
///
/// As [`Mp3Error`] says.
pub fn mp3_of_wav(wav: &mut dyn Read, out: &mut dyn Write) -> Result<(), Mp3Error> {
    let mut header = [0; WavHeader::LENGTH];
    wav.read_exact(&mut header)?;
    let header = WavHeader::parse(&header).ok_or(Mp3Error::Malformed)?;
    let mut encoder = Encoder::new(header.rate, header.channels)?;
    let mut data = wav.take(header.bytes.into());
    let (mut bytes, mut frames) = (vec![0; PIECE], Vec::new());
    loop {
        let read = fill(&mut data, &mut bytes)?;
        let piece = bytes.get(..read).unwrap_or_default();
        let samples = piece
            .as_chunks()
            .0
            .iter()
            .map(|&sample| i16::from_le_bytes(sample));
        encoder.encode(&samples.collect::<Vec<i16>>(), &mut frames)?;
        out.write_all(&frames)?;
        frames.clear();
        if read < PIECE {
            break;
        }
    }
    encoder.finish(&mut frames);
    out.write_all(&frames)?;
    Ok(())
}

/// Reads until the buffer is full or the source at its end.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether a frame is the library's `Info` or `Xing` frame, which holds no sound.
fn is_summary(frame: &[u8]) -> bool {
    let begin = frame.get(..44).unwrap_or(frame);
    begin
        .windows(4)
        .any(|word| word == b"Info" || word == b"Xing")
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::io::Cursor;

    use super::super::WavWriter;
    use super::*;
    use crate::decode::decode_file;

    fn chord(rate: u32, length: usize) -> Vec<i16> {
        (0..length)
            .map(|index| {
                let at = index as f64 / f64::from(rate);
                let sum = 4000.0 * (TAU * 300.0 * at).sin() + 3000.0 * (TAU * 1100.0 * at).sin();
                sum as i16
            })
            .collect()
    }

    /// Signal to noise in decibels, at the delay that suits best.
    fn quality(wanted: &[i16], heard: &[i16]) -> f64 {
        (0..heard.len().saturating_sub(8000).min(3000))
            .map(|delay| {
                let (mut signal, mut noise) = (0.0, 1.0);
                for (&a, &b) in wanted.iter().zip(&heard[delay..]).skip(4000).take(2000) {
                    signal += f64::from(a).powi(2);
                    noise += (f64::from(a) - f64::from(b)).powi(2);
                }
                10.0 * (signal / noise).log10()
            })
            .fold(f64::MIN, f64::max)
    }

    #[test]
    fn another_library_hears_the_same() {
        for rate in [8000, 16_000] {
            let pcm = chord(rate, rate as usize * 3);
            let bytes = mp3(&pcm, rate, 1).unwrap();
            let seconds =
                f64::from(bytes.len() as u32) * 8.0 / if rate == 8000 { 32e3 } else { 48e3 };
            assert!(
                (2.9..3.4).contains(&seconds),
                "{rate}: {} bytes",
                bytes.len()
            );
            let heard = decode_file(&bytes, Some("audio/mpeg"), 60).unwrap();
            assert_eq!((heard.rate, heard.samples.len()), (rate, pcm.len()));
            let decibels = quality(&pcm, &heard.samples);
            assert!(decibels > 20.0, "{rate}: {decibels:.1} dB");
        }
    }

    #[test]
    fn a_recording_becomes_mp3_with_both_channels() {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::create(&mut file, 8000, 2).unwrap();
        let pcm = chord(8000, 40_000);
        let both: Vec<i16> = pcm.iter().flat_map(|&sample| [sample, sample]).collect();
        writer.write(&both).unwrap();
        writer.finish().unwrap();
        let bytes = file.into_inner();
        let mut out = Vec::new();
        mp3_of_wav(&mut &bytes[..], &mut out).unwrap();
        // 64 kbit/s for five seconds.
        assert!((40_000..43_000).contains(&out.len()), "{}", out.len());
        let heard = decode_file(&out, None, 60).unwrap();
        assert!(quality(&pcm, &heard.samples) > 20.0);
        // A file that broke off is turned into what there is.
        let mut short = Vec::new();
        mp3_of_wav(&mut &bytes[..60_001], &mut short).unwrap();
        assert!(short.len() > 14_000 && short.len() < 18_000);
    }

    #[test]
    fn the_silent_and_the_loud_are_encoded_too() {
        for pcm in [
            vec![],
            vec![0; 8000],
            vec![i16::MIN; 8000],
            vec![i16::MAX; 100],
        ] {
            let bytes = mp3(&pcm, 8000, 1).unwrap();
            assert_eq!(bytes.is_empty(), pcm.is_empty());
        }
    }

    #[test]
    fn refuses_what_is_no_recording() {
        for (rate, channels) in [(44_100, 1), (8000, 3)] {
            let file = WavHeader {
                rate,
                channels,
                bytes: 0,
            };
            let error = mp3_of_wav(&mut &file.to_bytes()[..], &mut Vec::new()).unwrap_err();
            assert!(matches!(error, Mp3Error::Unsupported));
        }
        let mut out = Vec::new();
        let error = mp3_of_wav(&mut &b"RIFF"[..], &mut out).unwrap_err();
        assert!(matches!(error, Mp3Error::Io(_)));
        let error = mp3_of_wav(&mut &[b'R'; 100][..], &mut out).unwrap_err();
        assert!(matches!(error, Mp3Error::Malformed));
    }
}
