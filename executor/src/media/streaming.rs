//! Media streams: a WebSocket hears along, or talks with the caller.

use ::media::{PlayId, Source, TapId, Tracks};

use crate::agent::Mail;
use crate::run::{StreamId, StreamPlan};
use crate::sound::stream::{StreamEvent, StreamLine, StreamSpec};
use crate::task::Task;
use crate::twiml::StreamTracks;
use crate::{Secret, Sid};

use super::{LegMedia, MediaEvent};

/// A stream under way; dropping it closes it.
pub(super) struct Stream {
    sid: Sid,
    line: StreamLine,
    /// The server may talk, and is told keys.
    bidirectional: bool,
    _task: Task,
}

impl Stream {
    /// The caller pressed a key.
    pub(super) fn digit(&self, key: char) {
        if self.bidirectional {
            self.line.digit(key);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.line.stop();
    }
}

impl LegMedia {
    /// `<Stream>`.
    pub(crate) fn start_stream(&mut self, plan: &StreamPlan, sid: Sid, auth_token: Secret) {
        let Some(session) = &self.session else { return };
        let id = plan.id;
        let tracks = match plan.tracks {
            StreamTracks::Both => Tracks::Both,
            StreamTracks::Inbound => Tracks::Inbound,
            StreamTracks::Outbound => Tracks::Outbound,
        };
        let mut stream = self.studio.sound.stream(StreamSpec {
            url: plan.url.clone(),
            stream_sid: sid,
            account_sid: self.owner.account,
            call_sid: self.owner.call,
            auth_token,
            tracks,
            parameters: plan.parameters.clone(),
            bidirectional: plan.bidirectional,
        });
        session.tap(tap_id(id), tracks, Box::new(stream.line.clone()));
        if let Some(feed) = stream.feed.take() {
            session.play(feed_id(id), vec![Source::Feed(feed)], 1);
        }
        let (mailbox, leg) = (self.studio.mailbox.clone(), self.owner.leg);
        let line = stream.line.clone();
        let events = async move {
            while let Some(event) = stream.events.next().await {
                let last = matches!(event, StreamEvent::Ended { .. });
                let mail = Mail::Media(leg, MediaEvent::Stream(id, event));
                if mailbox.send(mail).await.is_err() || last {
                    return;
                }
            }
        };
        let stream = Stream {
            sid,
            line,
            bidirectional: plan.bidirectional,
            _task: Task::spawn(&self.studio.gauges, events),
        };
        self.streams.insert(id, stream);
    }

    /// `StreamSid`, while the stream is there.
    pub(crate) fn stream_sid(&self, id: StreamId) -> Option<Sid> {
        self.streams.get(&id).map(|stream| stream.sid)
    }

    /// Closes a stream, or what is left of one that is over.
    pub(crate) fn stop_stream(&mut self, id: StreamId) {
        if self.streams.remove(&id).is_none() {
            return;
        }
        if let Some(session) = &self.session {
            session.untap(tap_id(id));
            session.stop(feed_id(id));
        }
    }
}

/// Above the numbers of recognitions.
fn tap_id(id: StreamId) -> TapId {
    TapId(1 << 40 | u64::from(id.0))
}

/// Above the numbers of what the run plays.
fn feed_id(id: StreamId) -> PlayId {
    PlayId(1 << 41 | u64::from(id.0))
}
