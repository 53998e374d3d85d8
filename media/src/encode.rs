//! Files that we make: recordings as WAV while they go on, and as MP3 when somebody asks for it.

mod mp3;
mod wav;

#[cfg(test)]
pub(crate) use mp3::mp3;
pub use mp3::{Mp3Error, mp3_of_wav};
pub use wav::{WavHeader, WavWriter};
