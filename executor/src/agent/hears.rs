//! What a leg hears while its `<Dial>` goes on.
//!
//! The rule is one, and [`Call::follow`] puts it in force after whatever changes it: a leg whose
//! media are agreed hears the callee who may talk; before that the one callee who sends early
//! media; before that, the ring tone. The media of all legs are with us, so nothing of this is seen
//! in SIP.

use ::media::{PlayId, Source, tone};

use super::call::Call;
use super::core::Core;
use super::leg::{Leg, State};
use super::ring_tone;

/// What a leg hears of its `<Dial>`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Hears {
    /// A callee, who hears this leg.
    Callee(u32),
    /// Nothing of it.
    #[default]
    Nothing,
    /// The ring tone.
    RingTone,
}

impl Call {
    /// Connects an answered leg and the callee who waits for it.
    pub(crate) fn connect(&mut self, core: &Core, owner: u32) {
        let Some(waiting) = self.legs.get(&owner).and_then(Leg::waiting) else {
            return;
        };
        self.tape(core, owner);
        if let Some(leg) = self.legs.get_mut(&waiting) {
            leg.script = None;
            if let Some(callee) = &mut leg.callee {
                callee.bridged = true;
            }
        }
        self.follow(owner);
    }

    /// Lets a leg hear what it is to hear now.
    pub(crate) fn follow(&mut self, owner: u32) {
        let Some(leg) = self.legs.get(&owner) else {
            return;
        };
        let (before, wanted) = (leg.hears, self.to_hear(leg));
        if before == wanted {
            return;
        }
        if let Some(session) = leg.session() {
            match before {
                Hears::Callee(_) => session.unbridge(),
                Hears::RingTone => session.stop(RING_TONE),
                Hears::Nothing => {}
            }
            match wanted {
                Hears::Callee(key) => {
                    if let Some(callee) = self.legs.get(&key).and_then(Leg::session) {
                        session.bridge(callee);
                    }
                }
                Hears::RingTone => session.play(RING_TONE, ring_tone_of(leg), 1),
                Hears::Nothing => {}
            }
        }
        if let Some(leg) = self.legs.get_mut(&owner) {
            leg.hears = wanted;
        }
    }

    fn to_hear(&self, leg: &Leg) -> Hears {
        let Some(dial) = &leg.dial else {
            return Hears::Nothing;
        };
        if leg.is_over() || leg.negotiation.agreed().is_none() {
            return Hears::Nothing;
        }
        if let Some(ready) = leg.waiting() {
            return Hears::Callee(ready);
        }
        match self.early_callee(leg) {
            Some(early) => Hears::Callee(early),
            // Somebody is to be called, or is being called, or hears something else first.
            None if !dial.is_over() => Hears::RingTone,
            None => Hears::Nothing,
        }
    }

    /// The callee whose early media a leg may hear: the only one that is being called.
    pub(crate) fn early_callee(&self, leg: &Leg) -> Option<u32> {
        let dial = leg.dial.as_ref()?;
        let [key] = *dial.legs.as_slice() else {
            return None;
        };
        if dial.winner.is_some() || (dial.plan.targets.len() > 1 && !dial.plan.sequential) {
            return None;
        }
        let callee = self.legs.get(&key)?;
        let early = callee.callee.as_ref().is_some_and(|callee| callee.early);
        (early && callee.state == State::Early).then_some(key)
    }

    /// Who is bridged with a leg, if anybody is: the callee of its own `<Dial>`, or whose `<Dial>`
    /// it is in.
    pub(crate) fn partner(&self, key: u32) -> Option<u32> {
        if let Hears::Callee(callee) = self.legs.get(&key)?.hears {
            return Some(callee);
        }
        let owner = self.parent(key)?;
        let hears = self.legs.get(&owner)?.hears;
        (hears == Hears::Callee(key)).then_some(owner)
    }
}

fn ring_tone_of(leg: &Leg) -> Vec<Source> {
    let country = leg.dial.as_ref().map(|dial| ring_tone::country(&dial.plan));
    let cadence = country.and_then(tone::ring_tone);
    let cadence = cadence.or_else(|| tone::ring_tone("us"));
    cadence.map(Source::Tone).into_iter().collect()
}

/// The number of the ring tone among what is played to a leg; runs count in 32 bits.
const RING_TONE: PlayId = PlayId(1 << 40);
