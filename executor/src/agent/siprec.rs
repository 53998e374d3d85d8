//! `<Siprec>`: we are the recording client of a recording server (RFC 7866).
//!
//! A recording session is a leg of the call that no run has: an INVITE of ours with a stream for each
//! track, which is sent what the recorded leg says or hears. Whatever becomes of it, the call goes on.

use std::time::{Duration, SystemTime};

use ::media::Track;
use bytes::Bytes;

use crate::dialog::Dialog;
use crate::observer::CallEvent;
use crate::run::{Event, SiprecPlan, StreamError, StreamId};
use crate::sdp::{self, Negotiation, Origin};
use crate::siprec::{Metadata, Multipart, Participant, RecordedStream, multipart};
use crate::twiml::StreamTracks;
use crate::webhook::iso8601;
use crate::{ErrorCode, Sid, SidKind};

use super::LegKey;
use super::body;
use super::call::Call;
use super::calling::{is_secure, outbound_route};
use super::core::Core;
use super::journal::LegTag;
use super::leg::{Leg, State};
use super::recorder::Recorder;
use super::responses::Outcome;
use super::timer::Due;

impl Call {
    /// Asks a recording server to record a leg. What goes wrong is told to the leg's run.
    pub(crate) fn start_siprec(&mut self, core: &mut Core, owner: u32, plan: &SiprecPlan) {
        let sid = Sid::new(SidKind::Siprec, core.random.bytes());
        if let Err(error) = self.record_elsewhere(core, owner, plan, sid) {
            let (id, error) = (plan.id, Some(error));
            self.tell(owner, Event::StreamEnded { id, sid, error });
        }
    }

    /// Whether a leg is one to a recording server.
    pub(crate) fn is_recorder(&self, key: u32) -> bool {
        self.legs
            .get(&key)
            .is_some_and(|leg| leg.recorder.is_some())
    }

    /// Ends a recording session; its run wants to know nothing more of it.
    pub(crate) fn stop_siprec(&mut self, core: &mut Core, owner: u32, id: StreamId) {
        let Some(key) = self.recorder_of(owner, id) else {
            return;
        };
        if let Some(leg) = self.legs.get_mut(&key) {
            leg.hang_up(core);
            if let Some(recorder) = &mut leg.recorder {
                recorder.over = true;
            }
        }
        self.starve(owner, id);
    }

