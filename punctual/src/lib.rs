//! Tests of what needs a machine that keeps time: sound, which is sent and heard every 20 ms.
//!
//! A virtual machine is paused now and then, for longer than a jitter buffer bears. What is measured meanwhile tells
//! nothing of the product. A metronome beside the test sees such pauses.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Runs a test, again where it fails and the machine has paused meanwhile.
///
/// # Panics
///
/// With the test's own failure where the machine kept time, or where it has paused in each of [`ATTEMPTS`] attempts.
pub fn punctually(test: impl Fn()) {
    attempts(ATTEMPTS, || {
        let metronome = Metronome::start();
        let result = catch_unwind(AssertUnwindSafe(&test));
        (result, metronome.stop())
    });
}

/// How often a test is begun.
pub const ATTEMPTS: usize = 10;

/// From here on a pause is one: a jitter buffer begins with 40 ms, and the test itself takes some of it.
const PAUSE: Duration = Duration::from_millis(25);

/// How often the metronome wants to wake up.
const BEAT: Duration = Duration::from_millis(5);

/// Tries until it succeeds, or fails without a pause, or for the last time.
fn attempts(most: usize, mut attempt: impl FnMut() -> (thread::Result<()>, Duration)) {
    for left in (0..most).rev() {
        let (result, late) = attempt();
        match result {
            Ok(()) => return,
            Err(failure) if late < PAUSE || left == 0 => resume_unwind(failure),
            Err(_) => println!("the machine paused for {late:?}: once more"),
        }
    }
}

/// A thread that sleeps and wakes up as those do that send sound.
struct Metronome {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Duration>,
}

impl Metronome {
    fn start() -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut late = Duration::ZERO;
            loop {
                let due = Instant::now() + BEAT;
                let is_over = stopped.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout);
                late = late.max(Instant::now().saturating_duration_since(due));
                if is_over {
                    return late;
                }
            }
        });
        Self { stop, thread }
    }

    /// The longest that it slept too long.
    fn stop(self) -> Duration {
        drop(self.stop);
        // It cannot panic; without it the machine is taken for punctual.
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often something is begun that fails each time, with this pause.
    fn begun(most: usize, late: Duration) -> usize {
        let mut begun = 0;
        let result = catch_unwind(AssertUnwindSafe(|| {
            attempts(most, || {
                begun += 1;
                (Err(Box::new("why")), late)
            });
        }));
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"why"));
        begun
    }

    #[test]
    fn a_failure_is_one_where_the_machine_kept_time() {
        assert_eq!(begun(10, Duration::ZERO), 1);
        assert_eq!(begun(10, PAUSE - Duration::from_millis(1)), 1);
    }

    #[test]
    fn where_it_paused_it_is_tried_again_and_not_for_ever() {
        assert_eq!(begun(10, PAUSE), 10);
        assert_eq!(begun(1, PAUSE), 1);
    }

    #[test]
    fn what_succeeds_is_not_repeated() {
        let mut begun = 0;
        attempts(10, || {
            begun += 1;
            let result = if begun < 3 { Err("why") } else { Ok(()) };
            (result.map_err(|why| Box::new(why) as _), PAUSE)
        });
        assert_eq!(begun, 3);
    }

    #[test]
    fn a_metronome_sees_its_own_machine() {
        let metronome = Metronome::start();
        thread::sleep(4 * BEAT);
        let late = metronome.stop();
        assert!(late > Duration::ZERO, "no machine is exact");
    }
}
