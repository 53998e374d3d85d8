//! Who has answered a leg, told by what is heard of it.

use ::media::{Answering, AnsweringSpec, TapId, Track, Tracks};

use crate::agent::Mail;
use crate::twiml::MachineDetection;

use super::{LegMedia, MediaEvent};

impl LegMedia {
    /// Listens from now on, once; the end is [`MediaEvent::Answered`].
    pub(crate) fn detect(&self, asked: &MachineDetection) {
        let Some(session) = &self.session else { return };
        let mut answering = Answering::new(AnsweringSpec {
            message_end: asked.message_end,
            timeout: asked.timeout,
            speech: asked.speech,
            speech_end: asked.speech_end,
            silence: asked.silence,
        });
        let (mailbox, leg) = (self.studio.mailbox.clone(), self.owner.leg);
        let (mut certain, mut told) = (None, false);
        let ear = move |_: Track, _, payload: &[u8; 160]| {
            if certain.is_none() {
                certain = answering.push(payload);
            }
            // Where the mailbox is full it is tried again with the next frame.
            if let (Some(by), false) = (certain, told) {
                let event = MediaEvent::Answered(by, answering.heard());
                told = mailbox.try_send(Mail::Media(leg, event)).is_ok();
            }
        };
        session.tap(TAP, Tracks::Inbound, Box::new(ear));
    }
}

/// Above the numbers of streams.
pub(super) const TAP: TapId = TapId(1 << 41);
