//! How a thread waits for its sockets and for other threads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, fence};
use std::time::Duration;

use super::sys;

/// What there is to do on a socket after [`Sleeper::sleep`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Datagrams, or an error that the next receive tells.
    pub read: bool,
    /// The error queue holds something.
    pub error: bool,
}

/// Lets one thread sleep until a socket has something, somebody wakes it, or a time has passed.
///
/// It is on the sockets' wait queues only while it sleeps. An epoll instance stays on them and is
/// called for every datagram that leaves, too.
#[derive(Debug)]
pub struct Sleeper {
    waker: Waker,
    polled: Vec<libc::pollfd>,
}

/// Wakes the thread of a [`Sleeper`]; costs a system call only where it sleeps.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Bell>);

#[derive(Debug)]
struct Bell {
    asleep: AtomicBool,
    event: File,
}

impl Sleeper {
    /// One for the calling or any other thread.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let bell = Bell {
            asleep: AtomicBool::new(false),
            event: File::from(sys::event()?),
        };
        Ok(Self {
            waker: Waker(Arc::new(bell)),
            polled: Vec::new(),
        })
    }

    /// What other threads call after they have left something to do.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sleeps for at most `timeout`; not at all where `idle` says, after the announcement, that
    /// somebody has left something.
    ///
    /// [`Self::ready`] tells of the sockets afterwards, by their place in `sockets`.
    pub fn sleep<'a>(
        &mut self,
        sockets: impl Iterator<Item = BorrowedFd<'a>>,
        timeout: Duration,
        idle: impl FnOnce() -> bool,
    ) {
        let bell = &*self.waker.0;
        self.polled.clear();
        self.polled.push(polled(bell.event.as_fd()));
        self.polled.extend(sockets.map(polled));
        bell.asleep.store(true, Relaxed);
        // Pairs with the fence of `wake`: either it sees us asleep, or we see what it has left.
        fence(SeqCst);
        let timeout = if idle() { timeout } else { Duration::ZERO };
        // A signal is as good a reason to wake as any.
        sys::poll(&mut self.polled, timeout).unwrap_or_default();
        bell.asleep.store(false, Relaxed);
        if self.polled.first().is_some_and(|bell| bell.revents != 0) {
            // It is at most one number of eight bytes; that it is gone already is no harm.
            (&bell.event).read(&mut [0; 8]).unwrap_or_default();
        }
    }

    /// What the last sleep saw on the socket at `place`.
    #[must_use]
    pub fn ready(&self, place: usize) -> Ready {
        let revents = self.polled.get(place + 1).map_or(0, |fd| fd.revents);
        Ready {
            read: revents & (libc::POLLIN | libc::POLLERR | libc::POLLHUP) != 0,
            error: revents & libc::POLLERR != 0,
        }
    }
}

impl Waker {
    /// Ends the thread's sleep, or keeps it from falling asleep. Call it after leaving the work.
    pub fn wake(&self) {
        fence(SeqCst);
        if self.0.asleep.load(Relaxed) && self.0.asleep.swap(false, Relaxed) {
            // The counter of the event only overflows, and so refuses, after 2^64 wake-ups.
            (&self.0.event)
                .write(&1_u64.to_ne_bytes())
                .unwrap_or_default();
        }
    }
}

fn polled(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Instant;

    use super::*;

    #[test]
    fn whoever_is_woken_before_or_while_sleeping_does_not_oversleep() {
        let mut sleeper = Sleeper::new().expect("an event");
        let waker = sleeper.waker();
        let left = Arc::new(AtomicU32::new(0));
        let leaving = left.clone();
        let began = Instant::now();
        let other = std::thread::spawn(move || {
            for _ in 0..1000 {
                leaving.fetch_add(1, SeqCst);
                waker.wake();
            }
        });
        let mut done = 0;
        while done < 1000 {
            sleeper.sleep(std::iter::empty(), Duration::from_secs(60), || {
                left.load(SeqCst) == done
            });
            done = left.load(SeqCst);
        }
        other.join().expect("the other thread ends");
        assert!(began.elapsed() < Duration::from_secs(60), "it overslept");
    }

    #[test]
    fn nobody_wakes_it_before_its_time() {
        let mut sleeper = Sleeper::new().expect("an event");
        let began = Instant::now();
        sleeper.sleep(std::iter::empty(), Duration::from_millis(20), || true);
        assert!(began.elapsed() >= Duration::from_millis(20));
    }
}
