//! WAV, written as the sound comes: PCM of 16 bits behind the header of 44 bytes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// What the header of a WAV file says of PCM of 16 bits: the 44 bytes that this crate and most
/// others begin such files with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WavHeader {
    /// Samples a second of each channel.
    pub rate: u32,
    /// Channels; their samples come in turn.
    pub channels: u16,
    /// Bytes of sound behind the header. A writer that was killed, or that wrote to a pipe, has
    /// said something else.
    pub bytes: u32,
}

impl WavHeader {
    /// Its length.
    pub const LENGTH: usize = 44;

    /// Reads the beginning of a file. `None`: it is another one.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let header = file.first_chunk::<{ Self::LENGTH }>()?;
        let half = |at: usize| {
            let bytes = header.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_le_bytes(bytes))
        };
        let word = |at: usize| {
            let bytes = header.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let shaped = header.starts_with(b"RIFF")
            && header.get(8..16) == Some(b"WAVEfmt ")
            && word(16) == Some(FORMAT)
            && half(20) == Some(PCM)
            && half(34) == Some(BITS)
            && header.get(36..40) == Some(b"data");
        let parsed = Self {
            rate: word(24)?,
            channels: half(22)?,
            bytes: word(40)?,
        };
        (shaped && parsed.rate > 0 && parsed.channels > 0).then_some(parsed)
    }

    /// The beginning of a file.
    pub fn to_bytes(self) -> Vec<u8> {
        let block = self.channels.saturating_mul(2);
        let mut header = Vec::with_capacity(Self::LENGTH);
        header.extend(b"RIFF");
        header.extend(self.bytes.saturating_add(HEADER - 8).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(FORMAT.to_le_bytes());
        header.extend(PCM.to_le_bytes());
        header.extend(self.channels.to_le_bytes());
        header.extend(self.rate.to_le_bytes());
        header.extend(self.bytes_a_second().to_le_bytes());
        header.extend(block.to_le_bytes());
        header.extend(BITS.to_le_bytes());
        header.extend(b"data");
        header.extend(self.bytes.to_le_bytes());
        header
    }

    /// Bytes of a second of sound.
    pub fn bytes_a_second(self) -> u32 {
        let block = u32::from(self.channels).saturating_mul(2);
        self.rate.saturating_mul(block)
    }
}

/// Bytes of the header.
const HEADER: u32 = WavHeader::LENGTH as u32;

/// Bytes of the chunk that tells the format.
const FORMAT: u32 = 16;

/// The format tag of PCM.
const PCM: u16 = 1;

/// Bits of a sample.
const BITS: u16 = 16;

/// The most bytes of sound that the 32 bits of the header can say; 37 hours of two channels.
const DATA_MAX: u32 = u32::MAX - HEADER;

/// Writes a WAV file of one or two channels.
///
/// The sound goes to the file once a second, and the lengths in the header follow it, so that a
/// crash leaves a file that can be played up to there.
#[derive(Debug)]
pub struct WavWriter<W: Write + Seek = File> {
    file: W,
    /// Bytes of sound that are in the file.
    written: u32,
    /// Sound on its way.
    waiting: Vec<u8>,
    /// Bytes of a second of sound.
    second: usize,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file with its header. Samples of two channels come in turn.
    ///
    /// # Errors
    ///
    /// Those of the file; more than two channels, or no rate.
    pub fn create(mut file: W, rate: u32, channels: u16) -> io::Result<Self> {
        if !(1..=2).contains(&channels) || !(1..=384_000).contains(&rate) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let header = WavHeader {
            rate,
            channels,
            bytes: 0,
        };
        file.write_all(&header.to_bytes())?;
        let second = header.bytes_a_second() as usize;
        Ok(Self {
            file,
            written: 0,
            waiting: Vec::with_capacity(second + 4096),
            second,
        })
    }

    /// Takes the next samples, those of two channels in turn.
    ///
    /// # Errors
    ///
    /// Those of the file, and [`io::ErrorKind::FileTooLarge`] at 4 GiB; the recording cannot go on
    /// after one, what was waiting is lost, and what was written stays readable.
    pub fn write(&mut self, interleaved: &[i16]) -> io::Result<()> {
        // No piece is longer than a second, whatever is pushed at once.
        for piece in interleaved.chunks(self.second / 2) {
            self.waiting
                .extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
            if self.waiting.len() >= self.second {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }

    /// The sound first and the lengths then: a crash in between leaves lengths that are too short,
    /// never too long.
    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.waiting.len())
            .ok()
            .and_then(|more| self.written.checked_add(more))
            .filter(|&length| length <= DATA_MAX)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        // From a known place, since an attempt before this may have failed half way.
        let end = u64::from(HEADER) + u64::from(self.written);
        self.file.seek(SeekFrom::Start(end))?;
        let outcome = self.file.write_all(&self.waiting);
        self.waiting.clear();
        outcome?;
        self.written = length;
        self.patch(4, length + HEADER - 8)?;
        self.patch(HEADER - 4, length)
    }

