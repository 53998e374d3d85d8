//! Placeholder: WAV files.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// Writes a WAV file as it comes.
#[derive(Debug)]
pub struct WavWriter {
    file: BufWriter<File>,
    bytes: u32,
}

impl WavWriter {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn create(file: File, rate: u32, channels: u16) -> io::Result<Self> {
        let mut file = BufWriter::new(file);
        file.write_all(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0")?;
        file.write_all(&channels.to_le_bytes())?;
        file.write_all(&rate.to_le_bytes())?;
        file.write_all(&(rate * u32::from(channels) * 2).to_le_bytes())?;
        file.write_all(&(channels * 2).to_le_bytes())?;
        file.write_all(b"\x10\0data\0\0\0\0")?;
        Ok(Self { file, bytes: 0 })
    }

    /// Appends interleaved samples.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        for sample in samples {
            self.file.write_all(&sample.to_le_bytes())?;
            self.bytes += 2;
        }
        Ok(())
    }

    /// Completes the header.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(4))?;
        self.file.write_all(&(self.bytes + 36).to_le_bytes())?;
        self.file.seek(SeekFrom::Start(40))?;
        self.file.write_all(&self.bytes.to_le_bytes())?;
        self.file.flush()
    }
}
