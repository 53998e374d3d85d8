//! The engine: threads, and what is opened on them.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::leg::Leg;
use crate::link::{Errand, Links, Mail};
use crate::room::{Founding, RoomId, RoomShared};
use crate::session::SessionShared;
use crate::worker::{self, Worker};
use crate::writer::Writer;
use crate::{Config, Counters, Room, RoomSpec, Session, SessionId, Sink};

/// Media threads and the sessions on them.
///
/// Clones are the same engine; when the last is dropped, its sessions are closed, its recordings
/// completed and its threads ended.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What an engine has done, to look at from any thread, also after its end.
#[derive(Clone)]
pub struct Meter(Arc<Links>);

impl Meter {
    /// The counters now; cheap.
    pub fn read(&self) -> Counters {
        self.0.counters.read(self.0.config.sessions)
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meter").field(&self.read()).finish()
    }
}

struct Inner {
    links: Arc<Links>,
    next: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// As many are open as may be.
    #[error("all sessions are in use")]
    Full,
    /// The ports cannot be bound, for instance because the address is not ours.
    #[error("the ports of a session: {0}")]
    Io(#[from] io::Error),
    /// All ports of the range are in use.
    #[error("all ports of the range are in use")]
    NoPort,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no poll.
    pub fn start(config: Config) -> io::Result<Self> {
        let count = config.workers.clamp(1, WORKERS_MAX);
        let mut wakers = Vec::with_capacity(count);
        let mut polls = Vec::with_capacity(count);
        for _ in 0..count {
            let (polls_of_one, waker) = worker::polls()?;
            polls.push(polls_of_one);
            wakers.push(waker);
        }
        // The writer ends when all workers have said that they have.
        let (writer, writing) = Writer::start(count)?;
        let links = Arc::new(Links::new(config, writer, wakers));
        let mut threads = vec![writing];
        for (number, polls) in polls.into_iter().enumerate() {
            let worker = Worker::new(number, polls, Arc::clone(&links));
            let thread = thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || worker.run());
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    links.stop();
                    return Err(error);
                }
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                links,
                next: AtomicU64::new(1),
                threads: Mutex::new(threads),
            }),
        })
    }

    /// Binds a pair of ports for RTP and RTCP on `address`. Sessions of one call name the same
    /// number as `affinity` and share a thread.
    ///
    /// # Errors
    ///
    /// All sessions or ports are in use, or the address is not ours.
    pub fn open(
        &self,
        address: IpAddr,
        affinity: u64,
        sink: Box<dyn Sink>,
    ) -> Result<Session, OpenError> {
        let links = &self.inner.links;
        let held = links.hold_session().ok_or(OpenError::Full)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let random = u128::from_ne_bytes(random);
        let pair = match links.config.ports.bind(address, random as u32) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(OpenError::NoPort),
            other => other.map_err(OpenError::Io),
        }?;
        let local = pair.rtp.local_addr()?;
        let worker = self.worker_of(affinity);
        let id = SessionId(self.inner.next.fetch_add(1, Ordering::Relaxed));
        let shared = Arc::new(SessionShared::new(id, local, worker, Arc::clone(links)));
        let leg = Leg::new(Arc::clone(&shared), pair, sink, held, random >> 32);
        links.send(worker, Mail::Adopt(Box::new(leg), Errand::Open));
        Ok(Session::new(shared))
    }

    /// Opens a room. What happens to its plays and recordings is told to `sink`.
    pub fn room(&self, spec: RoomSpec, sink: Box<dyn Sink>) -> Room {
        let links = &self.inner.links;
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let worker = self.worker_of(number);
        let id = RoomId(number);
        let founding = Founding { spec, sink };
        Room::new(Arc::new(RoomShared::new(
            id,
            worker,
            founding,
            Arc::clone(links),
        )))
    }

    /// As many sessions are open as may be.
    pub fn is_full(&self) -> bool {
        let links = &self.inner.links;
        links.counters.sessions.load(Ordering::Relaxed) >= links.config.sessions
    }

    /// What the engine has done so far; cheap.
    pub fn counters(&self) -> Counters {
        self.meter().read()
    }

    /// Reads the counters, and does not keep the engine alive.
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.inner.links))
    }

    fn worker_of(&self, affinity: u64) -> usize {
        // Fibonacci hashing: numbers in a row go to threads in turn.
        let spread = affinity.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize % self.inner.links.workers()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("workers", &self.inner.links.workers())
            .field("counters", &self.counters())
            .finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.links.stop();
        let threads = self.threads.get_mut();
        let threads = threads.unwrap_or_else(PoisonError::into_inner);
        // A sink may be what drops the last engine, on a thread that the others wait for.
        let own = thread::current().id();
        if threads.iter().any(|thread| thread.thread().id() == own) {
            return;
        }
        // The writer is the first, and ends after the workers: it is joined last.
        for thread in threads.drain(..).rev() {
            if thread.join().is_err() {
                tracing::error!("a media thread has panicked");
            }
        }
    }
}

/// More than any machine has cores that this is worth it for.
const WORKERS_MAX: usize = 64;
