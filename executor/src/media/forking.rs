//! Forks: a track of a leg goes to somebody else as RTP of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ::media::codec::{Codec, Decoder};
use ::media::{Event, Feed, OpenError, PlayId, Session, Source, TapId, Track, Tracks};

use crate::agent::LegKey;
use crate::gauges::Held;
use crate::run::StreamId;
use crate::sdp::Agreed;

use super::leg::peer;
use super::{LegMedia, Studio};

/// A session that plays what a track of another one has. Dropping it closes it.
pub(crate) struct Fork {
    track: Track,
    session: Session,
    feed: Feed,
    _held: Held,
}

impl Studio {
    /// Opens a fork of a leg's track on an address of ours. It is worked on by the thread of the leg.
    pub(crate) fn fork(
        &self,
        address: IpAddr,
        leg: LegKey,
        track: Track,
    ) -> Result<Fork, OpenError> {
        // It only sends: nothing that happens in it matters to the call.
        let sink = |_: Event| {};
        let session = self.engine.open(address, leg.affinity(), Box::new(sink))?;
        let feed = Feed::new(RATE, LAG_MAX, |_| {});
        session.play(PlayId(0), vec![Source::Feed(feed.clone())], 1);
        Ok(Fork {
            track,
            session,
            feed,
            _held: Held::new(&self.gauges, |gauges| &gauges.rtp_ports, 2),
        })
    }
}

impl Fork {
    /// Where its packets come from.
    pub(crate) fn local(&self) -> SocketAddr {
        self.session.local()
    }

    /// Sends as it was agreed; to nobody, if nothing was.
    pub(crate) fn connect(&self, agreed: Option<&Agreed>) {
        let Some(agreed) = agreed else {
            return;
        };
        // What comes back is nobody's sound, so that it cannot move where ours goes.
        self.session.connect(::media::Peer {
            symmetric: false,
            ..peer(agreed)
        });
    }
}

impl LegMedia {
    /// Lets forks have what their tracks have from now on.
    pub(crate) fn feed(&self, id: StreamId, forks: &[Fork]) {
        let Some(session) = &self.session else { return };
        for fork in forks {
            let feed = fork.feed.clone();
            let mut decoder = Decoder::new(Codec::Pcmu);
            let mut samples = Vec::new();
            let sink = move |_: Track, _: Duration, payload: &[u8; 160]| {
                samples.clear();
                decoder.decode(payload, &mut samples);
                // There is room, unless the fork's thread is behind: then the sound is lost.
                feed.push(&samples);
            };
            let tracks = match fork.track {
                Track::Inbound => Tracks::Inbound,
                Track::Outbound => Tracks::Outbound,
            };
            session.tap(tap_id(id, fork.track), tracks, Box::new(sink));
        }
    }

    /// Ends that.
    pub(crate) fn starve(&self, id: StreamId) {
        if let Some(session) = &self.session {
            session.untap(tap_id(id, Track::Inbound));
            session.untap(tap_id(id, Track::Outbound));
        }
    }
}

/// Above the numbers of streams.
fn tap_id(id: StreamId, track: Track) -> TapId {
    let base = match track {
        Track::Inbound => 1 << 42,
        Track::Outbound => 1 << 43,
    };
    TapId(base | u64::from(id.0))
}

/// The rate of taps.
const RATE: u32 = 8000;

/// How far a fork may be behind: two frames do, where the two sessions are worked on by different
/// threads.
const LAG_MAX: Duration = Duration::from_millis(100);
