//! What a handset hears.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{Handset, PATIENCE};
use crate::hear::Sound;

/// Between two looks at what was heard.
const LOOK: Duration = Duration::from_millis(100);

/// How long something must not grow to be over.
const QUIET: Duration = Duration::from_millis(1500);

impl Handset {
    /// All that it has heard since its call began.
    #[must_use]
    pub fn heard(&self) -> Sound {
        let (rate, _) = self.coding.file();
        let nothing = Sound::silence(rate, 0.0);
        let mut names: Vec<PathBuf> = fs::read_dir(self.scratch.path())
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        names.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        names.sort();
        let found = names.iter().filter_map(|path| Sound::read(path));
        found.fold(nothing, |all, sound| all.then(&sound))
    }

    /// Waits until what it has heard pleases `is_it`, and gives that.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn hears(&self, what: &str, is_it: impl Fn(&Sound) -> bool) -> Sound {
        let until = Instant::now() + PATIENCE;
        loop {
            let heard = self.heard();
            if is_it(&heard) {
                return heard;
            }
            assert!(
                Instant::now() < until,
                "{} waited for {what} and heard {heard:?}; {}",
                self.user,
                self.events.text()
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits until this measure of what it has heard grows no more, and gives it.
    ///
    /// # Panics
    ///
    /// When it goes on growing.
    pub fn settles(&self, what: &str, measure: impl Fn(&Sound) -> f64) -> f64 {
        let until = Instant::now() + PATIENCE;
        let (mut last, mut since) = (measure(&self.heard()), Instant::now());
        while since.elapsed() < QUIET {
            thread::sleep(LOOK);
            let now = measure(&self.heard());
            if now > last {
                (last, since) = (now, Instant::now());
            }
            assert!(Instant::now() < until, "{what} goes on: {now}");
        }
        last
    }

    /// Waits until it has heard so many seconds of a tone with hardly anything beside it.
    pub fn hears_tone(&self, hz: u32, seconds: f64) -> Sound {
        self.hears(&format!("{seconds} s of {hz} Hz"), |sound| {
            sound.seconds_of(hz) >= seconds
        })
    }
}
