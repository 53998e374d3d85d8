//! Who is connected with whom, and on which worker.
//!
//! Two sessions that are bridged, and all members of a room, are on one worker. Of two sessions on
//! different workers the younger goes to the older one's; a member goes to its room's.

use std::sync::Arc;

use crate::hall::Hall;
use crate::inbox::Popped;
use crate::leg::{Leg, Tie};
use crate::link::{Errand, Mail};
use crate::room::{RoomCommand, RoomShared};
use crate::session::{Seat, SessionShared, Stamp};
use crate::{Depth, Member, SessionId};

use super::Worker;

impl Worker {
    /// A session has come.
    pub(super) fn adopt(&mut self, mut leg: Box<Leg>, errand: Errand) {
        leg.adopt();
        let id = leg.shared.id;
        let place = self.legs.insert(leg);
        self.places.insert(id, place);
        self.register(place, false);
        match errand {
            Errand::Bridge(other) => self.meet(place, id, &other),
            Errand::Join(seat, member, stamp) => self.join(place, seat, member, stamp),
            Errand::Open => {}
        }
        // Whatever was said while it was on its way.
        if self.places.get(&id) == Some(&place) {
            self.obey(place);
        }
    }

    /// A session has come for a bridge: it wants the other, or the other wants it, unless either
    /// has been told something else meanwhile.
    fn meet(&mut self, place: usize, id: SessionId, other: &Arc<SessionShared>) {
        let wants = self.wants(place, other.id);
        match self.places.get(&other.id).copied() {
            Some(partner) => {
                if let Some(stamp) = wants.max(self.wants(partner, id)) {
                    self.tie(place, partner, stamp);
                }
            }
            // It has moved: it is followed.
            None => {
                if let Some(stamp) = wants {
                    self.bridge(place, Arc::clone(other), stamp);
                }
            }
        }
    }

    /// Takes a session out of all tables.
    pub(super) fn take_out(&mut self, place: usize) -> Option<Box<Leg>> {
        self.untie(place);
        self.deregister(place);
        let leg = self.legs.try_remove(place)?;
        self.places.remove(&leg.shared.id);
        Some(leg)
    }

