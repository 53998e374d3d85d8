//! `<Start>`, `<Stop>` and `<Connect>` with their `<Stream>`.

use url::Url;

use crate::twiml::{Connect, Stream, StreamTracks};
use crate::webhook::{Hook, Purpose, Request};
use crate::{ErrorCode, Sid};

use super::document::Then;
use super::phase::Phase;
use super::{Action, Run, StreamError, StreamId, StreamPlan};

/// A stream that is not over.
#[derive(Debug)]
pub(super) struct OpenStream {
    id: StreamId,
    name: Option<String>,
    tracks: StreamTracks,
    callback: Option<Hook>,
    /// Once it is connected.
    sid: Option<Sid>,
}

/// `StreamEvent`.
enum Happened<'e> {
    Failed(&'e str),
    Started,
    Stopped,
}

impl Run {
    /// Streams that go on beside the document.
    pub(super) fn start_streams(&mut self, streams: &[Stream]) -> Then {
        for stream in streams {
            self.open_stream(stream, false);
        }
        Then::Advance
    }

    /// Ends streams by their names. One of a `<Connect>` cannot be named: the document waits for
    /// it.
    pub(super) fn stop_streams(&mut self, names: &[String]) -> Then {
        for name in names {
            let named = |stream: &OpenStream| stream.name.as_ref() == Some(name);
            match self.streams.iter().position(named) {
                Some(at) => self.close_stream(at),
                None => self.trace("Stop", format!("there is no stream {name}")),
            }
        }
        Then::Advance
    }

    /// A stream that the document waits for.
    pub(super) fn connect_stream(&mut self, verb: Box<Connect>) -> Then {
        let stream = verb.stream.clone();
        match stream.and_then(|stream| self.open_stream(&stream, true)) {
            Some(stream) => {
                self.phase = Phase::Connected { stream, verb };
                Then::Wait
            }
            None => Then::Advance,
        }
    }

    fn open_stream(&mut self, stream: &Stream, bidirectional: bool) -> Option<StreamId> {
        let url = self.stream_url(&stream.url)?;
        let taken = |open: &OpenStream| open.name.is_some() && open.name == stream.name;
        if self.streams.iter().any(taken) {
            let message = "another stream of the call has this name";
            self.warn(ErrorCode::STREAM_NAME, message);
            return None;
        }
        let tracks: u32 = self.streams.iter().map(|open| open.tracks.count()).sum();
        if tracks + stream.tracks.count() > TRACKS_MAX {
            let message = format!("only {TRACKS_MAX} tracks of a call can be streamed");
            self.warn(ErrorCode::STREAMS_MANY, message);
            return None;
        }
        let callback = stream
            .status_callback
            .as_ref()
            .and_then(|link| self.resolve_or_warn(link, "statusCallback"));
        let id = StreamId(self.next_id());
        self.streams.push(OpenStream {
            id,
            name: stream.name.clone(),
            tracks: stream.tracks,
            callback,
            sid: None,
        });
        self.act(Action::StartStream(Box::new(StreamPlan {
            id,
            url,
            name: stream.name.clone(),
            tracks: stream.tracks,
            parameters: stream.parameters.clone(),
            bidirectional,
        })));
        Some(id)
    }

    /// `wss://` only, without a query. A relative one is where the document came from.
    fn stream_url(&mut self, written: &str) -> Option<Url> {
        let mut url = self.base.join(written).ok();
        let scheme = match url.as_ref().map(Url::scheme) {
            Some("wss" | "https") => Some("wss"),
            Some("ws" | "http") if self.settings.plain_streams => Some("ws"),
            _ => None,
        };
        if let (Some(found), Some(scheme)) = (&mut url, scheme)
            && found.has_host()
            && found.set_scheme(scheme).is_ok()
        {
            if found.query().is_some() {
                let message = "the query of a stream's URL is not sent: <Parameter> is";
                found.set_query(None);
                self.warn(ErrorCode::SCHEMA, message);
            }
            return url;
        }
        self.warn(ErrorCode::STREAM_URL, "the URL of <Stream> is no wss: URL");
        None
    }

    pub(super) fn stream_started(&mut self, id: StreamId, sid: Sid) {
        let Some(at) = self.streams.iter().position(|stream| stream.id == id) else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(at) {
            stream.sid = Some(sid);
        }
        self.stream_callback(at, &Happened::Started);
    }

    pub(super) fn stream_ended(&mut self, id: StreamId, sid: Sid, error: Option<StreamError>) {
        let Some(at) = self.streams.iter().position(|stream| stream.id == id) else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(at) {
            stream.sid = Some(sid);
        }
        match &error {
            Some(error) => {
                self.warn(error.code, error.detail.clone());
                self.stream_callback(at, &Happened::Failed(&error.detail));
            }
            None => self.stream_callback(at, &Happened::Stopped),
        }
        self.streams.swap_remove(at);
        if matches!(&self.phase, Phase::Connected { stream, .. } if *stream == id) {
            self.connect_ended(sid, error);
        }
    }

    /// The document goes on: `action`, or the next verb.
    fn connect_ended(&mut self, sid: Sid, error: Option<StreamError>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Connected { verb, .. } = phase else {
            return;
        };
        self.took_time();
        let Some(action) = &verb.action else {
            return self.advance();
        };
        let mut params = vec![("StreamSid".to_owned(), sid.to_string())];
        params.extend(error.map(|error| ("StreamError".to_owned(), error.detail)));
        self.follow(Purpose::ConnectAction, action, params);
    }

    /// Something else takes over from a `<Connect>`.
    pub(super) fn drop_connect(&mut self, id: StreamId) {
        if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
            self.close_stream(at);
        }
    }

    /// The leg is over, and with it all its streams.
    pub(super) fn close_streams(&mut self) {
        while !self.streams.is_empty() {
            self.close_stream(0);
        }
    }

    fn close_stream(&mut self, at: usize) {
        let Some(id) = self.streams.get(at).map(|stream| stream.id) else {
            return;
        };
        self.act(Action::StopStream(id));
        self.stream_callback(at, &Happened::Stopped);
        self.streams.swap_remove(at);
    }

    fn stream_callback(&mut self, at: usize, happened: &Happened<'_>) {
        let id = self.next_fetch_id();
        let call_status = self.call_status();
        let Some(stream) = self.streams.get(at) else {
            return;
        };
        // Nothing was told about one that was closed before it was connected.
        let (Some(hook), Some(sid)) = (stream.callback.clone(), stream.sid) else {
            return;
        };
        let mut params = vec![("StreamSid", sid.to_string())];
        params.extend(stream.name.clone().map(|name| ("StreamName", name)));
        let event = match happened {
            Happened::Failed(_) => "stream-error",
            Happened::Started => "stream-started",
            Happened::Stopped => "stream-stopped",
        };
        params.push(("StreamEvent", event.to_owned()));
        if let Happened::Failed(why) = happened {
            params.push(("StreamError", (*why).to_owned()));
        }
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        self.act(Action::StatusCallback(Box::new(Request {
            id,
            url: hook.url,
            method: hook.method,
            purpose: Purpose::StreamCallback,
            call_status,
            params: params.into_iter().map(owned).collect(),
        })));
    }
}

/// Tracks of one call that are streamed at a time.
const TRACKS_MAX: u32 = 4;
