//! Media streams of a leg's run.

use crate::observer::CallEvent;
use crate::run::{Event, StreamError, StreamId, StreamPlan};
use crate::sound::stream::StreamEvent;
use crate::{ErrorCode, Sid, SidKind};

use super::call::Call;
use super::core::Core;

impl Call {
    pub(crate) fn start_stream(&mut self, core: &mut Core, key: u32, plan: &StreamPlan) {
        let sid = Sid::new(SidKind::Stream, core.random.bytes());
        let auth_token = self.domain.auth_token.clone();
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let opened = leg.open_media(core);
        match (opened, &mut leg.media) {
            (Ok(_), Some(media)) => media.start_stream(plan, sid, auth_token),
            (opened, _) => {
                let why = opened
                    .err()
                    .map_or_else(String::new, |error| error.to_string());
                let error = StreamError {
                    code: ErrorCode::STREAM_ERROR,
                    detail: format!("there are no media: {why}"),
                };
                let (id, error) = (plan.id, Some(error));
                self.tell(key, Event::StreamEnded { id, sid, error });
            }
        }
    }

    pub(crate) fn stop_stream(&mut self, key: u32, id: StreamId) {
        if let Some(media) = self.legs.get_mut(&key).and_then(|leg| leg.media.as_mut()) {
            media.stop_stream(id);
        }
    }

    /// A stream has something to tell.
    pub(crate) fn streamed(&mut self, core: &Core, key: u32, id: StreamId, event: StreamEvent) {
        let Some(media) = self.legs.get_mut(&key).and_then(|leg| leg.media.as_mut()) else {
            return;
        };
        let Some(sid) = media.stream_sid(id) else {
            return;
        };
        match event {
            StreamEvent::Started => self.tell(key, Event::StreamStarted { id, sid }),
            StreamEvent::Warning(warning) => self.record(core, key, CallEvent::Notice(warning)),
            StreamEvent::Ended { error } => {
                media.stop_stream(id);
                let error = error.map(|error| StreamError {
                    code: error.code,
                    detail: error.detail,
                });
                self.tell(key, Event::StreamEnded { id, sid, error });
            }
        }
    }
}
