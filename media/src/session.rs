//! The handle of a session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::inbox::{Inbox, Pushed};
use crate::link::{Links, Mail};
use crate::room::RoomShared;
use crate::{
    Member, Peer, PlayId, RecordId, RecordSpec, Room, RoomError, Source, TapId, TapSink, Tracks,
};

/// One leg of a call.
///
/// All methods but [`local`](Self::local) and [`id`](Self::id) only send a command, which is carried
/// out in the order in which they were called. Dropping the session closes it: its ports are free
/// again, and its recordings end with [`RecordReason::HungUp`](crate::RecordReason::HungUp).
pub struct Session {
    shared: Arc<SessionShared>,
}

/// Tells the sessions of an engine apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub(crate) u64);

impl Session {
    pub(crate) fn new(shared: Arc<SessionShared>) -> Self {
        Self { shared }
    }

    /// What tells it apart from others of its engine.
    pub fn id(&self) -> SessionId {
        self.shared.id
    }

    /// Where it receives RTP; RTCP is one port above.
    pub fn local(&self) -> SocketAddr {
        self.shared.local
    }

    /// Sets the other end; again after each session description.
    pub fn connect(&self, peer: Peer) {
        self.shared.send(Command::Connect(Box::new(peer)));
    }

    /// Plays sources in a row, the whole row `times` times, or without end if that is 0. It begins
    /// when all that was given before is done, and takes the place of what a bridge or a room says.
    pub fn play(&self, id: PlayId, what: Vec<Source>, times: u32) {
        self.shared.send(Command::Play { id, what, times });
    }

    /// Sends keys, in the row of what is played: telephone events, or tones to a peer that has not
    /// agreed on them. `w` is half a second of nothing, `W` a second.
    pub fn keys(&self, id: PlayId, keys: &str) {
        let keys = keys.to_owned();
        self.shared.send(Command::Keys { id, keys });
    }

    /// Ends what is played, or takes it out of the row.
    pub fn stop(&self, id: PlayId) {
        self.shared.send(Command::Stop(id));
    }

    /// Records into a file.
    pub fn record(&self, id: RecordId, spec: RecordSpec) {
        self.shared.send(Command::Record(id, Box::new(spec)));
    }

    /// Ends a recording.
    pub fn stop_record(&self, id: RecordId) {
        self.shared.send(Command::StopRecord(id));
    }

    /// Connects the peers of two sessions, both ways; whoever they were connected with before, or
    /// the rooms that they were in, they leave. Packets are handed on as they come where the codecs
    /// agree.
    pub fn bridge(&self, other: &Self) {
        if !Arc::ptr_eq(&self.shared.links, &other.shared.links) {
            tracing::error!("a bridge between sessions of two engines");
            return;
        }
        let other = Arc::clone(&other.shared);
        self.shared
            .send(Command::Bridge(other, self.shared.stamp()));
    }

    /// Ends the bridge that it is in, for both.
    pub fn unbridge(&self) {
        self.shared.send(Command::Unbridge(self.shared.stamp()));
    }

    /// Goes into a room; a bridge or another room that it is in, it leaves.
    ///
    /// # Errors
    ///
    /// The room is full or closed.
    pub fn join(&self, room: &Room, member: Member) -> Result<(), RoomError> {
        if !room.shared().is_of(&self.shared.links) {
            return Err(RoomError::Closed);
        }
        let seat = room.shared().take_seat()?;
        let stamp = self.shared.stamp();
        self.shared.send(Command::Join(seat, member, stamp));
        Ok(())
    }

    /// Changes how it takes part in its room.
    pub fn set_member(&self, member: Member) {
        self.shared.send(Command::SetMember(member));
    }

    /// Leaves its room.
    pub fn leave(&self) {
        self.shared.send(Command::Leave(self.shared.stamp()));
    }

    /// Lets somebody hear along.
    pub fn tap(&self, id: TapId, tracks: Tracks, sink: Box<dyn TapSink>) {
        self.shared.send(Command::Tap(id, tracks, sink));
    }

    /// Ends a tap.
    pub fn untap(&self, id: TapId) {
        self.shared.send(Command::Untap(id));
    }

    /// Asks for [`Event::Speech`](crate::Event::Speech), or no longer.
    pub fn listen(&self, on: bool) {
        self.shared.send(Command::Listen(on));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.shared.id.0)
            .field("local", &self.shared.local)
            .finish()
    }
}

/// What the handle and the media thread both know.
pub(crate) struct SessionShared {
    pub(crate) id: SessionId,
    pub(crate) local: SocketAddr,
    /// The worker that has it, or that it is on the way to.
    owner: AtomicUsize,
    pub(crate) inbox: Inbox<Command>,
    links: Arc<Links>,
}

impl SessionShared {
    pub(crate) fn new(id: SessionId, local: SocketAddr, owner: usize, links: Arc<Links>) -> Self {
        Self {
            id,
            local,
            owner: AtomicUsize::new(owner),
            inbox: Inbox::new(),
            links,
        }
    }

    pub(crate) fn owner(&self) -> usize {
        self.owner.load(Ordering::SeqCst)
    }

    pub(crate) fn set_owner(&self, worker: usize) {
        self.owner.store(worker, Ordering::SeqCst);
    }

    fn send(&self, command: Command) {
        match self.inbox.push(command) {
            Pushed::Full => self.links.command_lost(),
            Pushed::Notify => self.notify(),
            Pushed::Waits => {}
        }
    }

    fn stamp(&self) -> Stamp {
        self.links.stamp()
    }

    fn close(&self) {
        if self.inbox.close() == Pushed::Notify {
            self.notify();
        }
    }

    /// The owner is read after the command was put down: whoever has become the owner since has
    /// looked for commands since.
    fn notify(&self) {
        self.links.send(self.owner(), Mail::Ready(self.id));
    }
}

/// What a session is told to do.
pub(crate) enum Command {
    Bridge(Arc<SessionShared>, Stamp),
    Connect(Box<Peer>),
    Join(Seat, Member, Stamp),
    Keys {
        id: PlayId,
        keys: String,
    },
    Leave(Stamp),
    Listen(bool),
    Play {
        id: PlayId,
        what: Vec<Source>,
        times: u32,
    },
    Record(RecordId, Box<RecordSpec>),
    SetMember(Member),
    Stop(PlayId),
    StopRecord(RecordId),
    Tap(TapId, Tracks, Box<dyn TapSink>),
    Unbridge(Stamp),
    Untap(TapId),
}

/// When a session was told whom to be connected with. Sessions are told on different threads; of
/// what two say of a third, the later counts, whichever is carried out first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Stamp(pub(crate) u64);

/// A place in a room, free again when it is dropped.
pub(crate) struct Seat(pub(crate) Arc<RoomShared>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave_seat();
    }
}