    /// Connects a session with another, wherever that is.
    pub(super) fn bridge(&mut self, place: usize, other: Arc<SessionShared>, stamp: Stamp) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        let own = Arc::clone(&leg.shared);
        if own.id == other.id || leg.stamp > stamp {
            return;
        }
        if let Some(partner) = self.places.get(&other.id).copied() {
            return self.tie(place, partner, stamp);
        }
        self.untie(place);
        if let Some(leg) = self.legs.get_mut(place) {
            leg.stamp = stamp;
            leg.wanted = Some(Arc::clone(&other));
        }
        let owner = other.owner();
        if own.id < other.id || owner == self.number {
            // The other comes here; if it is on its way, it is asked for when it has come.
            let give = Mail::Give {
                session: other,
                partner: own,
                stamp,
                to: self.number,
                hops: 0,
            };
            self.links.send(owner, give);
        } else {
            self.send_away(place, owner, Errand::Bridge(other));
        }
    }

    /// A worker wants a session for a bridge.
    pub(super) fn give(
        &mut self,
        session: &Arc<SessionShared>,
        partner: &Arc<SessionShared>,
        stamp: Stamp,
        to: usize,
        hops: u8,
    ) {
        let Some(place) = self.places.get(&session.id).copied() else {
            // It has gone elsewhere, is on its way here, or is closed: it is looked for again.
            if hops < HOPS_MAX && self.later.len() < LATER_MAX {
                self.later.push(Mail::Give {
                    session: Arc::clone(session),
                    partner: Arc::clone(partner),
                    stamp,
                    to,
                    hops: hops + 1,
                });
            }
            return;
        };
        if self.legs.get(place).is_some_and(|leg| leg.stamp > stamp) {
            // It has been told something else since.
            return;
        }
        if to == self.number {
            self.meet(place, session.id, partner);
        } else {
            self.send_away(place, to, Errand::Bridge(Arc::clone(partner)));
        }
    }

    /// Asks again for the sessions that were not where they were looked for.
    pub(super) fn ask_again(&mut self) {
        for mail in std::mem::take(&mut self.later) {
            if let Mail::Give { session, .. } = &mail {
                self.links.send(session.owner(), mail);
            }
        }
    }

    pub(super) fn unbridge(&mut self, place: usize, stamp: Stamp) {
        let Some(leg) = self.legs.get_mut(place).filter(|leg| leg.stamp < stamp) else {
            return;
        };
        leg.wanted = None;
        if let Tie::Partner(partner) = leg.tie {
            leg.stamp = stamp;
            self.untie(place);
            if let Some(other) = self.legs.get_mut(partner) {
                other.stamp = other.stamp.max(stamp);
            }
        } else if !matches!(leg.tie, Tie::Room { .. }) {
            leg.stamp = stamp;
        }
    }

    pub(super) fn join(&mut self, place: usize, seat: Seat, member: Member, stamp: Stamp) {
        let Some(leg) = self.legs.get_mut(place).filter(|leg| leg.stamp <= stamp) else {
            return;
        };
        leg.stamp = stamp;
        if seat.0.worker != self.number {
            let worker = seat.0.worker;
            return self.send_away(place, worker, Errand::Join(seat, member, stamp));
        }
        self.untie(place);
        let room = self.hall_of(&seat.0);
        let (Some(leg), Some(room)) = (self.legs.get_mut(place), room) else {
            // The room was closed meanwhile.
            return;
        };
        leg.wanted = None;
        leg.set_depth(member.depth);
        leg.tie = Tie::Room {
            room,
            member,
            _seat: seat,
        };
        if let Some(hall) = self.halls.get_mut(room) {
            hall.enter(place, &member);
        }
    }

    pub(super) fn leave(&mut self, place: usize, stamp: Stamp) {
        if let Some(leg) = self.legs.get_mut(place)
            && leg.stamp < stamp
            && matches!(leg.tie, Tie::Room { .. })
        {
            leg.stamp = stamp;
            self.untie(place);
        }
    }

    pub(super) fn set_member(&mut self, place: usize, new: Member) {
        if let Some(leg) = self.legs.get_mut(place)
            && let Tie::Room { member, .. } = &mut leg.tie
        {
            *member = new;
            leg.set_depth(new.depth);
        }
    }

    pub(super) fn obey_room(&mut self, room: &Arc<RoomShared>) {
        let Some(place) = self.hall_of(room) else {
            return;
        };
        while let Some(hall) = self.halls.get_mut(place) {
            match hall.shared.inbox.pop() {
                Popped::Nothing => return,
                Popped::Command(command) => match command {
                    RoomCommand::Play { id, what, times } => hall.play(id, what, times),
                    RoomCommand::Record(id, spec) => hall.record(id, spec, &mut self.desk),
                    RoomCommand::Stop(id) => hall.stop(id),
                    RoomCommand::StopRecord(id) => hall.stop_record(id, &mut self.desk),
                },
                Popped::Closed => {
                    for member in hall.members().to_vec() {
                        self.untie(member);
                    }
                    if let Some(mut hall) = self.halls.try_remove(place) {
                        hall.close(&mut self.desk);
                    }
                    self.rooms.remove(&room.id);
                }
            }
        }
    }

    /// The place of a room, which is made when something is first heard of it: a member may come
    /// before the first command.
    fn hall_of(&mut self, room: &Arc<RoomShared>) -> Option<usize> {
        if let Some(place) = self.rooms.get(&room.id) {
            return Some(*place);
        }
        let hall = Hall::new(Arc::clone(room), room.found()?);
        let place = self.halls.insert(hall);
        self.rooms.insert(room.id, place);
        Some(place)
    }

    /// Connects two sessions of this worker, unless either has been told something else since.
    fn tie(&mut self, one: usize, other: usize, stamp: Stamp) {
        let Some((leg, partner)) = self.legs.get2_mut(one, other) else {
            return;
        };
        for leg in [&mut *leg, &mut *partner] {
            if leg.wanted.is_some() && leg.stamp <= stamp {
                leg.wanted = None;
            }
        }
        if leg.stamp.max(partner.stamp) > stamp {
            return;
        }
        leg.stamp = stamp;
        partner.stamp = stamp;
        if matches!(leg.tie, Tie::Partner(known) if known == other) {
            return;
        }
        for (place, partner) in [(one, other), (other, one)] {
            self.untie(place);
            if let Some(leg) = self.legs.get_mut(place) {
                leg.tie = Tie::Partner(partner);
            }
        }
        self.attend(one);
        self.attend(other);
    }

    /// Takes a session out of its bridge or its room.
    fn untie(&mut self, place: usize) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        match std::mem::take(&mut leg.tie) {
            Tie::None => {}
            Tie::Partner(partner) => {
                if let Some(other) = self.legs.get_mut(partner) {
                    other.tie = Tie::None;
                }
                self.attend(partner);
                self.attend(place);
            }
            Tie::Room { room, member, .. } => {
                leg.set_depth(Depth::default());
                if let Some(hall) = self.halls.get_mut(room) {
                    hall.exit(place, &member);
                }
            }
        }
    }

    /// Hands a session over to another worker.
    fn send_away(&mut self, place: usize, to: usize, errand: Errand) {
        if let Some(leg) = self.take_out(place) {
            // Before the session is on its way: who says something from now on, tells the other.
            leg.shared.set_owner(to);
            self.links.send(to, Mail::Adopt(leg, errand));
        }
    }

    /// When a session was told to be bridged with another that it waits for.
    fn wants(&self, place: usize, other: SessionId) -> Option<Stamp> {
        let leg = self.legs.get(place)?;
        let wanted = leg.wanted.as_ref()?;
        (wanted.id == other).then_some(leg.stamp)
    }
}

/// Ticks for which a session is looked for that is wanted for a bridge: a second. It is on its way
/// from one worker to another for much less.
const HOPS_MAX: u8 = 50;

/// Requests that wait for the next tick; far more than sessions that move in one.
const LATER_MAX: usize = 4096;
