//! The header of a WAV file that was never finished.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use media::encode::WavHeader;

/// Puts the true lengths into the header of a file whose writer was killed, and says how long the
/// sound is.
///
/// # Errors
///
/// It is no WAV file of 16-bit samples, or has no sound.
pub(super) fn mend(path: &Path) -> io::Result<Duration> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = [0; WavHeader::LENGTH];
    file.read_exact_at(&mut header, 0)?;
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let header = WavHeader::parse(&header).ok_or_else(odd)?;
    let sound = file
        .metadata()?
        .len()
        .saturating_sub(WavHeader::LENGTH as u64);
    let bytes = u32::try_from(sound).map_err(|_| odd())?;
    if bytes == 0 {
        return Err(odd());
    }
    let mended = WavHeader { bytes, ..header };
    file.write_all_at(&mended.to_bytes(), 0)?;
    let micros = u64::from(bytes) * 1_000_000 / u64::from(header.bytes_a_second());
    Ok(Duration::from_micros(micros))
}
