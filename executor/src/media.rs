//! The seam between signalling and sound.
//!
//! The user agent opens one [`Media`] for each leg that it answers itself, tells it where the peer
//! is, and starts and stops what the run wants heard. [`SilentEngine`] stands in for a media
//! engine: its ports are real, what arrives there is read and dropped, and only telephone events
//! (RFC 4733) are recognised.

mod ports;
mod rtp;
mod silent;

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::sync::mpsc;

use crate::run;

pub use ports::RtpPorts;
pub use silent::SilentEngine;

/// Makes the media of legs.
pub trait MediaEngine: Send {
    /// Opens media on `address`, with what happens there told to `events`.
    ///
    /// # Errors
    ///
    /// No port is free, or `address` is not ours.
    fn open(&mut self, address: IpAddr, events: MediaEvents) -> io::Result<Box<dyn Media>>;
}

/// The media of one leg; dropping it closes them.
pub trait Media: Send {
    /// Where we receive RTP; RTCP is one port above.
    fn local(&self) -> SocketAddr;

    /// The peer has said where it is and what it speaks; again after each new description.
    fn set_peer(&mut self, peer: MediaPeer);

    /// Begins to speak, play or record.
    fn start(&mut self, medium: &run::Media);

    /// Stops it; only a recording answers, with [`MediaEvent::Done`].
    fn stop(&mut self, id: run::MediaId);
}

/// The other end of the media.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaPeer {
    /// Where it receives RTP, unless it wants none now.
    pub address: Option<SocketAddr>,
    /// RTP payload type of the voice codec.
    pub voice: u8,
    /// RTP payload type of telephone events.
    pub events: Option<u8>,
}

/// What happens in the media of a leg.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The peer pressed a key.
    Digit(char),
    /// A medium ended.
    Done(run::MediaId, run::MediaOutcome),
}

/// Where the media of one leg tell what happens.
#[derive(Clone, Debug)]
pub struct MediaEvents {
    pub(crate) leg: crate::agent::LegKey,
    pub(crate) mailbox: mpsc::Sender<crate::agent::Mail>,
}

impl MediaEvents {
    /// Tells an event that must not be lost; waits while the user agent is behind.
    pub async fn send(&self, event: MediaEvent) {
        // A closed mailbox means that the user agent is gone, and the call with it.
        self.mailbox
            .send(crate::agent::Mail::Media(self.leg, event))
            .await
            .ok();
    }

    /// Tells an event that may be lost when the user agent is behind.
    pub fn offer(&self, event: MediaEvent) {
        self.mailbox
            .try_send(crate::agent::Mail::Media(self.leg, event))
            .ok();
    }
}
