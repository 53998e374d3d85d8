//! The life of one connection, from the first byte to the last, over any byte stream.
//!
//! ```text
//!   peer ─► read ─► frames ─► StreamEvents::message        both halves run in one task;
//!   peer ◄─ write ◄─ outbox ◄─ Streams::send               the first to end decides how
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sip::frame::{Frame, Framer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::Streams;
use super::outbox::{Queued, Work};
use super::table::{IpPlace, Link};
use crate::flow::{Flow, ListenerId};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It failed.
    Broken,
    /// We closed it, after everything was written.
    Closed,
    /// The peer closed it, or at least its side.
    Eof,
    /// Nothing happened for too long.
    Idle,
    /// It could not be framed any more.
    Malformed,
    /// A message did not become complete in time.
    MessageDeadline,
    /// The peer does not read.
    SlowReader,
}

/// Runs the connection until it ends. `ip_place` is given back as soon as the peer stops sending.
pub(super) async fn run<S>(
    hub: &Streams,
    link: &Link,
    flow: Flow,
    io: S,
    ip_place: Option<IpPlace>,
) -> End
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let activity = Activity::new();
    let (mut reader, mut writer) = tokio::io::split(io);
    let end = {
        let read = read(hub, link, flow, &activity, &mut reader);
        let write = write(hub, link, flow, &activity, &mut writer);
        tokio::pin!(read, write);
        tokio::select! {
            end = &mut write => end,
            end = &mut read => {
                drop(ip_place);
                let rest = match end {
                    // A client that asked, closed its side and waits for the answer. Whoever we
                    // connected to has no answer to wait for, and whose answer we wait for is gone.
                    End::Eof if flow.listener != ListenerId::OUTBOUND && activity.has_received() => {
                        hub.half_closed(link)
                    }
                    End::Eof | End::Malformed => {
                        link.outbox.close();
                        LINGER
                    }
                    _ => Duration::ZERO,
                };
                // Whatever the write half says, the read half ended first and named the reason.
                drop(timeout(rest, &mut write).await);
                end
            }
        }
    };
    if matches!(end, End::Closed | End::Malformed) {
        linger(&mut reader, &mut writer).await;
    }
    end
}

/// Reads frames until the stream ends or must end.
async fn read<R>(hub: &Streams, link: &Link, flow: Flow, activity: &Activity, reader: &mut R) -> End
where
    R: AsyncRead + Unpin,
{
    let limits = &hub.limits;
    let mut framer = Framer::new(limits.message.clone());
    let mut allowance = KeepAlives::new();
    // When the message that is incomplete now began.
    let mut began: Option<Instant> = None;
    loop {
        let deadline = began.map_or_else(
            || activity.last() + limits.idle,
            |began| began + limits.message_deadline,
        );
        let buffer = framer.buffer_mut();
        buffer.reserve(READ);
        match timeout_at(deadline, reader.read_buf(buffer)).await {
            Ok(Ok(0)) => return End::Eof,
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return End::Broken,
            Err(_) if began.is_some() => return End::MessageDeadline,
            Err(_) if activity.last() + limits.idle > Instant::now() => continue,
            Err(_) if hub.events.is_wanted(link.id) => {
                activity.note();
                continue;
            }
            Err(_) => return End::Idle,
        }
        while let Some(frame) = framer.next_frame() {
            began = None;
            match frame {
                Ok(Frame::Message(bytes)) => {
                    activity.received();
                    hub.counters.messages.fetch_add(1, Ordering::Relaxed);
                    hub.events.message(flow, bytes);
                }
                Ok(Frame::Ping) if allowance.take() => {
                    activity.note();
                    answer(link, Bytes::from_static(b"\r\n"));
                }
                Ok(Frame::Pong) if allowance.take() => activity.note(),
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => {
                    if let Some(bytes) = hub.events.malformed(flow, error) {
                        answer(link, bytes);
                    }
                    return End::Malformed;
                }
            }
        }
        began = if is_message(framer.buffer_mut()) {
            began.or_else(|| Some(Instant::now()))
        } else {
            None
        };
    }
}

/// Writes what is in the outbox until there will be nothing more, or the peer does not take it.
async fn write<W>(
    hub: &Streams,
    link: &Link,
    flow: Flow,
    activity: &Activity,
    writer: &mut W,
) -> End
where
    W: AsyncWrite + Unpin,
{
    loop {
        let messages = match link.outbox.work() {
            Work::Write(messages) => messages,
            Work::Finish => return End::Closed,
            Work::GiveUp => return End::SlowReader,
            Work::Wait => {
                link.outbox.filled().await;
                continue;
            }
        };
        let put = async {
            for message in &messages {
                writer.write_all(message).await?;
            }
            // pingora's streams and TLS buffer what is written.
            writer.flush().await
        };
        let result = tokio::select! {
            biased;
            () = link.outbox.killed() => return End::SlowReader,
            result = timeout(hub.limits.write_stall, put) => result,
        };
        match result {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Broken,
            Err(_) => return End::SlowReader,
        }
        activity.note();
        for token in link.outbox.pop(messages.len()) {
            hub.events.sent(token, flow);
        }
    }
}

/// Says that nothing follows and waits a little until the peer has heard it. Closing with unread
/// bytes would make the kernel reset the connection, and the peer might never see our last message.
async fn linger(reader: &mut (impl AsyncRead + Unpin), writer: &mut (impl AsyncWrite + Unpin)) {
    let mut unread = 0;
    let finish = async {
        writer.shutdown().await?;
        let mut sink = BytesMut::with_capacity(READ);
        while unread < LINGER_BYTES {
            sink.clear();
            match reader.read_buf(&mut sink).await? {
                0 => break,
                count => unread += count,
            }
        }
        std::io::Result::Ok(())
    };
    // The connection is over either way.
    drop(timeout(LINGER, finish).await);
}

fn answer(link: &Link, bytes: Bytes) {
    // If it does not fit, the outbox has decided what becomes of the connection.
    drop(link.outbox.push(Queued { bytes, token: None }));
}

/// Whether what is left in the buffer is the beginning of a message rather than of a keep-alive.
fn is_message(buffer: &[u8]) -> bool {
    !b"\r\n\r\n".starts_with(buffer)
}

/// When the connection was last of use, in milliseconds since its begin, for both halves to see.
struct Activity {
    start: Instant,
    last_ms: AtomicU64,
    received: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    fn note(&self) {
        self.last_ms
            .store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.note();
    }

    fn has_received(&self) -> bool {
        self.received.load(Ordering::Relaxed) > 0
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

/// A token bucket for keep-alives (RFC 5626 §4.4.1 has them 25 s apart at the least).
struct KeepAlives {
    left: u32,
    since: Instant,
}

impl KeepAlives {
    fn new() -> Self {
        Self {
            left: KEEP_ALIVE_BURST,
            since: Instant::now(),
        }
    }

    /// Whether this one is to be honoured.
    fn take(&mut self) -> bool {
        let earned = self.since.elapsed().as_secs();
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(earned.min(KEEP_ALIVE_BURST.into()) as u32)
                .min(KEEP_ALIVE_BURST);
            self.since = Instant::now();
        }
        let honoured = self.left > 0;
        self.left = self.left.saturating_sub(1);
        honoured
    }
}

/// Room offered to one read.
const READ: usize = 4_096;

/// Keep-alives in a row that are honoured; one a second comes back.
const KEEP_ALIVE_BURST: u32 = 10;

/// How long the last words may take.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are thrown away while lingering.
const LINGER_BYTES: usize = 256 << 10;
