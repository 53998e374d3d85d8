//! What the runs want heard, and what is heard.

use crate::media::{Heard, MediaEvent};
use crate::run::{self, Event, MediaOutcome};

use super::call::Call;
use super::core::Core;

impl Call {
    /// Begins a medium of a leg's run.
    pub(crate) fn start_media(&mut self, core: &Core, leg: u32, medium: &run::Media) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        let opened = found.open_media(core);
        match (opened, &mut found.media) {
            (Ok(_), Some(media)) => {
                if let Some(recording) = media.start(medium) {
                    self.tell(leg, Event::RecordingStarted(medium.id, recording));
                }
            }
            (opened, _) => {
                let why = opened
                    .err()
                    .map_or_else(String::new, |error| error.to_string());
                let outcome = MediaOutcome::Failed(format!("there are no media: {why}"));
                self.tell(leg, Event::MediaDone(medium.id, outcome));
            }
        }
    }

    /// Something happened in the media of a leg.
    pub(crate) fn media(&mut self, core: &mut Core, key: u32, event: MediaEvent) {
        let Some(media) = self.legs.get_mut(&key).and_then(|leg| leg.media.as_mut()) else {
            return;
        };
        match media.take(event) {
            None => {}
            Some(Heard::Digit(digit)) => {
                self.spend();
                self.tell(key, Event::Digit(digit));
            }
            Some(Heard::Done(id, outcome)) => self.tell(key, Event::MediaDone(id, outcome)),
            Some(Heard::Answered(by, after)) => self.callee_known(core, key, by, after),
            Some(Heard::Played(id)) => self.played(core, key, id),
            Some(Heard::Recorded(recorded)) => self.taped(core, key, recorded),
            Some(Heard::Spoke(started)) => core.speaks(self.leg_key(key), started),
            Some(Heard::Speech(id, speech)) => self.tell(key, Event::Speech(id, speech)),
            Some(Heard::Stream(id, event)) => self.streamed(core, key, id, event),
        }
    }
}
