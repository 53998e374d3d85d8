//! The header of a WAV file that was never finished.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Puts the true lengths into the header of a file whose writer was killed, and says how long the
/// sound is.
///
/// # Errors
///
/// It is no WAV file of 16-bit samples, or has no sound.
pub(super) fn mend(path: &Path) -> io::Result<Duration> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    let number = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    };
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let shaped = header.starts_with(b"RIFF")
        && header.get(8..16) == Some(b"WAVEfmt ")
        && number(16) == Some(16)
        && header.get(36..40) == Some(b"data");
    let bytes_a_second = number(28)
        .filter(|rate| *rate > 0 && shaped)
        .ok_or_else(odd)?;
    let length = file.metadata()?.len();
    let sound = u32::try_from(length - HEADER_BYTES as u64).map_err(|_| odd())?;
    if sound == 0 {
        return Err(odd());
    }
    file.write_all_at(&sound.saturating_add(36).to_le_bytes(), 4)?;
    file.write_all_at(&sound.to_le_bytes(), 40)?;
    let micros = u64::from(sound) * 1_000_000 / u64::from(bytes_a_second);
    Ok(Duration::from_micros(micros))
}

const HEADER_BYTES: usize = 44;
