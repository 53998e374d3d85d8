//! The few things that this module asks of the crate `media`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use media::codec::{Codec, Decoder};
use media::decode::{FileError, decode_file};
use media::encode::mp3_of_wav;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::SoundError;

pub use media::pcm::Pcm;

/// Sound at the rate that is wanted.
pub(super) fn at_rate(native: u32, samples: Vec<i16>, rate: u32) -> Pcm {
    Pcm::new(native, samples).at_rate(rate)
}

/// A sound file at the rate that is wanted.
pub(super) fn decode(
    bytes: &[u8],
    content_type: Option<&str>,
    seconds_max: u32,
    rate: u32,
) -> Result<Pcm, FileError> {
    decode_file(bytes, content_type, seconds_max).map(|pcm| pcm.at_rate(rate))
}

/// Makes an MP3 file of a WAV file. Blocks.
pub(super) fn mp3(wav: &Path, mp3: &Path) -> io::Result<()> {
    let mut from = BufReader::new(File::open(wav)?);
    let mut to = BufWriter::new(File::create_new(mp3)?);
    mp3_of_wav(&mut from, &mut to).map_err(io::Error::other)?;
    to.flush()
}

/// The samples of µ-law.
pub(super) fn from_ulaw(ulaw: &[u8]) -> Vec<i16> {
    let mut samples = Vec::with_capacity(ulaw.len());
    Decoder::new(Codec::Pcmu).decode(ulaw, &mut samples);
    samples
}

/// What a sound takes in memory.
pub(super) fn bytes(pcm: &Pcm) -> usize {
    2 * pcm.samples.len()
}

/// Does what takes a processor's time, away from the threads that wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SoundError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| SoundError::internal("the sound could not be made"))
}

/// Waits for one of the places for such work.
pub(super) async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, SoundError> {
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|_| SoundError::internal("there are no places for this work"))
}

/// Does such work in a place, which is held until the work ends, and not only for as long as somebody waits
/// for it: work that has begun cannot be given up.
pub(super) async fn blocking_at<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SoundError> {
    blocking(move || {
        let done = work();
        drop(place);
        done
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_place_is_held_until_the_work_ends() {
        let places = Arc::new(Semaphore::new(1));
        let (began, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let waiting = Arc::clone(&places);
        let waiter = tokio::spawn(async move {
            let work = move || {
                began.send(()).unwrap();
                ends.recv().unwrap_err();
            };
            blocking_at(place(&waiting).await?, work).await
        });
        begins.await.unwrap();
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
        assert_eq!(places.available_permits(), 0, "the work goes on");
        drop(end);
        let free = place(&places).await.unwrap();
        assert!(blocking_at(free, || ()).await.is_ok());
    }
}