    fn patch(&mut self, at: u32, value: u32) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at.into()))?;
        self.file.write_all(&value.to_le_bytes())
    }
}

impl<W: Write + Seek> Drop for WavWriter<W> {
    fn drop(&mut self) {
        // Nobody is left who could be told; `finish` has told already.
        self.flush().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Cursor;
    use std::rc::Rc;

    use super::*;
    use crate::decode;

    /// A file whose content can be looked at while it is written, and that may be full.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Cursor<Vec<u8>>>>, u64);

    impl Shared {
        fn bytes(&self) -> Vec<u8> {
            self.0.borrow().get_ref().clone()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut cursor = self.0.borrow_mut();
            if self.1 > 0 && cursor.position() + bytes.len() as u64 > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            cursor.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Shared {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.borrow_mut().seek(to)
        }
    }

    fn ramp(length: usize) -> Vec<i16> {
        (0..length).map(|index| (index % 30_000) as i16).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = Shared::default();
        let mut writer = WavWriter::create(file.clone(), 8000, 1).unwrap();
        let pcm = ramp(20_123);
        for piece in pcm.chunks(160) {
            writer.write(piece).unwrap();
        }
        writer.finish().unwrap();
        let bytes = file.bytes();
        assert_eq!(bytes.len(), 44 + 2 * pcm.len());
        assert_eq!(bytes[4..8], (bytes.len() as u32 - 8).to_le_bytes());
        let read = decode::decode_file(&bytes, None, 60).unwrap();
        assert_eq!((read.rate, &read.samples[..]), (8000, &pcm[..]));
    }

    #[test]
    fn two_channels_are_both_there() {
        let file = Shared::default();
        let mut writer = WavWriter::create(file.clone(), 8000, 2).unwrap();
        writer.write(&[100, 300].repeat(4000)).unwrap();
        drop(writer);
        let read = decode::decode_file(&file.bytes(), Some("audio/wav"), 60).unwrap();
        assert_eq!(read.samples.len(), 4000);
        assert!(read.samples.iter().all(|&sample| sample == 200));
        assert_eq!(file.bytes()[44..48], [100, 0, 44, 1]);
    }

    #[test]
    fn a_crash_leaves_what_was_written_before_it() {
        let file = Shared::default();
        let mut writer = WavWriter::create(file.clone(), 8000, 1).unwrap();
        assert_eq!(
            decode::decode_file(&file.bytes(), None, 60),
            Err(decode::FileError::Empty)
        );
        for piece in ramp(24_000 - 160).chunks(160) {
            writer.write(piece).unwrap();
        }
        // As the file stands now, and with sound behind it that the header does not know yet.
        let mut bytes = file.bytes();
        for _ in 0..2 {
            let read = decode::decode_file(&bytes, None, 60).unwrap();
            assert_eq!(read.samples[..], ramp(16_000));
            bytes.extend([9; 5000]);
        }
    }

    #[test]
    fn a_full_disk_is_told_and_leaves_a_readable_file() {
        let file = Shared(Rc::default(), 50_000);
        let mut writer = WavWriter::create(file.clone(), 8000, 1).unwrap();
        let told = (0..10).find_map(|_| writer.write(&ramp(8000)).err());
        assert_eq!(
            told.map(|error| error.kind()),
            Some(io::ErrorKind::StorageFull)
        );
        drop(writer);
        let read = decode::decode_file(&file.bytes(), None, 60).unwrap();
        assert_eq!(read.samples.len(), 24_000);
    }

    #[test]
    fn a_header_says_what_was_put_into_it() {
        for (rate, channels, bytes) in [(8000, 1, 0), (16_000, 2, 7), (384_000, 2, u32::MAX)] {
            let header = WavHeader {
                rate,
                channels,
                bytes,
            };
            let written = header.to_bytes();
            assert_eq!(written.len(), WavHeader::LENGTH);
            assert_eq!(WavHeader::parse(&written), Some(header));
            assert_eq!(WavHeader::parse(&written[..43]), None);
            // Every byte that is no number of ours is looked at.
            for at in (0..4).chain(8..22).chain(34..40) {
                let mut other = written.clone();
                other[at] ^= 0x40;
                assert_eq!(WavHeader::parse(&other), None, "{at}");
            }
        }
        let nothing = |rate, channels| WavHeader {
            rate,
            channels,
            bytes: 0,
        };
        for header in [nothing(0, 1), nothing(8000, 0)] {
            assert_eq!(WavHeader::parse(&header.to_bytes()), None);
        }
        assert_eq!(nothing(u32::MAX, u16::MAX).bytes_a_second(), u32::MAX);
    }

    #[test]
    fn refuses_what_the_header_cannot_say() {
        for (rate, channels) in [(8000, 0), (8000, 3), (0, 1), (u32::MAX, 1)] {
            assert!(WavWriter::create(Cursor::new(Vec::new()), rate, channels).is_err());
        }
        let mut writer = WavWriter::create(Cursor::new(Vec::new()), 8000, 1).unwrap();
        writer.written = DATA_MAX - 10;
        let told = writer.write(&[1; 8000]).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::FileTooLarge);
    }
}
