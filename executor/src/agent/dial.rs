//! `<Dial>`: the legs of the callees, and how they end (RFC 3261 §13.2, seen from the caller).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sip::{Headers, Instant, NameAddr, Response, Uri};

use crate::dialog::Dialog;
use crate::digest::{Authorization, Digest};
use crate::gauges::Held;
use crate::observer::{CallEvent, Ended, Started};
use crate::run::{
    DialOutcome, DialPlan, DialReason, DialTarget, DialTo, Event, LegCallbacks, LegStage, Run,
    Trace, dial_call_status,
};
use crate::sdp::{Description, Origin};
use crate::webhook::{CallContext, CallStatus, Direction, Hook, SipContext};
use crate::{Sid, SidKind};

use super::LegKey;
use super::body;
use super::call::{CALLER, Call, own_description};
use super::core::Core;
use super::journal::LegTag;
use super::leg::{InviteReason, Inviting, Leg, Referred, Session, State};
use super::path::Path;
use super::responses::Outcome;
use super::script::{Script, call_back};
use super::timer::{Due, Timer};

/// A `<Dial>` under way.
pub(crate) struct Dial {
    plan: DialPlan,
    /// The target that is next; all before it have a leg.
    next: usize,
    /// The legs that are not over.
    legs: Vec<u32>,
    /// The leg that answered.
    winner: Option<u32>,
    /// It may be bridged: it has passed its screening.
    ready: bool,
    outcomes: Vec<DialOutcome>,
}

/// What a callee's leg has beside a leg.
pub(crate) struct Callee {
    pub(crate) digest: Option<Digest>,
    /// Its end was reported.
    pub(crate) over: bool,
    pub(crate) bridged: bool,
    rang: bool,
    /// A description from before the answer.
    early: Option<Bytes>,
    /// What the caller described when this leg was offered it.
    offered: Option<Bytes>,
    answered_at: Option<Instant>,
    ringing: Option<Timer>,
    callbacks: Option<LegCallbacks>,
    screening: Option<Hook>,
    context: Arc<CallContext>,
    /// Headers of the INVITE beyond those of every INVITE.
    headers: Vec<(String, Vec<u8>)>,
    /// The final response.
    code: Option<u16>,
    answer_headers: Vec<(String, Vec<u8>)>,
}

/// How to call a target.
struct Address {
    uri: String,
    /// `To` in webhooks.
    shown: String,
    trunk: Option<String>,
}

impl Call {
    pub(crate) fn start_dial(&mut self, core: &mut Core, plan: DialPlan) {
        debug_assert!(self.dial.is_none(), "one <Dial> at a time");
        self.cancel_dial(core);
        let all = if plan.sequential {
            1
        } else {
            plan.targets.len()
        };
        let (legs, outcomes) = (Vec::new(), Vec::new());
        self.dial = Some(Dial {
            plan,
            next: 0,
            legs,
            winner: None,
            ready: false,
            outcomes,
        });
        for _ in 0..all {
            self.call_next(core);
        }
        self.check_dial(core);
    }

    /// Calls the next target.
    fn call_next(&mut self, core: &mut Core) {
        let Some(dial) = &mut self.dial else { return };
        let Some(target) = dial.plan.targets.get(dial.next).cloned() else {
            return;
        };
        dial.next += 1;
        let caller_id = dial.plan.caller_id.clone();
        let timeout = dial.plan.timeout;
        match self.call(core, &target, caller_id.as_deref()) {
            Ok(key) => {
                let due = Due::Ring(LegKey {
                    call: self.key,
                    leg: key,
                });
                let ringing = core.start_timer(timeout, due);
                if let Some(callee) = self.callee(key) {
                    callee.ringing = Some(ringing);
                }
                self.stage(core, key, LegStage::Initiated);
                if let Some(dial) = &mut self.dial {
                    dial.legs.push(key);
                }
            }
            Err((status, why)) => {
                self.record(
                    core,
                    CALLER,
                    CallEvent::Trace(Trace {
                        topic: "Dial",
                        text: why,
                    }),
                );
                let outcome = DialOutcome {
                    sip_code: Some(status),
                    ..DialOutcome::default()
                };
                if let Some(dial) = &mut self.dial {
                    dial.outcomes.push(outcome);
                }
            }
        }
    }

