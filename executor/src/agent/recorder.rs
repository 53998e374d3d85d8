//! What a leg to a recording server has beside a leg: the streams that it sends.

use bytes::Bytes;

use crate::Sid;
use crate::media::Fork;
use crate::run::StreamId;
use crate::sdp::{Description, Recording};

use super::timer::Timer;

/// The recording session of a leg's track or tracks.
pub(crate) struct Recorder {
    /// The leg that is recorded.
    pub(crate) parent: u32,
    /// Which of its run's.
    pub(crate) id: StreamId,
    /// `SiprecSid`.
    pub(crate) sid: Sid,
    /// Its end was reported, or is nobody's matter any more.
    pub(crate) over: bool,
    /// Until it is answered.
    pub(crate) ringing: Option<Timer>,
    description: Recording,
    /// One for each stream of the description, until it is over.
    forks: Vec<Fork>,
}

impl Recorder {
    pub(crate) fn new(
        parent: u32,
        id: StreamId,
        sid: Sid,
        description: Recording,
        forks: Vec<Fork>,
    ) -> Self {
        Self {
            parent,
            id,
            sid,
            over: false,
            ringing: None,
            description,
            forks,
        }
    }

    /// The streams that it sends.
    pub(crate) fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// An offer of all its streams.
    pub(crate) fn offer(&mut self) -> Bytes {
        self.description.offer()
    }

    /// Our answer to an offer of the server's.
    pub(crate) fn answer(&mut self, offer: &Description) -> Option<Bytes> {
        let body = self.description.answer(offer)?;
        self.connect();
        Some(body)
    }

    /// The server's answer to our offer; `false` if it takes no stream.
    pub(crate) fn answered(&mut self, answer: &Description) -> bool {
        let usable = self.description.answered(answer);
        self.connect();
        usable
    }

    /// Nothing is sent any more.
    pub(crate) fn close(&mut self) {
        self.ringing = None;
        self.forks.clear();
    }

    fn connect(&self) {
        for (fork, agreed) in self.forks.iter().zip(self.description.agreed()) {
            fork.connect(agreed);
        }
    }
}
