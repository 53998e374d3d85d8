//! The ways between handles and media threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mio::Waker;

use crate::SessionId;
use crate::counters::Cells;
use crate::leg::Leg;
use crate::room::RoomShared;
use crate::session::{Seat, SessionShared, Stamp};
use crate::writer::Writer;
use crate::{Config, Member};

/// What all threads and handles of an engine share.
pub(crate) struct Links {
    pub(crate) config: Config,
    pub(crate) counters: Cells,
    pub(crate) writer: Writer,
    /// When the engine began.
    pub(crate) epoch: Instant,
    workers: Vec<Mailbox>,
    stopped: AtomicBool,
    stamps: AtomicU64,
}

/// Where a worker is told things.
pub(crate) struct Mailbox {
    /// Bounded by the sessions and rooms that there are: each is in it once as ready, once as new,
    /// and asked for once by each session that wants to be bridged with it.
    mail: Mutex<VecDeque<Mail>>,
    waker: Waker,
}

/// What a worker is told.
pub(crate) enum Mail {
    /// A session that came from another worker, or from its opening.
    Adopt(Box<Leg>, Errand),
    /// Hand a session over to the worker `to`, where `partner` waits to be bridged with it.
    Give {
        session: Arc<SessionShared>,
        partner: Arc<SessionShared>,
        stamp: Stamp,
        to: usize,
        hops: u8,
    },
    /// A session has commands.
    Ready(SessionId),
    /// A room has commands.
    RoomReady(Arc<RoomShared>),
}

/// What a session came for.
pub(crate) enum Errand {
    Bridge(Arc<SessionShared>),
    Join(Seat, Member, Stamp),
    Open,
}

impl Links {
    pub(crate) fn new(config: Config, writer: Writer, wakers: Vec<Waker>) -> Self {
        let mailbox = |waker| Mailbox {
            mail: Mutex::new(VecDeque::new()),
            waker,
        };
        Self {
            config,
            counters: Cells::default(),
            writer,
            epoch: Instant::now(),
            workers: wakers.into_iter().map(mailbox).collect(),
            stopped: AtomicBool::new(false),
            stamps: AtomicU64::new(1),
        }
    }

    /// A place for one more session, with its ports.
    pub(crate) fn hold_session(self: &Arc<Self>) -> Option<Held> {
        let more = |sessions| (sessions < self.config.sessions).then_some(sessions + 1);
        let sessions = &self.counters.sessions;
        sessions
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .ok()?;
        self.counters.ports.fetch_add(2, Ordering::SeqCst);
        Some(Held(Arc::clone(self)))
    }

    /// Later than all before.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(self.stamps.fetch_add(1, Ordering::SeqCst))
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn send(&self, worker: usize, mail: Mail) {
        let Some(mailbox) = self.workers.get(worker) else {
            return;
        };
        let first = {
            let mut queue = mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push_back(mail);
            queue.len() == 1
        };
        if first {
            mailbox.wake();
        }
    }

    /// Takes all the mail of a worker.
    pub(crate) fn take(&self, worker: usize, out: &mut VecDeque<Mail>) {
        if let Some(mailbox) = self.workers.get(worker) {
            let mut queue = mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *queue, out);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for mailbox in &self.workers {
            mailbox.wake();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn command_lost(&self) {
        self.counters.command_lost();
        tracing::warn!("a media session does not keep up with its commands; one is lost");
    }
}

/// A session that counts as open, until it is dropped.
pub(crate) struct Held(Arc<Links>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.counters.sessions.fetch_sub(1, Ordering::SeqCst);
        self.0.counters.ports.fetch_sub(2, Ordering::SeqCst);
    }
}

impl Mailbox {
    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            // The thread looks by itself at its next tick.
            tracing::debug!(%error, "waking a media thread");
        }
    }
}