    /// Makes a leg and sends its INVITE; the leg's number.
    fn call(
        &mut self,
        core: &mut Core,
        target: &DialTarget,
        caller_id: Option<&str>,
    ) -> Result<u32, (u16, String)> {
        let Some(path) = core.outbound else {
            return Err((503, "no outbound proxy is configured".to_owned()));
        };
        if self.forwards <= 1 {
            return Err((483, "Max-Forwards is used up".to_owned()));
        }
        let address = self.address(core, &target.to)?;
        let key = self.add_callee(core, target, &address, caller_id, path);
        let forwards = self.forwards - 1;
        let Some(leg) = self.legs.get_mut(&key) else {
            return Err((500, "the leg is gone".to_owned()));
        };
        let headers = leg
            .callee
            .as_ref()
            .map(|callee| callee.headers.clone())
            .unwrap_or_default();
        let offered = leg
            .callee
            .as_ref()
            .and_then(|callee| callee.offered.clone());
        let body = match &offered {
            Some(heard) => Ok(leg.session.pass_on(heard)),
            None => own_description(leg, core),
        };
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        let sent = match body {
            Ok(body) => leg.invite(core, InviteReason::Call, forwards, &headers, Some(body)),
            Err(_) => false,
        };
        if sent {
            return Ok(key);
        }
        if let Some(leg) = self.legs.remove(&key) {
            core.dialogs.remove(&leg.dialog.local_tag);
        }
        Err((503, format!("{} cannot be called", address.shown)))
    }

    fn address(&self, core: &Core, to: &DialTo) -> Result<Address, (u16, String)> {
        let unusable = |uri: &str| (400, format!("{uri} is no SIP URI"));
        let address = match to {
            DialTo::Sip(uri) => Address {
                uri: uri.clone(),
                shown: uri.clone(),
                trunk: None,
            },
            DialTo::Client(identity) => {
                let uri = format!("sip:{}@{}", escape_user(identity), self.home());
                Address {
                    uri,
                    shown: format!("client:{identity}"),
                    trunk: None,
                }
            }
            DialTo::Number(number) => {
                let Some(trunk) = core.settings.dial_trunk.clone() else {
                    return Err((503, "no trunk for numbers is configured".to_owned()));
                };
                let host_like =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                let host = if trunk.bytes().all(host_like) {
                    &*trunk
                } else {
                    self.home()
                };
                let uri = format!("sip:{}@{host}", escape_user(number));
                Address {
                    uri,
                    shown: number.clone(),
                    trunk: Some(trunk),
                }
            }
        };
        match Uri::parse(address.uri.as_bytes()) {
            Ok(uri) if uri.is_sip() && uri.headers.is_none() => Ok(address),
            _ => Err(unusable(&address.uri)),
        }
    }

    /// The host of what we call ourselves: the domain's name.
    fn home(&self) -> &str {
        if &*self.domain.name == "*" {
            &self.host
        } else {
            &self.domain.name
        }
    }

