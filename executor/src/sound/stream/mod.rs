//! Media streams: a call's sound over a WebSocket to the customer's server, and back.
//!
//! [`StreamClient::open`] connects in a task of its own. [`StreamLine`] is what goes to the server,
//! [`StreamEvents`] is what the call has to know, and a [`media::Feed`] plays what comes back.

mod connect;
mod inbound;
mod line;
mod message;
mod pump;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use media::{Feed, Tracks};
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use url::Url;

use crate::webhook::Guard;
use crate::{Roots, Secret, Sid, Warning};

use super::SoundError;

pub use line::{StreamEvents, StreamLine};

/// The bounds on media streams.
#[derive(Clone)]
pub struct StreamConfig {
    /// Whether `ws` will do instead of `wss`; for tests.
    pub allow_plain: bool,
    /// The bound on the connection with its handshakes.
    pub connect_within: Duration,
    /// How long a server may not read before it counts as gone.
    pub write_within: Duration,
    /// Streams at a time; one more fails at once.
    pub streams_max: usize,
    /// The sound of a server that may wait to be played; what comes beyond that is dropped.
    pub waiting_max: Duration,
    /// The largest message of a server.
    pub message_bytes_max: usize,
    /// Who is believed to vouch for a server, besides the system's authorities.
    pub roots: Roots,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    /// Where the server is.
    pub url: Url,
    /// `streamSid`.
    pub stream_sid: Sid,
    /// `accountSid`.
    pub account_sid: Sid,
    /// `callSid`.
    pub call_sid: Sid,
    /// The key of the signature.
    pub auth_token: Secret,
    /// What the server hears.
    pub tracks: Tracks,
    /// `customParameters`.
    pub parameters: Vec<(String, String)>,
    /// Whether the server may speak: `<Connect>`, and not `<Start>`.
    pub bidirectional: bool,
}

/// A stream that has begun. When all lines are gone, or by [`StreamLine::stop`], it ends.
#[derive(Debug)]
pub struct MediaStream {
    /// To the server.
    pub line: StreamLine,
    /// What happens.
    pub events: StreamEvents,
    /// What the server says, to be played; of a bidirectional stream.
    pub feed: Option<Feed>,
}

/// What happens to a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The server is there.
    Started,
    /// Something was odd (31950, 31951); told once of each number.
    Warning(Warning),
    /// The last event.
    Ended {
        /// Why, if neither we stopped it nor the server of a bidirectional stream closed it as it
        /// should.
        error: Option<SoundError>,
    },
}

/// Opens streams.
#[derive(Clone, Debug)]
pub struct StreamClient {
    config: StreamConfig,
    guard: Guard,
    places: Arc<Semaphore>,
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl StreamClient {
    /// A client that connects to public addresses and those that `guard` allows.
    pub fn new(config: StreamConfig, guard: Guard) -> Self {
        let places = Arc::new(Semaphore::new(config.streams_max));
        Self {
            config,
            guard,
            places,
            tls: Arc::default(),
        }
    }

    /// Begins a stream; needs a runtime. What goes wrong is told by its events.
    pub fn open(&self, spec: StreamSpec) -> MediaStream {
        let (line, queue) = line::new();
        let (teller, events) = line::events();
        let feed = spec.bidirectional.then(|| {
            let line = line.weak();
            let played = move |name| line.mark(name);
            Feed::new(RATE, self.config.waiting_max, played)
        });
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let (client, playing) = (self.clone(), feed.clone());
        tokio::spawn(async move {
            let error = match place {
                Some(_) => pump::run(&client, &spec, queue, &teller, playing.clone()).await,
                None => Err(SoundError::internal("there are too many media streams")),
            };
            if let Some(feed) = playing {
                feed.end();
            }
            let error = error.err();
            teller.tell(StreamEvent::Ended { error });
            drop(place);
        });
        MediaStream { line, events, feed }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            allow_plain: false,
            connect_within: Duration::from_secs(10),
            write_within: Duration::from_secs(10),
            streams_max: 1000,
            waiting_max: Duration::from_secs(180),
            message_bytes_max: 1024 * 1024,
            roots: Roots::default(),
        }
    }
}

impl fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConfig")
            .field("allow_plain", &self.allow_plain)
            .field("streams_max", &self.streams_max)
            .finish_non_exhaustive()
    }
}

/// The rate of all media streams.
const RATE: u32 = 8000;
