//! What a tick does for all sessions of a worker.

use crate::leg::{Arrival, Input, Tie, What};

use super::Worker;

impl Worker {
    /// A packet of the peer of a session: it goes on to the partner's peer, if there is one.
    pub(super) fn arrived(&mut self, place: usize, arrival: &Arrival) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        if let Some(key) = arrival.pressed {
            leg.pressed(key, &mut self.desk);
        }
        let (tie, clock) = (&leg.tie, leg.clock());
        let Tie::Partner(partner) = *tie else {
            return;
        };
        let (codec, millis) = (leg.codec(), leg.millis());
        let Some(other) = self.legs.get_mut(partner) else {
            return;
        };
        let payload = self.packet.get(arrival.payload.clone());
        let payload = payload.unwrap_or_default();
        match arrival.what {
            What::Sound(codec) if other.takes(codec, millis) => {
                other.relay(arrival, payload, &mut self.desk);
            }
            What::Sound(_) => {}
            What::Key(_) if !other.is_free() => {}
            What::Key(_) if codec.is_some_and(|codec| other.takes(codec, millis)) => {
                if !other.relay(arrival, payload, &mut self.desk)
                    && let Some(key) = arrival.pressed
                {
                    other.sound_key(key);
                }
            }
            What::Key(_) => {
                other.forward_key(arrival, clock, &mut self.desk);
                if let Some(key) = arrival.pressed {
                    other.sound_key(key);
                }
            }
        }
    }

    /// 20 ms of all sessions: first all are heard, then all are spoken to, then those who hear
    /// along get theirs, so that packets go out as close to the beginning as can be.
    pub(super) fn tick(&mut self, skipped: u64) {
        self.desk.tally.ticks += 1;
        self.desk.tally.ticks_skipped += skipped;
        let places: Vec<usize> = self.legs.iter().map(|(place, _)| place).collect();
        for place in &places {
            let wanted = self.is_heard(*place);
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.pass(skipped + 1);
                leg.hear(wanted, &mut self.desk);
            }
        }
        for (_, hall) in &mut self.halls {
            hall.mix(&mut self.legs, &mut self.desk);
        }
        for place in &places {
            let input = self.input(*place);
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.speak(input, &mut self.desk);
            }
        }
        for place in &places {
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.share(&mut self.desk);
                leg.report_if_due(&mut self.desk);
            }
        }
        self.ask_again();
        self.links.counters.add(&mut self.desk.tally);
        self.desk
            .outbox
            .flush(&self.links.writer, &self.links.counters);
    }

    /// Whether anybody wants what the peer of a session says, as sound.
    fn is_heard(&self, place: usize) -> bool {
        let Some(leg) = self.legs.get(place) else {
            return false;
        };
        leg.hears()
            || match &leg.tie {
                Tie::None => false,
                Tie::Room { member, .. } => !member.muted,
                Tie::Partner(partner) => self.legs.get(*partner).is_some_and(|other| {
                    other.overhears() || other.is_free() && !leg.relays_to(other)
                }),
            }
    }

    /// What the partner or the room of a session says to its peer, put into its place.
    fn input(&mut self, place: usize) -> Input {
        let Some(leg) = self.legs.get_mut(place) else {
            return Input::Nobody;
        };
        let partner = match &leg.tie {
            Tie::None => return Input::Nobody,
            // The room has put it there.
            Tie::Room { .. } => return Input::Sound,
            Tie::Partner(partner) => *partner,
        };
        let Some((leg, other)) = self.legs.get2_mut(place, partner) else {
            return Input::Nobody;
        };
        let relayed = other.relays_to(leg);
        if !other.heard.sounds {
            leg.input.clear();
            return if relayed {
                Input::Relayed
            } else {
                Input::Silence
            };
        }
        let (from, to) = (other.rate(), leg.rate());
        leg.incoming
            .frame(&other.heard.samples, from, to, &mut leg.input);
        if relayed {
            Input::Relayed
        } else {
            Input::Sound
        }
    }
}
