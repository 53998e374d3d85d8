//! One call: the caller's leg, the legs that its `<Dial>`s make, and what the run wants done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::{Reply, Request, TransactionId};

use crate::gauges::Held;
use crate::media::MediaEvent;
use crate::observer::{CallEvent, Ended};
use crate::run::{
    self, Action, ConferenceEnd, ConferenceNotice, DialOutcome, DialReason, Event, Finish,
    MediaOutcome, QueueEnd, QueueReason, StreamError, TimerKind,
};
use crate::sdp::{self, Description};
use crate::settings::Domain;
use crate::webhook::{CallContext, FetchError, FetchId, Reply as WebhookReply};
use crate::{ErrorCode, Sid, SidKind};

use super::bridge::Bridge;
use super::core::{Core, InitialKey, Purpose};
use super::dial::Dial;
use super::leg::{Leg, State};
use super::script::call_back;
use super::timer::Due;
use super::{CallKey, LegKey};

/// A call.
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) sid: Sid,
    pub(crate) domain: Arc<Domain>,
    /// The host that the caller dialled.
    pub(crate) host: String,
    /// Max-Forwards of the caller's INVITE (RFC 7332).
    pub(crate) forwards: u32,
    pub(crate) context: Arc<CallContext>,
    pub(crate) initial: Option<InitialKey>,
    pub(crate) legs: BTreeMap<u32, Leg>,
    pub(crate) last_leg: u32,
    pub(crate) dial: Option<Dial>,
    pub(crate) bridge: Option<Bridge>,
    /// The caller still has the description of somebody who is gone.
    pub(crate) restore_owed: bool,
    /// It is to get ours as soon as no INVITE is under way.
    pub(crate) restore_wanted: bool,
    pub(crate) queue: VecDeque<(u32, Event)>,
    /// What the call may still be bothered with.
    pub(crate) events_left: u32,
    pub(crate) finish: Option<Finish>,
    pub(crate) _held: Held,
}

impl Call {
    /// The caller's leg. It lives as long as the call.
    pub(crate) fn caller(&mut self) -> Option<&mut Leg> {
        self.legs.get_mut(&CALLER)
    }

    /// Puts an event before the run of a leg.
    pub(crate) fn tell(&mut self, leg: u32, event: Event) {
        self.queue.push_back((leg, event));
    }

    /// Counts something that came from outside. A call that never comes to rest is hung up.
    pub(crate) fn spend(&mut self) {
        match self.events_left {
            0 => {}
            1 => {
                self.events_left = 0;
                self.tell(CALLER, Event::HangUp);
            }
            _ => self.events_left -= 1,
        }
    }

    /// Lets the runs take what happened, and does what they want.
    pub(crate) fn pump(&mut self, core: &mut Core) {
        while let Some((leg, event)) = self.queue.pop_front() {
            let script = self.legs.get_mut(&leg).and_then(|leg| leg.script.as_mut());
            let Some(script) = script else { continue };
            for action in script.run.step(core.now - script.began, event) {
                self.perform(core, leg, action);
            }
        }
        self.sweep(core);
    }

    /// Whether nothing is left of the call.
    pub(crate) fn is_over(&self) -> bool {
        self.legs.is_empty()
    }

    /// Removes legs that are over.
    fn sweep(&mut self, core: &mut Core) {
        let over = |leg: &Leg| {
            let reported = leg.callee.as_ref().is_none_or(|callee| callee.over);
            leg.state == State::Gone && leg.script.is_none() && leg.inviting.is_none() && reported
        };
        while let Some(key) = self
            .legs
            .iter()
            .find(|(_, leg)| over(leg))
            .map(|(key, _)| *key)
        {
            if let Some(leg) = self.legs.remove(&key) {
                core.dialogs.remove(&leg.dialog.local_tag);
            }
        }
        if self.legs.is_empty()
            && let Some(initial) = self.initial.take()
        {
            core.initial.remove(&initial);
        }
    }

