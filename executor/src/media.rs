//! The seam between signalling and sound.
//!
//! [`Studio`] opens one [`LegMedia`] for each leg: a session of the media engine, and all that the
//! leg's run wants heard, recorded or recognised in it. What has to be awaited (a text that is
//! synthesised, a file that is fetched, a recogniser, a WebSocket) is awaited in tasks; whatever
//! happens comes back to the user agent as a [`MediaEvent`] in its mailbox, and the session is
//! touched by the user agent alone.

mod detecting;
mod forking;
mod hall;
mod keeping;
mod leg;
mod listening;
mod music;
mod recording;
mod streaming;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::media::pcm::Pcm;
use ::media::{AnsweredBy, Engine, Event};
use tokio::sync::mpsc;

use crate::Sid;
use crate::agent::{LegKey, Mail};
use crate::gauges::{Gauges, Held};
use crate::run::{MediaId, MediaOutcome, Speech, StreamId};
use crate::sound::Sound;
use crate::sound::stream::StreamEvent;

pub(crate) use self::forking::Fork;
pub(crate) use self::hall::Hall;
pub(crate) use self::leg::{Heard, LegMedia};
pub(crate) use self::recording::{Recorded, Wanted};
pub(crate) use ::media::OpenError;

/// What all media of an executor share.
#[derive(Clone)]
pub(crate) struct Studio {
    engine: Engine,
    sound: Sound,
    gauges: Arc<Gauges>,
    mailbox: mpsc::Sender<Mail>,
}

/// Whose media they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) leg: LegKey,
    /// `AccountSid` and `CallSid` of what is recorded.
    pub(crate) account: Sid,
    pub(crate) call: Sid,
}

/// What happens in the media of a leg.
#[derive(Debug)]
pub(crate) enum MediaEvent {
    /// It is certain who has answered, after so much of what was heard.
    Answered(AnsweredBy, Duration),
    /// In its session.
    Engine(Event),
    /// A medium is over that no session plays.
    Ended(MediaId, MediaOutcome),
    /// A text or a file is there to be played so many times.
    Rendered(MediaId, Pcm, u32),
    /// A recogniser tells something before its end.
    Speech(MediaId, Speech),
    /// A stream tells something.
    Stream(StreamId, StreamEvent),
}

impl Studio {
    pub(crate) fn new(
        engine: Engine,
        sound: Sound,
        gauges: Arc<Gauges>,
        mailbox: mpsc::Sender<Mail>,
    ) -> Self {
        Self {
            engine,
            sound,
            gauges,
            mailbox,
        }
    }

    /// Speech, files, recordings and streams.
    pub(crate) fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Whether there is no room for another leg.
    pub(crate) fn is_full(&self) -> bool {
        self.engine.is_full()
    }

    /// Opens the media of a leg on an address of ours. Sessions of one call are worked on by one
    /// thread.
    pub(crate) fn open(&self, address: IpAddr, owner: Owner) -> Result<LegMedia, OpenError> {
        let mailbox = self.mailbox.clone();
        let leg = owner.leg;
        let sink = move |event| {
            // On a media thread, which must not wait. The mailbox holds more than all sessions
            // have under way; what is lost beyond that is lost like a datagram.
            let mail = Mail::Media(leg, MediaEvent::Engine(event));
            if mailbox.try_send(mail).is_err() {
                tracing::error!(
                    ?leg,
                    "an event of the media is lost: the user agent is behind"
                );
            }
        };
        let session = self
            .engine
            .open(address, owner.leg.affinity(), Box::new(sink))?;
        let held = Held::new(&self.gauges, |gauges| &gauges.rtp_ports, 2);
        Ok(LegMedia::new(self.clone(), owner, session, held))
    }
}
