//! What was given up and still owes a result: it is told to the callbacks that asked for it, and
//! otherwise forgotten.

use super::recording::{State, Teller};
use super::{DialId, DialOutcome, MediaId, MediaOutcome, Run};

/// What is still to come for verbs that are over.
#[derive(Debug, Default)]
pub(super) struct Owed {
    recordings: Vec<(MediaId, Teller)>,
    dials: Vec<(DialId, Teller)>,
    /// Ends of stays that nobody waits for. They come in order, each once.
    pub(super) stays: u32,
}

impl Owed {
    /// A recording that was stopped for something else.
    pub(super) fn recording(&mut self, id: MediaId, teller: Option<Teller>) {
        push(&mut self.recordings, id, teller);
    }

    /// A `<Dial>` that was given up for something else.
    pub(super) fn dial(&mut self, id: DialId, teller: Option<Teller>) {
        push(&mut self.dials, id, teller);
    }
}

impl Run {
    /// Takes the end of a recording that was given up. `false`: it is none of those.
    pub(super) fn owed_recording(&mut self, id: MediaId, outcome: &MediaOutcome) -> bool {
        let Some(teller) = take(&mut self.owed.recordings, id) else {
            return false;
        };
        match outcome {
            MediaOutcome::Recorded(recording) => {
                self.tell_recording(&teller, State::Completed, recording);
            }
            _ => self.tell_recording(&teller, State::Absent, &Default::default()),
        }
        true
    }

    /// Takes the end of a `<Dial>` that was given up.
    pub(super) fn owed_dial(&mut self, id: DialId, outcomes: &[DialOutcome]) {
        if let Some(teller) = take(&mut self.owed.dials, id) {
            self.tell_dial_recording(&teller, outcomes);
        }
    }
}

fn push<K>(owed: &mut Vec<(K, Teller)>, id: K, teller: Option<Teller>) {
    let Some(teller) = teller else { return };
    if owed.len() == OWED_MAX {
        owed.remove(0);
    }
    owed.push((id, teller));
}

fn take<K: PartialEq>(owed: &mut Vec<(K, Teller)>, id: K) -> Option<Teller> {
    let at = owed.iter().position(|(owed, _)| *owed == id)?;
    Some(owed.swap_remove(at).1)
}

/// Results of one kind that are waited for at a time: an operator can replace documents faster
/// than a recording is written.
const OWED_MAX: usize = 16;
