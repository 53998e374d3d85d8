//! What goes between a call and the task of its stream.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use media::{TapSink, Track};
use tokio::sync::{mpsc, watch};

use super::StreamEvent;

/// To the server: sound, keys and the end. Clones are the same line; no method blocks.
#[derive(Clone)]
pub struct StreamLine {
    out: mpsc::Sender<Out>,
    stop: Arc<watch::Sender<bool>>,
    lost: Arc<AtomicU64>,
}

/// What is to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Out {
    Digit(char),
    Mark(String),
    Media(Track, u64, Box<[u8]>),
}

/// The other end of a line.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) out: mpsc::Receiver<Out>,
    pub(super) stop: watch::Receiver<bool>,
    lost: Arc<AtomicU64>,
}

/// A line that does not keep its stream going.
pub(super) struct WeakLine(mpsc::WeakSender<Out>);

/// What happens to a stream, until [`StreamEvent::Ended`].
#[derive(Debug)]
pub struct StreamEvents(mpsc::Receiver<StreamEvent>);

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Teller(mpsc::Sender<StreamEvent>);

pub(super) fn new() -> (StreamLine, Queue) {
    let (out, queue) = mpsc::channel(QUEUE_MAX);
    let (stop, stopped) = watch::channel(false);
    let lost = Arc::<AtomicU64>::default();
    let line = StreamLine {
        out,
        stop: Arc::new(stop),
        lost: Arc::clone(&lost),
    };
    let queue = Queue {
        out: queue,
        stop: stopped,
        lost,
    };
    (line, queue)
}

pub(super) fn events() -> (Teller, StreamEvents) {
    let (teller, events) = mpsc::channel(EVENTS_MAX);
    (Teller(teller), StreamEvents(events))
}

impl StreamLine {
    /// Some µ-law of a track, and when it was heard, counted from the begin of the stream. What the
    /// server is too slow for is lost.
    pub fn media(&self, track: Track, timestamp_ms: u64, ulaw: &[u8]) {
        // What is left is for what must not be lost for sound.
        let room = self.out.capacity() > CONTROL_RESERVE;
        let frame = || Out::Media(track, timestamp_ms, ulaw.into());
        if !room || self.out.try_send(frame()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The caller pressed a key; the server of a one-way stream does not get it.
    pub fn digit(&self, key: char) {
        if self.out.try_send(Out::Digit(key)).is_err() {
            tracing::debug!("a key does not reach a media stream");
        }
    }

    /// The stream is over: the server is told, and the connection closed.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn weak(&self) -> WeakLine {
        WeakLine(self.out.downgrade())
    }
}

impl TapSink for StreamLine {
    fn frame(&mut self, track: Track, since: Duration, payload: &[u8; 160]) {
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.media(track, millis, payload);
    }
}

impl WeakLine {
    /// A mark was reached.
    pub(super) fn mark(&self, name: String) {
        if let Some(out) = self.0.upgrade()
            && out.try_send(Out::Mark(name)).is_err()
        {
            tracing::debug!("a mark does not reach a media stream");
        }
    }
}

impl Queue {
    /// How many frames were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl StreamEvents {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        self.0.recv().await
    }
}

impl Teller {
    /// Tells an event: of each kind there is one a stream at most, so there is room.
    pub(super) fn tell(&self, event: StreamEvent) {
        // Nobody may be interested.
        self.0.try_send(event).ok();
    }
}

impl fmt::Debug for StreamLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamLine(…)")
    }
}

/// What waits to be sent: some seconds of sound, and as much again for the rest.
const QUEUE_MAX: usize = 1024;
const CONTROL_RESERVE: usize = 512;
const EVENTS_MAX: usize = 16;
