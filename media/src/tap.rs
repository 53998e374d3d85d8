//! Taps: somebody else hears along.

use std::time::Duration;

/// Hears along.
pub trait TapSink: Send {
    /// 20 ms of a track: 160 samples of µ-law at 8 kHz. One comes for each track and tick, silence
    /// too. Called on a media thread: it must not block.
    fn frame(&mut self, track: Track, since: Duration, payload: &[u8; 160]);
}

impl<F: FnMut(Track, Duration, &[u8; 160]) + Send> TapSink for F {
    fn frame(&mut self, track: Track, since: Duration, payload: &[u8; 160]) {
        self(track, since, payload);
    }
}

/// One direction of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Track {
    /// What the peer says.
    Inbound,
    /// What the peer hears.
    Outbound,
}

/// The tracks of a tap.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tracks {
    /// Both, as frames of their own.
    Both,
    /// What the peer says.
    #[default]
    Inbound,
    /// What the peer hears.
    Outbound,
}

impl Tracks {
    /// Whether `track` is among them.
    pub const fn has(self, track: Track) -> bool {
        matches!(
            (self, track),
            (Self::Both, _) | (Self::Inbound, Track::Inbound) | (Self::Outbound, Track::Outbound)
        )
    }
}
