//! The handle of a room.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::inbox::{Inbox, Pushed};
use crate::link::{Links, Mail};
use crate::session::Seat;
use crate::{Depth, PlayId, RecordId, RecordSpec, SessionId, Sink, Source};

/// How a room is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RoomSpec {
    /// Members that it has a place for, at most [`RoomSpec::MEMBERS_MAX`].
    pub members_max: usize,
    /// How many members are mixed at a time, the loudest; 0 mixes all.
    pub loudest: usize,
}

impl RoomSpec {
    /// Members of the largest room.
    pub const MEMBERS_MAX: usize = 250;
}

impl Default for RoomSpec {
    fn default() -> Self {
        Self {
            members_max: Self::MEMBERS_MAX,
            loudest: 8,
        }
    }
}

/// How a session takes part in a room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// Hears, and is not heard.
    pub muted: bool,
    /// Is heard by this member alone.
    pub coach: Option<SessionId>,
    /// All hear a beep when it comes.
    pub beep_on_enter: bool,
    /// All hear a beep when it leaves.
    pub beep_on_exit: bool,
    /// How much of what it says waits for what is late.
    pub depth: Depth,
}

/// Why a session cannot go into a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RoomError {
    /// The room was closed, or is another engine's.
    #[error("the room is closed")]
    Closed,
    /// All its places are taken.
    #[error("the room is full")]
    Full,
}

/// A conference: each member hears all others.
///
/// Dropping the last handle closes it: its members hear nothing more of each other, and its
/// recordings end.
#[derive(Clone)]
pub struct Room {
    handle: Arc<Handle>,
}

impl Room {
    pub(crate) fn new(shared: Arc<RoomShared>) -> Self {
        Self {
            handle: Arc::new(Handle(shared)),
        }
    }

    /// Sessions in it, and on their way into it.
    pub fn members(&self) -> usize {
        self.handle.0.seats.load(Ordering::SeqCst)
    }

    /// Plays something to all members, over what they say. A second play queues behind the first.
    pub fn play(&self, id: PlayId, what: Vec<Source>, times: u32) {
        self.handle.0.send(RoomCommand::Play { id, what, times });
    }

    /// Ends what is played.
    pub fn stop(&self, id: PlayId) {
        self.handle.0.send(RoomCommand::Stop(id));
    }

    /// Records what all members say together. `what`, `beep` and `finish_on` of the specification
    /// have no meaning here.
    pub fn record(&self, id: RecordId, spec: RecordSpec) {
        self.handle.0.send(RoomCommand::Record(id, Box::new(spec)));
    }

    /// Ends a recording.
    pub fn stop_record(&self, id: RecordId) {
        self.handle.0.send(RoomCommand::StopRecord(id));
    }

    pub(crate) fn shared(&self) -> &Arc<RoomShared> {
        &self.handle.0
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("id", &self.handle.0.id.0)
            .field("members", &self.members())
            .finish()
    }
}

struct Handle(Arc<RoomShared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct RoomId(pub(crate) u64);

/// What the handle, the seats and the media thread know.
pub(crate) struct RoomShared {
    pub(crate) id: RoomId,
    /// The worker that has it; a room does not move.
    pub(crate) worker: usize,
    pub(crate) inbox: Inbox<RoomCommand>,
    seats: AtomicUsize,
    seats_max: usize,
    closed: AtomicBool,
    /// Taken by the worker at the first that it hears of the room.
    founding: Mutex<Option<Founding>>,
    links: Arc<Links>,
}

/// What the worker needs to make a room.
pub(crate) struct Founding {
    pub(crate) spec: RoomSpec,
    pub(crate) sink: Box<dyn Sink>,
}

/// What a room is told to do.
pub(crate) enum RoomCommand {
    Play {
        id: PlayId,
        what: Vec<Source>,
        times: u32,
    },
    Record(RecordId, Box<RecordSpec>),
    Stop(PlayId),
    StopRecord(RecordId),
}

impl RoomShared {
    pub(crate) fn new(id: RoomId, worker: usize, founding: Founding, links: Arc<Links>) -> Self {
        links.counters.rooms.fetch_add(1, Ordering::SeqCst);
        Self {
            id,
            worker,
            inbox: Inbox::new(),
            seats: AtomicUsize::new(0),
            seats_max: founding.spec.members_max.min(RoomSpec::MEMBERS_MAX),
            closed: AtomicBool::new(false),
            founding: Mutex::new(Some(founding)),
            links,
        }
    }

    pub(crate) fn take_seat(self: &Arc<Self>) -> Result<Seat, RoomError> {
        if self.is_closed() {
            return Err(RoomError::Closed);
        }
        let more = |seats| (seats < self.seats_max).then_some(seats + 1);
        match self
            .seats
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
        {
            Ok(_) => Ok(Seat(Arc::clone(self))),
            Err(_) => Err(RoomError::Full),
        }
    }

    pub(crate) fn leave_seat(&self) {
        self.seats.fetch_sub(1, Ordering::SeqCst);
    }

    /// What the room is made of, once.
    pub(crate) fn found(&self) -> Option<Founding> {
        let mut founding = self.founding.lock().unwrap_or_else(PoisonError::into_inner);
        founding.take()
    }

    /// Whether it is a room of the engine with these links.
    pub(crate) fn is_of(&self, links: &Arc<Links>) -> bool {
        Arc::ptr_eq(&self.links, links)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn send(self: &Arc<Self>, command: RoomCommand) {
        match self.inbox.push(command) {
            Pushed::Full => self.links.command_lost(),
            Pushed::Notify => self.notify(),
            Pushed::Waits => {}
        }
    }

    fn close(self: &Arc<Self>) {
        self.closed.store(true, Ordering::SeqCst);
        self.links.counters.rooms.fetch_sub(1, Ordering::SeqCst);
        if self.inbox.close() == Pushed::Notify {
            self.notify();
        }
    }

    fn notify(self: &Arc<Self>) {
        self.links
            .send(self.worker, Mail::RoomReady(Arc::clone(self)));
    }
}
