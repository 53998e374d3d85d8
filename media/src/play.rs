//! What is played to a peer.

use std::time::Duration;

use crate::Feed;
use crate::pcm::Pcm;
use crate::tone::Cadence;

/// Something to hear.
#[derive(Clone, Debug)]
pub enum Source {
    /// Live audio, until the feed is ended.
    Feed(Feed),
    /// Samples.
    Pcm(Pcm),
    /// Nothing, for a time.
    Silence(Duration),
    /// A tone without end, until it is stopped.
    Tone(Cadence),
}
