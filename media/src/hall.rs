//! A room as its worker has it: who is in it, and who hears what.

use std::sync::Arc;

use slab::Slab;

use crate::convert::{Converter, samples};
use crate::desk::Desk;
use crate::leg::{Leg, Tie};
use crate::mix;
use crate::player::{Owner, Player};
use crate::recorders::Recorders;
use crate::room::{Founding, RoomShared};
use crate::teller::Teller;
use crate::tone;
use crate::writer::RECORD_RATE;
use crate::{
    Event, Member, Outcome, PlayId, RecordId, RecordSpec, RecordTracks, RoomSpec, SessionId, Source,
};

/// The members of a room and what is played to them all.
pub(crate) struct Hall {
    pub(crate) shared: Arc<RoomShared>,
    spec: RoomSpec,
    teller: Teller,
    members: Vec<usize>,
    player: Player,
    recorders: Recorders,
    voices: Vec<Voice>,
    /// Frames of voices that are used again.
    spare: Vec<Vec<i16>>,
    /// All voices, and what is played.
    sum: Vec<i32>,
    others: Vec<i32>,
    played: Vec<i16>,
    common: Vec<i16>,
    personal: Vec<i16>,
    recorded: (Converter, Vec<i16>),
    done: Vec<(Owner, Outcome)>,
}

/// Somebody who is heard in this tick.
struct Voice {
    place: usize,
    loudness: u32,
    coached: Option<SessionId>,
    frame: Vec<i16>,
}

impl Hall {
    pub(crate) fn new(shared: Arc<RoomShared>, founding: Founding) -> Self {
        Self {
            shared,
            spec: founding.spec,
            teller: Teller::new(founding.sink),
            members: Vec::new(),
            player: Player::default(),
            recorders: Recorders::new(RECORDERS_MAX),
            voices: Vec::new(),
            spare: Vec::new(),
            sum: Vec::new(),
            others: Vec::new(),
            played: Vec::new(),
            common: Vec::new(),
            personal: Vec::new(),
            recorded: Default::default(),
            done: Vec::new(),
        }
    }

    /// Places of the members in the table of the worker.
    pub(crate) fn members(&self) -> &[usize] {
        &self.members
    }

    pub(crate) fn enter(&mut self, place: usize, member: &Member) {
        self.members.push(place);
        if member.beep_on_enter {
            self.beep();
        }
    }

    pub(crate) fn exit(&mut self, place: usize, member: &Member) {
        self.members.retain(|known| *known != place);
        if member.beep_on_exit {
            self.beep();
        }
    }

    pub(crate) fn play(&mut self, id: PlayId, what: Vec<Source>, times: u32) {
        if let Err(why) = self.player.push(Owner::Play(id), what, times) {
            self.teller.tell(Event::Done(id, Outcome::Failed(why)));
        }
    }

    pub(crate) fn stop(&mut self, id: PlayId) {
        self.player.stop(Owner::Play(id));
    }

    pub(crate) fn record(&mut self, id: RecordId, mut spec: Box<RecordSpec>, desk: &mut Desk) {
        spec.what = RecordTracks::Inbound;
        spec.beep = false;
        self.recorders.add(id, spec, self.teller.clone(), desk);
    }

    pub(crate) fn stop_record(&mut self, id: RecordId, desk: &mut Desk) {
        self.recorders.stop(id, desk);
    }

    /// The room is closed; its members have left.
    pub(crate) fn close(&mut self, desk: &mut Desk) {
        self.recorders.close(desk);
    }

    /// One tick: what each member hears goes to its [`Leg::input`].
    pub(crate) fn mix(&mut self, legs: &mut Slab<Box<Leg>>, desk: &mut Desk) {
        let rates = self.members.iter().filter_map(|place| legs.get(*place));
        let rate = rates.map(|leg| leg.rate()).max().unwrap_or(RECORD_RATE);
        self.player
            .render(rate, false, &mut self.played, &mut self.done);
        self.tell_done();
        self.gather(legs, rate);
        self.sum.clear();
        self.sum.resize(samples(rate), 0);
        mix::add(&mut self.sum, &self.played);
        for voice in self.voices.iter().filter(|voice| voice.coached.is_none()) {
            mix::add(&mut self.sum, &voice.frame);
        }
        mix::clamp(&self.sum, &mut self.common);
        for at in 0..self.members.len() {
            self.serve(at, legs, rate);
        }
        self.keep(rate, desk);
        let frames = self.voices.drain(..).map(|voice| voice.frame);
        self.spare.extend(frames);
    }

    /// Who is heard: of those who may be, the loudest.
    fn gather(&mut self, legs: &mut Slab<Box<Leg>>, rate: u32) {
        for place in &self.members {
            let Some(leg) = legs.get_mut(*place) else {
                continue;
            };
            let Tie::Room { member, .. } = leg.tie else {
                continue;
            };
            if member.muted || !leg.heard.sounds {
                continue;
            }
            self.voices.push(Voice {
                place: *place,
                loudness: leg.loudness,
                coached: member.coach,
                frame: Vec::new(),
            });
        }
        if self.spec.loudest > 0 && self.voices.len() > self.spec.loudest {
            // A coach is heard in any case: there are few, and each by one member only.
            let rank = |voice: &Voice| (voice.coached.is_none(), u32::MAX - voice.loudness);
            self.voices.sort_by_key(rank);
            let coaches = self.voices.iter().filter(|voice| voice.coached.is_some());
            let kept = self.spec.loudest + coaches.count();
            self.voices.truncate(kept);
        }
        for voice in &mut self.voices {
            voice.frame = self.spare.pop().unwrap_or_default();
            if let Some(leg) = legs.get_mut(voice.place) {
                let own = leg.rate();
                leg.outgoing
                    .frame(&leg.heard.samples, own, rate, &mut voice.frame);
            }
        }
    }

    /// What one member hears.
    fn serve(&mut self, at: usize, legs: &mut Slab<Box<Leg>>, rate: u32) {
        let place = self.members.get(at).copied();
        let Some((place, leg)) = place.and_then(|place| Some((place, legs.get_mut(place)?))) else {
            return;
        };
        let id = leg.shared.id;
        let mut personal = false;
        for voice in &self.voices {
            let own = voice.place == place && voice.coached.is_none();
            let coach = voice.coached == Some(id) && voice.place != place;
            if !own && !coach {
                continue;
            }
            if !std::mem::replace(&mut personal, true) {
                self.others.clone_from(&self.sum);
            }
            if own {
                mix::subtract(&mut self.others, &voice.frame);
            } else {
                mix::add(&mut self.others, &voice.frame);
            }
        }
        let frame = if personal {
            mix::clamp(&self.others, &mut self.personal);
            &self.personal
        } else {
            &self.common
        };
        let own = leg.rate();
        leg.incoming.frame(frame, rate, own, &mut leg.input);
    }

    fn keep(&mut self, rate: u32, desk: &mut Desk) {
        if self.recorders.is_empty() {
            return;
        }
        let (converter, frame) = &mut self.recorded;
        converter.frame(&self.common, rate, RECORD_RATE, frame);
        self.recorders.frame(frame, &[], desk);
    }

    fn tell_done(&mut self) {
        for (owner, outcome) in self.done.drain(..) {
            if let Owner::Play(id) = owner {
                self.teller.tell(Event::Done(id, outcome));
            }
        }
    }

    fn beep(&mut self) {
        self.player.push_first(Owner::Nobody, tone::beep());
    }
}

/// Recordings of one room at the same time.
const RECORDERS_MAX: usize = 4;
