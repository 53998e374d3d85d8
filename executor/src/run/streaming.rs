//! `<Start>`, `<Stop>` and `<Connect>` with their `<Stream>` and `<Siprec>`.

use url::Url;

use crate::twiml::{Connect, Link, MediaFork, MediaForkName, Siprec, Stream, StreamTracks};
use crate::webhook::{Hook, Purpose, Request};
use crate::{ErrorCode, Sid};

use super::document::Then;
use super::phase::Phase;
use super::{Action, Run, SiprecPlan, StreamError, StreamId, StreamPlan};

/// A stream or a recording session that is not over.
#[derive(Debug)]
pub(super) struct OpenStream {
    id: StreamId,
    kind: Kind,
    name: Option<String>,
    tracks: StreamTracks,
    callback: Option<Hook>,
    /// Once it is connected.
    sid: Option<Sid>,
}

/// What it is, with the names of its parameters and events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Siprec,
    Stream,
}

/// `StreamEvent` and `SiprecEvent`.
enum Happened<'e> {
    Failed(&'e StreamError),
    Started,
    Stopped,
}

impl Run {
    /// Streams and recording sessions that go on beside the document.
    pub(super) fn start_forks(&mut self, forks: &[MediaFork]) -> Then {
        for fork in forks {
            match fork {
                MediaFork::Siprec(siprec) => self.open_siprec(siprec),
                MediaFork::Stream(stream) => {
                    self.open_stream(stream, false);
                }
            }
        }
        Then::Advance
    }

    /// Ends them by their names. A stream of a `<Connect>` cannot be named: the document waits for
    /// it.
    pub(super) fn stop_forks(&mut self, names: &[MediaForkName]) -> Then {
        for name in names {
            let (kind, name, what) = match name {
                MediaForkName::Siprec(name) => (Kind::Siprec, name, "recording session"),
                MediaForkName::Stream(name) => (Kind::Stream, name, "stream"),
            };
            let named = |open: &OpenStream| open.kind == kind && open.name.as_ref() == Some(name);
            match self.streams.iter().position(named) {
                Some(at) => self.close_stream(at),
                None => self.trace("Stop", format!("there is no {what} {name}")),
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
        let callback = stream.status_callback.as_ref();
        let id = self.open_fork(Kind::Stream, stream.name.as_ref(), stream.tracks, callback)?;
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

    fn open_siprec(&mut self, siprec: &Siprec) {
        let callback = siprec.status_callback.as_ref();
        let opened = self.open_fork(Kind::Siprec, siprec.name.as_ref(), siprec.tracks, callback);
        let Some(id) = opened else { return };
        self.act(Action::StartSiprec(Box::new(SiprecPlan {
            id,
            connector: siprec.connector.clone(),
            name: siprec.name.clone(),
            tracks: siprec.tracks,
            parameters: siprec.parameters.clone(),
        })));
    }

    /// Remembers one that begins, if there is room for it and its name is free.
    fn open_fork(
        &mut self,
        kind: Kind,
        name: Option<&String>,
        tracks: StreamTracks,
        callback: Option<&Link>,
    ) -> Option<StreamId> {
        let taken = |open: &OpenStream| {
            open.kind == kind && open.name.is_some() && open.name.as_ref() == name
        };
        if self.streams.iter().any(taken) {
            let (code, what) = match kind {
                Kind::Siprec => (ErrorCode::SIPREC_NAME, "recording session"),
                Kind::Stream => (ErrorCode::STREAM_NAME, "stream"),
            };
            self.warn(code, format!("another {what} of the call has this name"));
            return None;
        }
        let open: u32 = self.streams.iter().map(|open| open.tracks.count()).sum();
        if open + tracks.count() > TRACKS_MAX {
            let message = format!("only {TRACKS_MAX} tracks of a call can be streamed");
            self.warn(ErrorCode::STREAMS_MANY, message);
            return None;
        }
        let callback = callback.and_then(|link| self.resolve_or_warn(link, "statusCallback"));
        let id = StreamId(self.next_id());
        self.streams.push(OpenStream {
            id,
            kind,
            name: name.cloned(),
            tracks,
            callback,
            sid: None,
        });
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
                self.stream_callback(at, &Happened::Failed(error));
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

    /// The leg is over, and with it all its streams and recording sessions.
    pub(super) fn close_streams(&mut self) {
        while !self.streams.is_empty() {
            self.close_stream(0);
        }
    }

    fn close_stream(&mut self, at: usize) {
        let Some(open) = self.streams.get(at) else {
            return;
        };
        let stop = match open.kind {
            Kind::Siprec => Action::StopSiprec(open.id),
            Kind::Stream => Action::StopStream(open.id),
        };
        self.act(stop);
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
        let (prefix, purpose) = match stream.kind {
            Kind::Siprec => ("Siprec", Purpose::SiprecCallback),
            Kind::Stream => ("Stream", Purpose::StreamCallback),
        };
        let mut params = vec![("Sid", sid.to_string())];
        params.extend(stream.name.clone().map(|name| ("Name", name)));
        let event = match happened {
            Happened::Failed(_) => "error",
            Happened::Started => "started",
            Happened::Stopped => "stopped",
        };
        params.push(("Event", format!("{}-{event}", prefix.to_ascii_lowercase())));
        if let Happened::Failed(error) = happened {
            params.push(("Error", error.detail.clone()));
            let code = error.code.number().to_string();
            params.extend((stream.kind == Kind::Siprec).then_some(("ErrorCode", code)));
        }
        let named = |(name, value): (&str, String)| (format!("{prefix}{name}"), value);
        self.act(Action::StatusCallback(Box::new(Request {
            id,
            url: hook.url,
            method: hook.method,
            purpose,
            call_status,
            params: params.into_iter().map(named).collect(),
        })));
    }
}

/// Tracks of one call that are streamed or recorded elsewhere at a time.
const TRACKS_MAX: u32 = 4;