    fn perform(&mut self, core: &mut Core, leg: u32, action: Action) {
        match action {
            Action::AbortFetch(id) => {
                if let Some(script) = self.script(leg) {
                    script.abort(id);
                }
            }
            Action::Answer => self.answer(core),
            Action::Bridge => self.connect(core),
            Action::CancelDial => self.cancel_dial(core),
            Action::Connect => self.callee_passed(leg),
            Action::Dial(plan) => self.start_dial(core, *plan),
            // What this user agent cannot do ends at once.
            Action::DialQueue(plan) => {
                let outcome = DialOutcome {
                    reason: DialReason::NoQueue,
                    ..DialOutcome::default()
                };
                self.tell(leg, Event::DialEnded(plan.id, vec![outcome]));
            }
            Action::Enqueue(_) => {
                let (reason, waited) = (QueueReason::Removed, Duration::ZERO);
                let sid = None;
                self.tell(
                    leg,
                    Event::QueueEnded(QueueEnd {
                        reason,
                        sid,
                        waited,
                    }),
                );
            }
            Action::JoinConference(_) => {
                let end = ConferenceNotice::Ended(ConferenceEnd::Left);
                self.tell(leg, Event::Conference(end));
            }
            Action::StartStream(plan) => {
                let (id, sid) = (plan.id, Sid::new(SidKind::Stream, core.random.bytes()));
                let error = Some(StreamError {
                    code: ErrorCode::NOT_SUPPORTED,
                    detail: "streams are not supported by this version".to_owned(),
                });
                self.tell(leg, Event::StreamEnded { id, sid, error });
            }
            // These follow only what this user agent does not tell.
            Action::AnswerRefer { .. }
            | Action::AskQueue
            | Action::LeaveConference
            | Action::LeaveQueue
            | Action::LetCalleeGo
            | Action::NotifyRefer { .. }
            | Action::ParkCallee
            | Action::ReleaseCallee
            | Action::RestoreCallee
            | Action::StopStream(_)
            | Action::TransferCallee(_)
            | Action::TransferDone(_) => {}
            Action::Fetch(request) => {
                if let Some(Leg {
                    script: Some(script),
                    key,
                    tag,
                    ..
                }) = self.legs.get_mut(&leg)
                {
                    script.fetch(core, *key, tag, *request);
                }
            }
            Action::Finished(finish) => self.finished(core, leg, finish),
            Action::HangUp => self.hang_up(core, leg),
            Action::Refer(plan) => self.refer(core, leg, &plan.refer_to),
            Action::Reject { status, reason } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.reject(core, status, reason, &[]);
                }
            }
            Action::Ring { early_media } => self.ring(core, early_media),
            Action::StartMedia(medium) => self.start_media(core, leg, &medium),
            Action::StartTimer(id, after) => {
                if matches!(id.kind, TimerKind::Pause | TimerKind::GatherInput) {
                    self.restore(core);
                }
                let due = Due::Run(
                    LegKey {
                        call: self.key,
                        leg,
                    },
                    id,
                );
                let timer = core.start_timer(after, due);
                if let Some(script) = self.script(leg) {
                    script.timers.insert(id.kind, timer);
                }
            }
            Action::StatusCallback(request) => {
                if let Some(Leg {
                    script: Some(script),
                    tag,
                    ..
                }) = self.legs.get(&leg)
                {
                    call_back(core, tag, &script.context, *request);
                }
            }
            Action::StopMedia(id) => {
                if let Some(media) = self.legs.get_mut(&leg).and_then(|leg| leg.media.as_mut()) {
                    media.stop(id);
                }
            }
            Action::StopTimer(id) => {
                if let Some(script) = self.script(leg) {
                    script.timers.remove(&id.kind);
                }
            }
            Action::Trace(trace) => self.record(core, leg, CallEvent::Trace(trace)),
            Action::Warn(warning) => self.record(core, leg, CallEvent::Notice(warning)),
        }
    }

    pub(crate) fn record(&self, core: &Core, leg: u32, event: CallEvent) {
        if let Some(leg) = self.legs.get(&leg) {
            core.journal.record(&leg.tag, event);
        }
    }

    fn script(&mut self, leg: u32) -> Option<&mut super::script::Script> {
        self.legs.get_mut(&leg)?.script.as_mut()
    }

    /// 180, or 183 with the description of the callee whose early media are there.
    fn ring(&mut self, core: &mut Core, early_media: bool) {
        let early = if early_media {
            self.early_description()
        } else {
            None
        };
        let Some(leg) = self.legs.get_mut(&CALLER) else {
            return;
        };
        let contact = core
            .names
            .contact(&core.way(&leg.dialog.next_hop(), &leg.path));
        let Leg {
            invited: Some(invited),
            session,
            dialog,
            tag,
            ..
        } = leg
        else {
            return;
        };
        if invited.answered.is_some() {
            return;
        }
        let (status, reason) = match early {
            Some(_) => (183, "Session Progress"),
            None => (180, "Ringing"),
        };
        let mut reply = Reply::new(&invited.request, status, reason)
            .to_tag(&dialog.local_tag)
            .record_route()
            .header("Contact", contact);
        if let Some(heard) = early {
            reply = reply.body("application/sdp", session.pass_on(&heard));
        }
        core.respond(tag, invited.server, &reply.build());
    }

    /// 200 with a description: the waiting callee's, or our own.
    fn answer(&mut self, core: &mut Core) {
        let passed = self.waiting_description();
        let Some(leg) = self.legs.get_mut(&CALLER) else {
            return;
        };
        if leg.state != State::Early {
            return;
        }
        let offered = leg.session.heard.is_none();
        let body = match passed {
            Some(heard) => Ok(leg.session.pass_on(&heard)),
            None => own_description(leg, core),
        };
        match body {
            Ok(body) => leg.accept(core, &body, offered),
            Err(status) => {
                let reason = if status == 488 {
                    "Not Acceptable Here"
                } else {
                    "Service Unavailable"
                };
                leg.reject(core, status, reason, &[]);
                self.tell(CALLER, Event::Answered(false));
            }
        }
    }

    fn start_media(&mut self, core: &mut Core, leg: u32, medium: &run::Media) {
        if leg == CALLER {
            self.restore(core);
        }
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        match found.open_media(core) {
            Ok(_) => {
                if let Some(media) = &mut found.media {
                    media.start(medium);
                }
            }
            Err(error) => {
                let outcome = MediaOutcome::Failed(format!("no media port: {error}"));
                self.tell(leg, Event::MediaDone(medium.id, outcome));
            }
        }
    }

    /// The run of a leg is over.
    fn finished(&mut self, core: &mut Core, leg: u32, finish: Finish) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        found.script = None;
        if leg != CALLER {
            return;
        }
        // The run has ended its leg; if it has not, nothing may stay behind.
        found.hang_up(core);
        self.finish = Some(finish);
        let Finish {
            status,
            sip_code,
            duration,
        } = finish;
        self.record(
            core,
            CALLER,
            CallEvent::Ended(Ended {
                status,
                sip_code,
                duration,
            }),
        );
        self.cancel_dial(core);
        self.dial = None;
        self.queue.clear();
    }

    fn hang_up(&mut self, core: &mut Core, leg: u32) {
        if leg == CALLER {
            if let Some(leg) = self.caller() {
                leg.hang_up(core);
            }
        } else {
            self.callee_screened_out(core, leg);
        }
    }

    /// REFER in the dialog (RFC 3515).
    fn refer(&mut self, core: &mut Core, leg: u32, refer_to: &str) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        let contact = core
            .names
            .contact(&core.way(&found.dialog.next_hop(), &found.path));
        let target = format!("<{refer_to}>");
        let by = sip::NameAddr::parse(&found.dialog.local)
            .map(|local| [b"<", local.uri, b">"].concat())
            .unwrap_or_default();
        let headers: [(&str, &[u8]); 4] = [
            ("Contact", contact.as_bytes()),
            ("Refer-To", target.as_bytes()),
            ("Referred-By", &by),
            ("User-Agent", super::leg::PRODUCT),
        ];
        let sent =
            (!found.is_over()).then(|| found.send(core, Purpose::Refer, "REFER", &headers, None));
        match sent.flatten() {
            Some(client) => {
                found.referred.add(client, found.dialog.local_seq());
            }
            None => self.tell(leg, Event::ReferRefused(503)),
        }
    }

    /// A webhook answered.
    pub(crate) fn fetched(
        &mut self,
        leg: u32,
        id: FetchId,
        result: Box<Result<WebhookReply, FetchError>>,
    ) {
        if let Some(script) = self.script(leg) {
            script.abort(id);
        }
        self.tell(leg, Event::Fetched(id, result));
    }

    /// Something happened in the media.
    pub(crate) fn media(&mut self, leg: u32, event: MediaEvent) {
        match event {
            MediaEvent::Digit(digit) => {
                self.spend();
                self.tell(leg, Event::Digit(digit));
            }
            MediaEvent::Done(id, outcome) => self.tell(leg, Event::MediaDone(id, outcome)),
        }
    }

    /// A timer fired.
    pub(crate) fn timer(&mut self, core: &mut Core, due: Due) {
        match due {
            Due::Answer(LegKey { leg, .. }) => self.ack_overdue(core, leg),
            Due::Ring(LegKey { leg, .. }) => self.ring_timeout(core, leg),
            Due::Retry(LegKey { leg, .. }) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.retry = None;
                }
                self.settle(core);
            }
            Due::Run(LegKey { leg, .. }, id) => {
                if let Some(script) = self.script(leg) {
                    script.timers.remove(&id.kind);
                }
                self.tell(leg, Event::TimerFired(id));
            }
            Due::Stop => {}
        }
    }

    /// The caller cancelled an INVITE (RFC 3261 §9.2).
    pub(crate) fn cancelled(&mut self, core: &mut Core, leg: u32, invite: sip::ServerId) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        let Some(invited) = &found.invited else {
            return;
        };
        if invited.server != invite || invited.answered.is_some() {
            return;
        }
        if invited.initial {
            self.tell(leg, Event::CallerCancelled);
        } else {
            found.reject(core, 487, "Request Terminated", &[]);
            self.relay_cancelled(core, leg);
        }
    }

    /// A transaction of the call is gone.
    pub(crate) fn ended(&mut self, core: &mut Core, leg: u32, transaction: TransactionId) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        if let TransactionId::Client(client) = transaction
            && found.state == State::Leaving(client)
        {
            found.state = State::Gone;
        }
        self.sweep(core);
    }
}

/// Our own answer to what the peer offered, or our own offer if it offered nothing. `Err`: the
/// status that refuses the INVITE.
pub(crate) fn own_description(leg: &mut Leg, core: &mut Core) -> Result<Bytes, u16> {
    let offer = leg
        .session
        .heard
        .as_ref()
        .map(|heard| Description::parse(heard));
    let offer = offer.transpose().map_err(|_| 488u16)?;
    let local = leg.open_media(core).map_err(|error| {
        tracing::error!(%error, "no media port");
        503u16
    })?;
    let address = leg.media_address(core, local);
    leg.session.origin.address = address.ip();
    let body = match offer {
        Some(offer) => leg.session.describe(|origin| offer.answer(origin, address)),
        None => leg
            .session
            .describe(|origin| Some(sdp::offer(origin, address))),
    };
    leg.connect_media();
    body.ok_or(488)
}

/// Max-Forwards of a request.
pub(crate) fn forwards(request: &Request) -> u32 {
    let value = request
        .headers
        .first(sip::HeaderName::MaxForwards)
        .and_then(sip::number);
    value.unwrap_or(crate::dialog::FORWARDS).min(255)
}

/// The number of the caller's leg.
pub(crate) const CALLER: u32 = 0;
