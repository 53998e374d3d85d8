//! The recording of a `<Dial>`: what the leg that has it says and hears.

use ::media::RecordId;

use crate::Warning;
use crate::media::{Recorded, Wanted};
use crate::observer::CallEvent;
use crate::run::{DialRecording, Event};
use crate::sound::recordings::{RecordingSource, RecordingTrack};
use crate::twiml;

use super::call::Call;
use super::core::Core;

impl Call {
    /// A callee rings: `record-from-ringing` begins, if the media of the leg are there.
    pub(crate) fn tape_ringing(&mut self, core: &Core, owner: u32) {
        let plan = self.dial(owner).and_then(|dial| dial.plan.record);
        if plan.is_some_and(|plan| plan.from_ringing) {
            self.tape(core, owner);
        }
    }

    /// Begins the recording, if one is wanted and none is there.
    pub(crate) fn tape(&mut self, core: &Core, owner: u32) {
        let Some(leg) = self.legs.get_mut(&owner) else {
            return;
        };
        let (Some(dial), Some(media), Some(_)) =
            (&mut leg.dial, &mut leg.media, leg.negotiation.agreed())
        else {
            return;
        };
        let (Some(plan), None) = (dial.plan.record, dial.tape) else {
            return;
        };
        leg.tapes += 1;
        let tape = RecordId(FIRST_TAPE + leg.tapes);
        match media.record_all(tape, wanted(plan)) {
            Ok(recording) => {
                dial.tape = Some(tape);
                self.tell(owner, Event::DialRecording(recording));
            }
            Err(error) => {
                let warning = Warning::new(error.code, error.detail);
                self.record(core, owner, CallEvent::Notice(warning));
            }
        }
    }

    /// A recording is over.
    pub(crate) fn taped(&mut self, core: &mut Core, owner: u32, recorded: Recorded) {
        let Some(leg) = self.legs.get_mut(&owner) else {
            return;
        };
        let mut dials = leg.dial.iter_mut().chain(&mut leg.aside);
        if let Some(dial) = dials.find(|dial| dial.tape == Some(recorded.id)) {
            dial.recording = recorded.recording;
        }
        self.check_dial(core, owner);
    }
}

fn wanted(plan: DialRecording) -> Wanted {
    Wanted {
        source: RecordingSource::DialVerb,
        track: match plan.track {
            twiml::RecordingTrack::Both => RecordingTrack::Both,
            twiml::RecordingTrack::Inbound => RecordingTrack::Inbound,
            twiml::RecordingTrack::Outbound => RecordingTrack::Outbound,
        },
        dual: plan.dual,
        trim: plan.trim_silence,
    }
}

/// The numbers of these recordings in the leg's session; runs count in 32 bits.
const FIRST_TAPE: u64 = 1 << 40;