    fn add_callee(
        &mut self,
        core: &mut Core,
        target: &DialTarget,
        address: &Address,
        caller_id: Option<&str>,
        path: Path,
    ) -> u32 {
        self.last_leg += 1;
        let key = LegKey {
            call: self.key,
            leg: self.last_leg,
        };
        let sid = Sid::new(SidKind::Call, core.random.bytes());
        let call_id = core.random.hex();
        let local_tag = Bytes::from(core.random.hex());
        let (user, shown_from) = self.caller_name(caller_id);
        let from = format!("sip:{}@{}", escape_user(&user), self.home());
        let routes = vec![outbound_route(core)];
        let dialog = Dialog::caller(
            Bytes::from(call_id.clone()),
            &from,
            &address.uri,
            local_tag.clone(),
            routes,
        );
        core.dialogs.insert(local_tag, key);
        let context = Arc::new(self.callee_context(sid, shown_from, &address.shown, &call_id));
        let tag = LegTag {
            call: self.sid,
            leg: sid,
            sip_call_id: call_id.into(),
        };
        core.journal.record(
            &tag,
            CallEvent::Started(Arc::new(Started {
                direction: Direction::OutboundDial,
                from: context.from.clone(),
                to: context.to.clone(),
                domain: Arc::clone(&self.domain.name),
                source: None,
            })),
        );
        let caller = self
            .legs
            .get(&CALLER)
            .and_then(|caller| caller.session.heard.clone());
        // A callee who is to hear a document first talks to us first.
        let offered = caller.filter(|_| target.screening.is_none());
        let callee = Callee {
            digest: target.credentials.clone().map(Digest::new),
            over: false,
            bridged: false,
            rang: false,
            early: None,
            offered,
            answered_at: None,
            ringing: None,
            callbacks: target.status_callback.clone().map(LegCallbacks::new),
            screening: target.screening.clone(),
            context,
            headers: self.callee_headers(target, address, sid),
            code: None,
            answer_headers: Vec::new(),
        };
        let origin = Origin {
            id: core.random.number() >> 2,
            version: 0,
            address: path.local.ip(),
        };
        self.legs.insert(
            key.leg,
            Leg {
                key,
                sid,
                tag,
                dialog,
                path,
                state: State::Early,
                session: Session::new(origin, None),
                invited: None,
                inviting: None,
                referred: Referred::default(),
                media: None,
                script: None,
                callee: Some(Box::new(callee)),
                retry: None,
                _held: Held::new(&core.gauges, |gauges| &gauges.legs, 1),
            },
        );
        key.leg
    }

