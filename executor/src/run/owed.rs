//! What is still to be told when nothing else is left: the callback of the leg itself, and the
//! recordings of `<Dial>`s that were given up.

use super::phase::Phase;
use super::recording::Teller;
use super::{DialId, DialOutcome, Leg, Run};

/// What is still to come for verbs that are over.
#[derive(Debug, Default)]
pub(super) struct Owed {
    dials: Vec<(DialId, Teller)>,
    /// The callback of the leg, which is over.
    pub(super) status_callback: bool,
}

impl Owed {
    /// A `<Dial>` that was given up for something else. Of its end only the recording matters.
    pub(super) fn dial(&mut self, id: DialId, teller: Option<Teller>) {
        let Some(teller) = teller else { return };
        if self.dials.len() == OWED_MAX {
            self.dials.remove(0);
        }
        self.dials.push((id, teller));
    }

    /// Whether the end of a `<Dial>` is still to come.
    pub(super) fn has_dials(&self) -> bool {
        !self.dials.is_empty()
    }
}

impl Run {
    /// Takes the end of a `<Dial>` that was given up. It may be the last that the run waits for.
    pub(super) fn owed_dial(&mut self, id: DialId, outcomes: &[DialOutcome]) {
        let dials = &mut self.owed.dials;
        let Some(at) = dials.iter().position(|(owed, _)| *owed == id) else {
            return;
        };
        let (_, teller) = dials.swap_remove(at);
        self.tell_dial_recording(&teller, outcomes);
        self.tell_end();
        if self.leg == Leg::Ended && matches!(self.phase, Phase::Idle) {
            self.conclude();
        }
    }
}

/// Ends that are waited for at a time: documents can transfer a call faster than a callee's BYE is
/// answered.
const OWED_MAX: usize = 16;
