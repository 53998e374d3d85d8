//! Live audio from another thread.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of samples between a thread that receives sound and the session that plays it.
///
/// While it is empty, silence is played, until [`end`](Self::end).
#[derive(Clone)]
pub struct Feed {
    rate: u32,
    inner: Arc<Mutex<Inner>>,
    told: Arc<Mutex<Told>>,
}

/// Is told the name of a mark.
type Told = Box<dyn FnMut(String) + Send>;

struct Inner {
    samples: VecDeque<i16>,
    samples_max: usize,
    /// Samples that were ever taken or cleared.
    passed: u64,
    /// What stands at which sample.
    marks: VecDeque<(u64, String)>,
    ended: bool,
}

impl Feed {
    /// An empty feed of mono samples at `rate`, which holds at most `longest`.
    ///
    /// `played` is told each mark once, when all before it was played or cleared. It is called on
    /// a media thread and must not block.
    pub fn new(rate: u32, longest: Duration, played: impl FnMut(String) + Send + 'static) -> Self {
        let samples = longest.as_millis() * u128::from(rate) / 1000;
        Self {
            rate,
            inner: Arc::new(Mutex::new(Inner {
                samples: VecDeque::new(),
                samples_max: usize::try_from(samples).unwrap_or(usize::MAX),
                passed: 0,
                marks: VecDeque::new(),
                ended: false,
            })),
            told: Arc::new(Mutex::new(Box::new(played))),
        }
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends samples and says how many there was room for; the rest is dropped.
    pub fn push(&self, samples: &[i16]) -> usize {
        let mut inner = self.inner();
        let room = inner.samples_max.saturating_sub(inner.samples.len());
        let taken = samples.get(..room).unwrap_or(samples);
        inner.samples.extend(taken);
        taken.len()
    }

    /// Puts a mark behind what was pushed; `false` if there are [`MARKS_MAX`] already.
    pub fn mark(&self, name: String) -> bool {
        {
            let mut inner = self.inner();
            if inner.marks.len() >= MARKS_MAX {
                return false;
            }
            let at = inner.passed + inner.samples.len() as u64;
            inner.marks.push_back((at, name));
        }
        // With nothing before it, it is due at once.
        self.tell_due();
        true
    }

    /// Drops what was not played yet; the marks in it are told.
    pub fn clear(&self) {
        {
            let mut inner = self.inner();
            inner.passed += inner.samples.len() as u64;
            inner.samples.clear();
        }
        self.tell_due();
    }

    /// Nothing more will come: the source ends when it is played to its end.
    pub fn end(&self) {
        self.inner().ended = true;
    }

    /// Samples that wait to be played.
    pub fn len(&self) -> usize {
        self.inner().samples.len()
    }

    /// Nothing waits to be played.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up to `count` samples into `out`; `false` if the feed has ended and is empty.
    pub(crate) fn take(&self, count: usize, out: &mut Vec<i16>) -> bool {
        let (more, due) = {
            let mut inner = self.inner();
            let count = count.min(inner.samples.len());
            out.extend(inner.samples.drain(..count));
            inner.passed += count as u64;
            let due = inner
                .marks
                .front()
                .is_some_and(|mark| mark.0 <= inner.passed);
            (!(inner.ended && inner.samples.is_empty()), due)
        };
        if due {
            self.tell_due();
        }
        more
    }

    fn tell_due(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The lock of the samples is not held while a mark is told.
            let name = {
                let mut inner = self.inner();
                let passed = inner.passed;
                match inner.marks.front() {
                    Some((at, _)) if *at <= passed => inner.marks.pop_front(),
                    _ => None,
                }
            };
            let Some((_, name)) = name else { break };
            // On a media thread, which must not end with one of its sessions.
            if catch_unwind(AssertUnwindSafe(|| told(name))).is_err() {
                tracing::error!("who is told of marks has panicked");
                *told = Box::new(|_| {});
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        f.debug_struct("Feed")
            .field("rate", &self.rate)
            .field("samples", &inner.samples.len())
            .field("ended", &inner.ended)
            .finish_non_exhaustive()
    }
}

/// Marks that wait to be played. A media-streams server sets one behind each utterance.
const MARKS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(longest: Duration) -> (Feed, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let feed = Feed::new(8000, longest, move |name| list.lock().unwrap().push(name));
        (feed, told)
    }

    #[test]
    fn marks_are_told_when_what_stands_before_them_was_played() {
        let (feed, told) = feed(Duration::from_secs(1));
        assert_eq!(feed.push(&[1; 200]), 200);
        feed.mark("one".to_owned());
        feed.push(&[2; 100]);
        feed.mark("two".to_owned());
        let mut out = Vec::new();
        assert!(feed.take(160, &mut out));
        assert!(told.lock().unwrap().is_empty());
        assert!(feed.take(80, &mut out));
        assert_eq!(*told.lock().unwrap(), ["one"]);
        assert!(feed.take(160, &mut out));
        assert_eq!(*told.lock().unwrap(), ["one", "two"]);
        assert_eq!(out.len(), 300);
    }

    #[test]
    fn clear_tells_the_marks_and_end_ends() {
        let (feed, told) = feed(Duration::from_secs(1));
        feed.push(&[1; 200]);
        feed.mark("one".to_owned());
        feed.clear();
        assert_eq!(*told.lock().unwrap(), ["one"]);
        feed.mark("at once".to_owned());
        assert_eq!(told.lock().unwrap().len(), 2);
        let mut out = Vec::new();
        assert!(feed.take(160, &mut out), "empty, but not ended");
        feed.push(&[3; 10]);
        feed.end();
        assert!(!feed.take(160, &mut out), "the last samples");
        assert_eq!(out, [3; 10]);
    }

    #[test]
    fn who_panics_is_not_told_again() {
        let calls = Arc::new(Mutex::new(0));
        let count = Arc::clone(&calls);
        let feed = Feed::new(8000, Duration::from_secs(1), move |_| {
            *count.lock().unwrap() += 1;
            panic!("on purpose");
        });
        feed.push(&[1; 10]);
        feed.mark("one".to_owned());
        feed.mark("two".to_owned());
        assert!(feed.take(160, &mut Vec::new()));
        feed.mark("three".to_owned());
        assert_eq!(*calls.lock().unwrap_or_else(PoisonError::into_inner), 1);
    }

    #[test]
    fn no_more_than_its_length() {
        let (feed, _) = feed(Duration::from_millis(20));
        assert_eq!(feed.push(&[1; 100]), 100);
        assert_eq!(feed.push(&[1; 100]), 60);
        assert_eq!(feed.push(&[1; 100]), 0);
        let accepted = (0..2000).filter(|_| feed.mark("m".to_owned())).count();
        assert_eq!(accepted, MARKS_MAX);
    }
}
