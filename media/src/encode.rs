//! Files that we make: recordings as WAV while they go on, and as MP3 when somebody asks for it.

mod mp3;
mod wav;

pub use mp3::{Mp3Encoder, Mp3Error, mp3, mp3_of_wav};
pub use wav::WavWriter;
