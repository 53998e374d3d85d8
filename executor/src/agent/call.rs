//! One call: the caller's leg, the legs that its `<Dial>`s make, and what the run wants done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sip::{Request, TransactionId};

use crate::Sid;
use crate::gauges::Held;
use crate::media::LegMedia;
use crate::observer::{CallEvent, Ended};
use crate::run::{Action, Event, Finish};
use crate::settings::Domain;
use crate::webhook::{CallContext, FetchError, FetchId, Reply as WebhookReply};

use super::core::{Core, InitialKey, Purpose};
use super::leg::{Invited, Leg, State};
use super::reliable::Reliable;
use super::script::call_back;
use super::timer::Due;
use super::transcription::transcribe;
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
    pub(crate) queue: VecDeque<(u32, Event)>,
    /// What the call may still be bothered with.
    pub(crate) events_left: u32,
    pub(crate) finish: Option<Finish>,
    pub(crate) _held: Held,
}

impl Call {
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
            let callee = leg.callee.as_ref();
            let reported = callee.is_none_or(|callee| callee.over && callee.owed.is_none());
            let recorded = leg.media.as_ref().is_none_or(LegMedia::is_done);
            leg.state == State::Gone
                && leg.script.is_none()
                && leg.inviting.is_none()
                && reported
                && recorded
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
            Action::Bridge => self.bridge(core, leg),
            Action::CancelDial => self.give_dial_up(core, leg),
            Action::Connect => self.heard_out(core, leg),
            Action::Dial(plan) => self.start_dial(core, leg, *plan),
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
            Action::AnswerRefer { by, status } => self.answer_refer(core, leg, by, status),
            Action::AskQueue => self.ask_queue(core, leg),
            Action::DialQueue(plan) => self.dial_queue(core, leg, &plan),
            Action::Enqueue(plan) => self.enqueue(core, leg, &plan),
            Action::JoinConference(plan) => self.join_conference(core, leg, &plan),
            Action::LeaveConference => self.leave_conference(core, leg),
            Action::LeaveQueue => self.leave_queue(core, leg),
            Action::LetCalleeGo => self.let_callee_go(core, leg),
            Action::NotifyRefer { by, status } => self.notify_refer(core, leg, by, status),
            Action::ParkCallee => self.park_callee(leg),
            Action::ReleaseCallee => self.release_callee(core, leg),
            Action::RestoreCallee => self.restore_callee(core, leg),
            Action::StartSiprec(plan) => self.start_siprec(core, leg, &plan),
            Action::StartStream(plan) => self.start_stream(core, leg, &plan),
            Action::StopSiprec(id) => self.stop_siprec(core, leg, id),
            Action::StopStream(id) => self.stop_stream(leg, id),
            Action::Transcribe(plan) => {
                let random = core.random.bytes();
                if let Some(Leg {
                    script: Some(script),
                    tag,
                    ..
                }) = self.legs.get(&leg)
                {
                    transcribe(core, random, tag, script, *plan);
                }
            }
            Action::TransferCallee(plan) => self.transfer_callee(core, leg, *plan),
            Action::TransferDone(status) => self.transfer_done(core, leg, status),
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

    /// 180, or 183 with our description: the caller hears the callee's early media.
    fn ring(&mut self, core: &mut Core, early_media: bool) {
        let Some(leg) = self.legs.get_mut(&CALLER) else {
            return;
        };
        // From a caller who offered nothing our offer would have no answer before the ACK.
        let offers = |invited: &Invited| invited.offer.is_some();
        let body = if early_media && leg.invited.as_ref().is_some_and(offers) {
            leg.described(core).ok()
        } else {
            None
        };
        leg.ring(core, body);
        self.follow(CALLER);
    }

    /// 200 with our description.
    pub(crate) fn answer(&mut self, core: &mut Core) {
        let Some(leg) = self.legs.get_mut(&CALLER) else {
            return;
        };
        if leg.state != State::Early {
            return;
        }
        let reliable = leg.invited.as_mut().and_then(|it| it.reliable.as_mut());
        if reliable.is_some_and(Reliable::delays_answer) {
            return;
        }
        match leg.described(core) {
            Ok(body) => leg.accept(core, body),
            Err(status) => {
                leg.reject(core, status, sip::reason_phrase(status), &[]);
                self.tell(CALLER, Event::Answered(false));
            }
        }
        self.follow(CALLER);
    }

    /// The run of a leg is over.
    fn finished(&mut self, core: &mut Core, leg: u32, finish: Finish) {
        let Some(found) = self.legs.get_mut(&leg) else {
            return;
        };
        found.script = None;
        core.gone(found.key);
        if leg != CALLER {
            return self.transferee_finished(core, leg);
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
        self.drop_dials(core, CALLER);
        self.queue.retain(|(leg, _)| *leg != CALLER);
    }

    fn hang_up(&mut self, core: &mut Core, leg: u32) {
        let callee = self.legs.get(&leg).and_then(|leg| leg.callee.as_ref());
        if callee.is_some_and(|callee| !callee.transferred) {
            return self.callee_screened_out(core, leg);
        }
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.hang_up(core);
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

    /// A timer fired.
    pub(crate) fn timer(&mut self, core: &mut Core, due: Due) {
        match due {
            Due::Answer(LegKey { leg, .. }) => self.ack_overdue(core, leg),
            Due::Provisional(LegKey { leg, .. }) => self.ring_overdue(core, leg),
            Due::Ring(LegKey { leg, .. }) => self.ring_timeout(core, leg),
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
        let answers = invited.reliable.as_ref().is_some_and(Reliable::answers);
        if answers {
            // The run thinks that the answer is on its way.
            found.reject(core, 487, "Request Terminated", &[]);
            self.tell(leg, Event::CallerHungUp);
        } else if invited.initial {
            self.tell(leg, Event::CallerCancelled);
        } else {
            found.reject(core, 487, "Request Terminated", &[]);
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