    /// The final response of a recording server, or what counts as one.
    pub(crate) fn recorder_outcome(&mut self, core: &mut Core, key: u32, outcome: &Outcome<'_>) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let (200..300, Some(response)) = (outcome.status, outcome.response) else {
            leg.state = State::Gone;
            let why = match (outcome.status, outcome.response) {
                (status, Some(_)) => format!("the recording server answered {status}"),
                (408, None) => "the recording server did not answer".to_owned(),
                (_, None) => "the recording server cannot be reached".to_owned(),
            };
            return self.recorder_over(key, Some(failed(why)));
        };
        leg.state = State::Confirmed;
        let description = body::description(&response.headers).ok().flatten();
        let usable = description.is_some_and(|answer| leg.answered(&answer));
        let Some(recorder) = leg.recorder.as_mut().filter(|it| !it.over && usable) else {
            // Too late, or it takes nothing: answered and hung up (RFC 3261 §13.2.2.4, §9.1).
            leg.hang_up(core);
            let why = "the recording server takes no stream".to_owned();
            return self.recorder_over(key, Some(failed(why)));
        };
        recorder.ringing = None;
        let (parent, id, sid) = (recorder.parent, recorder.id, recorder.sid);
        core.journal.record(&leg.tag, CallEvent::Answered);
        let media = self.legs.get(&parent).and_then(|leg| leg.media.as_ref());
        let recorder = self.legs.get(&key).and_then(|leg| leg.recorder.as_ref());
        if let (Some(media), Some(recorder)) = (media, recorder) {
            media.feed(id, recorder.forks());
        }
        self.tell(parent, Event::StreamStarted { id, sid });
    }

    /// A recording server has not answered for too long.
    pub(crate) fn recorder_overdue(&mut self, core: &mut Core, key: u32) {
        if let Some(leg) = self.legs.get_mut(&key) {
            leg.hang_up(core);
        }
        let why = "the recording server did not answer in time".to_owned();
        self.recorder_over(key, Some(failed(why)));
    }

    /// A recording session is over: said once to the run of the leg that was recorded.
    pub(crate) fn recorder_over(&mut self, key: u32, error: Option<StreamError>) {
        let leg = self.legs.get_mut(&key);
        let recorder = leg.and_then(|leg| leg.recorder.as_mut());
        let Some(recorder) = recorder.filter(|recorder| !recorder.over) else {
            return;
        };
        recorder.over = true;
        recorder.close();
        let (parent, id, sid) = (recorder.parent, recorder.id, recorder.sid);
        self.starve(parent, id);
        self.tell(parent, Event::StreamEnded { id, sid, error });
    }

    fn recorder_of(&self, owner: u32, id: StreamId) -> Option<u32> {
        let is_it = |leg: &Leg| {
            let recorder = leg.recorder.as_ref();
            recorder.is_some_and(|it| !it.over && (it.parent, it.id) == (owner, id))
        };
        let mut legs = self.legs.iter();
        legs.find(|(_, leg)| is_it(leg)).map(|(key, _)| *key)
    }

    fn starve(&self, owner: u32, id: StreamId) {
        if let Some(media) = self.legs.get(&owner).and_then(|leg| leg.media.as_ref()) {
            media.starve(id);
        }
    }

    fn record_elsewhere(
        &mut self,
        core: &mut Core,
        owner: u32,
        plan: &SiprecPlan,
        sid: Sid,
    ) -> Result<(), StreamError> {
        let mut connectors = core.settings.siprec.iter();
        let connector = connectors.find(|connector| connector.name == plan.connector);
        let Some(uri) = connector.map(|connector| connector.uri.clone()) else {
            let short: String = plan.connector.chars().take(60).collect();
            return Err(StreamError {
                code: ErrorCode::SIPREC_CONNECTOR,
                detail: format!("no recording server is called {short}"),
            });
        };
        if self.forwards <= 1 {
            return Err(failed("Max-Forwards is used up".to_owned()));
        }
        let forwards = self.forwards - 1;
        let (recorder, streams) = self.recorder(core, owner, plan, sid, &uri)?;
        let metadata = self.metadata(core, owner, plan, sid, &streams);
        let key = self.add_recorder(core, sid, &uri, recorder)?;
        let Some(leg) = self.legs.get_mut(&key) else {
            return Err(failed("the leg is gone".to_owned()));
        };
        let boundary = core.random.hex();
        let offer = leg
            .offer(core, None)
            .map_err(|error| failed(error.to_string()))?;
        let Multipart { kind, body } = multipart(&boundary, &offer, &metadata);
        let call_id = self.legs.get(&owner).map(|leg| leg.dialog.call_id.clone());
        let headers: [(&str, &[u8]); 3] = [
            ("Require", b"siprec"),
            ("Accept", ACCEPT),
            ("X-Hookswitch-Parent-Call-Id", &call_id.unwrap_or_default()),
        ];
        let Some(leg) = self.legs.get_mut(&key) else {
            return Err(failed("the leg is gone".to_owned()));
        };
        if !leg.invite(core, forwards, &headers, Some((&kind, body)), None) {
            core.dialogs.remove(&leg.dialog.local_tag);
            self.legs.remove(&key);
            return Err(failed("the request cannot be sent".to_owned()));
        }
        let ringing = core.start_timer(ANSWER_MAX, Due::Ring(leg.key));
        if let Some(recorder) = &mut leg.recorder {
            recorder.ringing = Some(ringing);
        }
        Ok(())
    }

    /// Opens a stream for each track that is recorded.
    fn recorder(
        &mut self,
        core: &mut Core,
        owner: u32,
        plan: &SiprecPlan,
        sid: Sid,
        uri: &str,
    ) -> Result<(Recorder, Vec<RecordedStream>), StreamError> {
        let (Some(path), Some(leg)) = (core.outbound, self.legs.get_mut(&owner)) else {
            return Err(failed("no outbound proxy is configured".to_owned()));
        };
        let no_media =
            |error: crate::media::OpenError| failed(format!("there are no media: {error}"));
        leg.open_media(core).map_err(no_media)?;
        let origin = Origin {
            id: core.random.number() >> 2,
            version: 0,
            address: path.local.ip(),
        };
        let secure = core.settings.secure_media || is_secure(uri);
        let mut description = sdp::Recording::new(origin, secure);
        let (mut forks, mut streams) = (Vec::new(), Vec::new());
        for (track, label, speaker) in tracks(plan.tracks) {
            let fork = core.studio.fork(path.local.ip(), leg.key, *track);
            let fork = fork.map_err(no_media)?;
            let mut rtp = fork.local();
            rtp.set_ip(core.settings.media_address.unwrap_or_else(|| rtp.ip()));
            description.add(label, rtp, core.random.key());
            forks.push(fork);
            streams.push(RecordedStream {
                id: core.random.bytes(),
                label,
                speaker: *speaker,
            });
        }
        let recorder = Recorder::new(owner, plan.id, sid, description, forks);
        Ok((recorder, streams))
    }

    /// Who speaks in the streams: the other end of the recorded leg, and ours.
    fn metadata(
        &self,
        core: &mut Core,
        owner: u32,
        plan: &SiprecPlan,
        sid: Sid,
        streams: &[RecordedStream],
    ) -> String {
        let Some(leg) = self.legs.get(&owner) else {
            return String::new();
        };
        let parties = [&leg.dialog.remote, &leg.dialog.local];
        let metadata = Metadata {
            session_id: core.random.bytes(),
            began: &iso8601(SystemTime::now()),
            participants: parties.map(|party| Participant::of(core.random.bytes(), party)),
            streams,
            sids: [sid, leg.sid, leg.account],
            parameters: &plan.parameters,
        };
        metadata.to_xml()
    }

    /// Makes the leg to the recording server; its number.
    fn add_recorder(
        &mut self,
        core: &mut Core,
        sid: Sid,
        uri: &str,
        recorder: Recorder,
    ) -> Result<u32, StreamError> {
        let Some(path) = core.outbound else {
            return Err(failed("no outbound proxy is configured".to_owned()));
        };
        self.last_leg += 1;
        let key = LegKey {
            call: self.key,
            leg: self.last_leg,
        };
        let call_id = core.random.hex();
        let local_tag = Bytes::from(core.random.hex());
        let from = format!("sip:siprec@{}", self.home());
        let dialog = Dialog::caller(
            Bytes::from(call_id.clone()),
            &from,
            uri,
            local_tag.clone(),
            vec![outbound_route(core)],
        );
        core.dialogs.insert(local_tag, key);
        // What a leg describes is its recorder's.
        let origin = Origin {
            id: 0,
            version: 0,
            address: path.local.ip(),
        };
        let tag = LegTag {
            call: self.sid,
            leg: sid,
            sip_call_id: call_id.into(),
        };
        let negotiation = Negotiation::new(origin, core.random.key(), false);
        let account = self.domain.account_sid;
        let leg = Leg {
            recorder: Some(Box::new(recorder)),
            ..Leg::new(core, key, account, tag, dialog, path, negotiation)
        };
        self.legs.insert(key.leg, leg);
        Ok(key.leg)
    }
}

/// The streams of a recording session: their tracks, their labels, and which participant speaks.
fn tracks(tracks: StreamTracks) -> &'static [(Track, &'static str, usize)] {
    const INBOUND: (Track, &str, usize) = (Track::Inbound, "1", 0);
    const OUTBOUND: (Track, &str, usize) = (Track::Outbound, "2", 1);
    match tracks {
        StreamTracks::Both => &[INBOUND, OUTBOUND],
        StreamTracks::Inbound => &[INBOUND],
        StreamTracks::Outbound => &[OUTBOUND],
    }
}

fn failed(detail: String) -> StreamError {
    StreamError {
        code: ErrorCode::SIPREC_FAILED,
        detail,
    }
}

/// How long a recording server may ring: what is said meanwhile is not recorded.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What may come back (RFC 7866 §6.1.1).
const ACCEPT: &[u8] = b"application/sdp";
