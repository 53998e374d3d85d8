//! The task of a stream: connect, then both directions until either side ends it.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use media::Feed;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::sound::SoundError;
use crate::{ErrorCode, Warning};

use super::connect::{self, Socket};
use super::inbound::{Inbound, Verdict};
use super::line::{Out, Queue, Teller};
use super::message::Writer;
use super::{StreamClient, StreamEvent, StreamSpec};

/// Runs a stream from its begin to its end.
pub(super) async fn run(
    client: &StreamClient,
    spec: &StreamSpec,
    mut queue: Queue,
    teller: &Teller,
    feed: Option<Feed>,
) -> Result<(), SoundError> {
    if spec.url.query().is_some() {
        let message = "the URL of a stream takes no query: it is left out";
        teller.tell(StreamEvent::Warning(Warning::new(
            ErrorCode::SCHEMA,
            message,
        )));
    }
    let connected = tokio::select! {
        connected = connect::connect(client, spec) => connected?,
        // The call may be over before the server is there.
        () = given_up(&mut queue) => return Ok(()),
    };
    teller.tell(StreamEvent::Started);
    let (sink, mut stream) = connected.split();
    let mut outbound = Outbound {
        sink,
        within: client.config.write_within,
        writer: Writer::new(spec),
    };
    let inbound = Inbound::new(spec.stream_sid.to_string(), feed);
    let result = tokio::select! {
        sent = outbound.send_all(spec, &mut queue) => sent.map(|()| true),
        over = receive_all(&mut stream, inbound, teller) => over.map(|()| false),
    };
    let lost = queue.lost();
    if lost > 0 {
        tracing::info!(stream = %spec.stream_sid, lost, "a stream's server was too slow");
    }
    let goodbye = async {
        if let Ok(true) = result {
            // What waits already still goes, if the server is quick enough.
            while let Ok(out) = queue.out.try_recv() {
                outbound.send_out(spec, out).await?;
            }
            outbound.say_goodbye(spec).await?;
        }
        // What is not read when a connection is closed takes along what was sent last.
        while let Some(Ok(_)) = stream.next().await {}
        Ok::<_, SoundError>(())
    };
    if !matches!(tokio::time::timeout(GOODBYE, goodbye).await, Ok(Ok(()))) {
        tracing::debug!(stream = %spec.stream_sid, "a stream's server did not close in time");
    }
    result.map(drop)
}

/// Ready when the stream is stopped before it began. What is to be sent meanwhile waits or is lost.
async fn given_up(queue: &mut Queue) {
    let stopped = queue.stop.wait_for(|stop| *stop);
    // All lines gone is as good as stopped.
    stopped.await.map(drop).unwrap_or_default();
}

struct Outbound {
    sink: SplitSink<Socket, Message>,
    within: Duration,
    writer: Writer,
}

impl Outbound {
    /// Sends what there is until the stream is stopped.
    async fn send_all(&mut self, spec: &StreamSpec, queue: &mut Queue) -> Result<(), SoundError> {
        self.send(Writer::connected()).await?;
        let start = self.writer.start(spec);
        self.send(start).await?;
        let mut stopped = queue.stop.clone();
        let stopped = async move { stopped.wait_for(|stop| *stop).await.map(drop) };
        tokio::pin!(stopped);
        let mut alive = tokio::time::interval(PING);
        alive.reset();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return Ok(()),
                out = queue.out.recv() => match out {
                    Some(out) => self.send_out(spec, out).await?,
                    None => return Ok(()),
                },
                _ = alive.tick() => self.write(Message::Ping(Vec::new().into())).await?,
            }
        }
    }

    async fn send_out(&mut self, spec: &StreamSpec, out: Out) -> Result<(), SoundError> {
        let text = match out {
            // The server of a one-way stream is told of no keys.
            Out::Digit(_) if !spec.bidirectional => return Ok(()),
            Out::Digit(key) => self.writer.digit(key),
            Out::Mark(name) => self.writer.mark(&name),
            Out::Media(track, millis, ulaw) => self.writer.media(track, millis, &ulaw),
        };
        self.send(text).await
    }

    async fn send(&mut self, text: String) -> Result<(), SoundError> {
        self.write(Message::text(text)).await
    }

    /// A server that does not read for so long is not there any more.
    async fn write(&mut self, message: Message) -> Result<(), SoundError> {
        let within = self.within;
        match tokio::time::timeout(within, self.sink.send(message)).await {
            Ok(sent) => sent.map_err(|error| failed(&error)),
            Err(_) => {
                let detail = format!("the stream's server did not read for {within:?}");
                Err(SoundError::new(ErrorCode::STREAM_BROKEN, detail))
            }
        }
    }

    async fn say_goodbye(&mut self, spec: &StreamSpec) -> Result<(), SoundError> {
        let stop = self.writer.stop(spec);
        self.send(stop).await?;
        self.write(Message::Close(None)).await
    }
}

/// Takes what the server says until it has closed. A server that says more than can be acted upon
/// keeps its own connection busy: what it says is bounded by the feed, and each turn lets others run.
async fn receive_all(
    stream: &mut SplitStream<Socket>,
    mut inbound: Inbound,
    teller: &Teller,
) -> Result<(), SoundError> {
    while let Some(message) = stream.next().await {
        match inbound.take(message.map_err(|error| failed(&error))?) {
            Verdict::GoOn => {}
            Verdict::Odd(warning) => teller.tell(StreamEvent::Warning(warning)),
            Verdict::Over(None) => return Ok(()),
            Verdict::Over(Some(error)) => return Err(error),
        }
        tokio::task::consume_budget().await;
    }
    let detail = "the stream's connection broke";
    Err(SoundError::new(ErrorCode::STREAM_BROKEN, detail))
}

fn failed(error: &tungstenite::Error) -> SoundError {
    use tungstenite::Error;
    let code = match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ErrorCode::STREAM_BROKEN,
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) => ErrorCode::STREAM_PROTOCOL,
        _ => ErrorCode::STREAM_BROKEN,
    };
    SoundError::new(code, format!("the stream's connection: {error}"))
}

/// For what still waits when a stream is stopped, and for both sides' farewell.
const GOODBYE: Duration = Duration::from_secs(2);
/// More often than load balancers give up idle connections.
const PING: Duration = Duration::from_secs(30);