    /// Who calls: the user of From, and `From` in webhooks.
    fn caller_name(&self, caller_id: Option<&str>) -> (String, String) {
        if let Some(id) = caller_id {
            return (
                id.strip_prefix("client:").unwrap_or(id).to_owned(),
                id.to_owned(),
            );
        }
        let uri = Uri::parse(self.context.from.as_bytes()).ok();
        let user = uri.map(|uri| String::from_utf8_lossy(&uri.user_decoded()).into_owned());
        let user = user
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| "anonymous".to_owned());
        (user, self.context.from.clone())
    }

    fn callee_context(&self, sid: Sid, from: String, to: &str, call_id: &str) -> CallContext {
        CallContext {
            call_sid: sid,
            from,
            to: to.to_owned(),
            direction: Direction::OutboundDial,
            parent_call_sid: Some(self.sid),
            sip: SipContext {
                domain: self.context.sip.domain.clone(),
                domain_sid: self.context.sip.domain_sid,
                call_id: Some(call_id.to_owned()),
                ..SipContext::default()
            },
            ..(*self.context).clone()
        }
    }

    fn callee_headers(
        &self,
        target: &DialTarget,
        address: &Address,
        sid: Sid,
    ) -> Vec<(String, Vec<u8>)> {
        let parent = self
            .legs
            .get(&CALLER)
            .map(|caller| caller.dialog.call_id.to_vec());
        let mut headers = vec![
            (
                "X-Hookswitch-Call-Sid".to_owned(),
                sid.to_string().into_bytes(),
            ),
            (
                "X-Hookswitch-Parent-Call-Id".to_owned(),
                parent.unwrap_or_default(),
            ),
        ];
        if let Some(trunk) = &address.trunk {
            headers.push(("X-Hookswitch-Trunk".to_owned(), trunk.clone().into_bytes()));
        }
        let given = target.headers.iter();
        headers.extend(given.map(|(name, value)| (name.clone(), value.clone().into_bytes())));
        headers
    }

    fn callee(&mut self, key: u32) -> Option<&mut Callee> {
        self.legs.get_mut(&key)?.callee.as_deref_mut()
    }

    /// The INVITE once more, with credentials (RFC 3261 §22.2: a new request of the same dialog).
    pub(crate) fn invite_again(
        &mut self,
        core: &mut Core,
        key: u32,
        before: &Inviting,
        with: &Authorization,
    ) -> bool {
        let forwards = self.forwards.saturating_sub(1).max(1);
        let Some(leg) = self.legs.get_mut(&key) else {
            return false;
        };
        let first = before.reason == InviteReason::Call;
        let headers = leg
            .callee
            .as_ref()
            .filter(|_| first)
            .map(|callee| callee.headers.clone());
        let headers = headers.unwrap_or_default();
        let mut headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        headers.push((with.name, with.value.as_bytes()));
        leg.invite(core, before.reason, forwards, &headers, before.body.clone())
    }

    /// A 18x of a callee.
    pub(crate) fn callee_rings(&mut self, core: &mut Core, key: u32, response: &Response) {
        let description = body::description(&response.headers).ok().flatten();
        let Some(callee) = self.callee(key).filter(|callee| !callee.over) else {
            return;
        };
        let first = !std::mem::replace(&mut callee.rang, true);
        let early = description.is_some() && callee.early.is_none();
        callee.early = callee.early.take().or(description);
        if first {
            self.stage(core, key, LegStage::Ringing);
        }
        if first || early {
            let early_media = self.early_description().is_some();
            self.tell(CALLER, Event::DialRinging { early_media });
        }
    }

    /// The early media that may be passed on: one dialog can have one answer only, so there must be
    /// one callee only (RFC 6337 §3.1.2), who was offered what the caller said.
    pub(crate) fn early_description(&self) -> Option<Bytes> {
        let dial = self.dial.as_ref()?;
        let [key] = *dial.legs.as_slice() else {
            return None;
        };
        if dial.plan.targets.len() > 1 {
            return None;
        }
        let callee = self.legs.get(&key)?.callee.as_ref()?;
        callee.offered.as_ref()?;
        callee.early.clone()
    }

    /// The callee who may be bridged.
    pub(crate) fn waiting(&self) -> Option<u32> {
        let dial = self.dial.as_ref()?;
        dial.winner.filter(|_| dial.ready)
    }

    /// What the waiting callee said, if it can be said to the caller who waits for its 200: as the
    /// answer to what the caller offered, or as an offer to one who offered nothing.
    pub(crate) fn waiting_description(&self) -> Option<Bytes> {
        let leg = self.legs.get(&self.waiting()?)?;
        let caller = self.legs.get(&CALLER)?.session.heard.as_ref();
        let offered = leg.callee.as_ref()?.offered.as_ref();
        if caller != offered {
            return None;
        }
        leg.session.heard.clone()
    }

    /// The final response to a callee's INVITE, or what counts as one.
    pub(crate) fn callee_outcome(&mut self, core: &mut Core, key: u32, outcome: &Outcome<'_>) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let over = leg.callee.as_ref().is_none_or(|callee| callee.over);
        if !(200..300).contains(&outcome.status) {
            leg.state = State::Gone;
            if let Some(response) = outcome.response {
                self.keep_headers(key, &response.headers);
            }
            return self.callee_over(core, key, DialReason::Refused, outcome.status);
        }
        leg.state = State::Confirmed;
        let Some(response) = outcome.response else {
            return;
        };
        let heard = body::description(&response.headers).ok().flatten();
        leg.session.heard = heard.or_else(|| leg.callee.as_mut()?.early.take());
        let readable = leg
            .session
            .heard
            .as_ref()
            .is_some_and(|heard| Description::parse(heard).is_ok());
        if over || !readable {
            // Too late, or nothing to talk with: answered and hung up (§13.2.2.4, §9.1).
            leg.hang_up(core);
            return self.callee_over(core, key, DialReason::Refused, 488);
        }
        leg.connect_media();
        core.journal.record(&leg.tag, CallEvent::Answered);
        self.keep_headers(key, &response.headers);
        self.callee_answered(core, key);
    }

    fn keep_headers(&mut self, key: u32, headers: &Headers) {
        if let Some(callee) = self.callee(key) {
            callee.answer_headers = header_list(headers);
        }
    }

    /// The first 2xx wins; the others are cancelled.
    fn callee_answered(&mut self, core: &mut Core, key: u32) {
        let now = core.now;
        if let Some(callee) = self.callee(key) {
            callee.answered_at = Some(now);
            callee.code = Some(200);
            callee.ringing = None;
        }
        let Some(dial) = &mut self.dial else { return };
        dial.winner = Some(key);
        dial.next = if dial.plan.sequential {
            dial.next
        } else {
            dial.plan.targets.len()
        };
        let losers: Vec<_> = dial
            .legs
            .iter()
            .copied()
            .filter(|leg| *leg != key)
            .collect();
        for loser in losers {
            self.give_up(core, loser, DialReason::Cancelled);
        }
        self.stage(core, key, LegStage::Answered);
        match self.callee(key).and_then(|callee| callee.screening.take()) {
            Some(hook) => self.screen(core, key, hook),
            None => self.callee_passed(core, key),
        }
    }

    /// The callee hears a document before it is connected.
    fn screen(&mut self, core: &mut Core, key: u32, hook: Hook) {
        let settings = crate::run::Settings {
            voice: hook,
            fallback: None,
            status_callback: None,
            ..core.settings.run(&self.domain)
        };
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = &mut leg.callee else {
            return;
        };
        let mut context = (*callee.context).clone();
        context.sip.headers = callee.answer_headers.clone();
        callee.context = Arc::new(context);
        let context = Arc::clone(&callee.context);
        leg.script = Some(Script::new(Run::screening(settings), context, core.now));
        self.tell(key, Event::Start);
    }

    /// The callee may be connected.
    pub(crate) fn callee_passed(&mut self, core: &mut Core, key: u32) {
        let _ = core;
        let Some(dial) = &mut self.dial else { return };
        if dial.winner == Some(key) && !dial.ready {
            dial.ready = true;
            self.tell(CALLER, Event::DialAnswered);
        }
    }

    /// The screening document did not let the call through.
    pub(crate) fn callee_screened_out(&mut self, core: &mut Core, key: u32) {
        self.give_up(core, key, DialReason::ScreenedOut);
    }

    /// A callee hung up, or its dialog was lost.
    pub(crate) fn callee_hung_up(&mut self, core: &mut Core, key: u32) {
        self.callee_over(core, key, DialReason::CalleeHungUp, 200);
    }

    /// A callee has rung for the whole `timeout`.
    pub(crate) fn ring_timeout(&mut self, core: &mut Core, key: u32) {
        self.give_up(core, key, DialReason::RingTimeout);
    }

    /// Ends every leg of the `<Dial>`.
    pub(crate) fn cancel_dial(&mut self, core: &mut Core) {
        let Some(dial) = &mut self.dial else { return };
        dial.next = dial.plan.targets.len();
        for leg in dial.legs.clone() {
            self.give_up(core, leg, DialReason::Cancelled);
        }
        self.check_dial(core);
    }

    /// Ends a callee's leg. Its end is reported at once; the leg itself stays until nothing of it
    /// is under way, so that a late 2xx is answered and hung up.
    fn give_up(&mut self, core: &mut Core, key: u32, reason: DialReason) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let code = if leg.state == State::Confirmed {
            200
        } else {
            487
        };
        leg.hang_up(core);
        self.callee_over(core, key, reason, code);
    }

    /// Reports the end of a callee's leg, once.
    fn callee_over(&mut self, core: &mut Core, key: u32, reason: DialReason, code: u16) {
        let now = core.now;
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let sid = leg.sid;
        let call_id = String::from_utf8_lossy(&leg.dialog.call_id).into_owned();
        let Some(callee) = leg.callee.as_deref_mut().filter(|callee| !callee.over) else {
            return;
        };
        callee.over = true;
        callee.ringing = None;
        leg.script = None;
        let duration = callee
            .answered_at
            .map_or(std::time::Duration::ZERO, |at| now - at);
        let outcome = DialOutcome {
            call_sid: Some(sid),
            sip_call_id: Some(call_id),
            sip_code: Some(callee.code.unwrap_or(code)),
            sip_headers: x_headers(&callee.answer_headers),
            rang: callee.rang,
            answered: callee.answered_at.is_some(),
            bridged: callee.bridged,
            duration,
            reason,
        };
        let status = if outcome.answered {
            CallStatus::Completed
        } else {
            ended_status(&outcome)
        };
        let sip_code = callee.code.unwrap_or(code);
        self.record(
            core,
            key,
            CallEvent::Ended(Ended {
                status,
                sip_code,
                duration,
            }),
        );
        self.stage(core, key, LegStage::Completed(status, duration));
        if self
            .bridge
            .as_ref()
            .is_some_and(|bridge| bridge.callee == key)
        {
            self.disconnect(core);
        }
        if let Some(dial) = &mut self.dial {
            dial.outcomes.push(outcome);
            dial.legs.retain(|leg| *leg != key);
            if dial.winner == Some(key) {
                dial.winner = None;
                dial.ready = false;
                if reason != DialReason::ScreenedOut {
                    dial.next = dial.plan.targets.len();
                }
            }
        }
        self.check_dial(core);
    }

    /// Goes on with the next target, or says that all is over.
    fn check_dial(&mut self, core: &mut Core) {
        while let Some(dial) = &mut self.dial {
            if !dial.legs.is_empty() {
                return;
            }
            if dial.next < dial.plan.targets.len() {
                self.call_next(core);
                continue;
            }
            let outcomes = std::mem::take(&mut dial.outcomes);
            self.dial = None;
            self.tell(CALLER, Event::DialEnded(outcomes));
        }
    }

    /// Status callbacks of a callee's leg.
    fn stage(&mut self, core: &mut Core, key: u32, stage: LegStage) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = &mut leg.callee else {
            return;
        };
        if let Some(request) = callee
            .callbacks
            .as_mut()
            .and_then(|callbacks| callbacks.on(stage))
        {
            call_back(core, &leg.tag, &callee.context, request);
        }
    }
}

/// All headers of a message as the webhook client takes them.
pub(crate) fn header_list(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    headers
        .iter()
        .map(|header| (text(header.name), header.unfolded().into_owned()))
        .collect()
}

fn x_headers(headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let is_x = |name: &str| {
        name.get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
    };
    headers
        .iter()
        .filter(|(name, _)| is_x(name))
        .cloned()
        .collect()
}

fn ended_status(outcome: &DialOutcome) -> CallStatus {
    match dial_call_status(outcome) {
        "busy" => CallStatus::Busy,
        "canceled" => CallStatus::Canceled,
        "no-answer" => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// The Route to the outbound proxy.
fn outbound_route(core: &Core) -> Bytes {
    let uri = core.settings.outbound_proxy.clone().unwrap_or_default();
    let loose = Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.params.has(b"lr"));
    Bytes::from(if loose {
        format!("<{uri}>")
    } else {
        format!("<{uri};lr>")
    })
}

/// A text as the user part of a SIP URI (RFC 3261 §25.1).
fn escape_user(text: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'&')
        .remove(b'=')
        .remove(b'+')
        .remove(b'$')
        .remove(b',')
        .remove(b'/');
    percent_encoding::utf8_percent_encode(text, PLAIN).to_string()
}

/// The address in a From or To value, as webhooks are told it.
pub(crate) fn shown_uri(value: &[u8]) -> String {
    let value = sip::unfold(value);
    match NameAddr::parse(&value) {
        Ok(parsed) => String::from_utf8_lossy(parsed.uri).into_owned(),
        Err(_) => String::from_utf8_lossy(&value).into_owned(),
    }
}

/// The address of a source as text in the headers of the proxy: `ip:port`, or the address alone.
pub(crate) fn source_ip(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let socket = text
        .parse::<std::net::SocketAddr>()
        .map(|socket| socket.ip());
    socket.or_else(|_| text.parse()).ok()
}
