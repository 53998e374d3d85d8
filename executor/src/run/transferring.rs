//! REFER from a party of a `<Dial>`: `referUrl` says what becomes of the other one.
//!
//! The party that sends REFER is the transferor; the document that `referUrl` answers runs on the
//! other leg, the transferee's. With `answerOnBridge` the transferor is kept until the target has
//! answered, and the two talk again if it does not (a *trial*).
//!
//! | transferor | without `answerOnBridge` | with it |
//! |---|---|---|
//! | callee | NOTIFY 200, BYE; the document runs here | parked; the document runs here |
//! | caller | NOTIFY 200, BYE; the callee's leg gets a run | waits; the callee's leg gets a run |

use std::time::Duration;

use url::Url;

use crate::ErrorCode;
use crate::twiml::{Document, Noun, Verb};
use crate::webhook::{FetchError, FetchId, Hook, Purpose, Reply, Request};

use super::phase::{Bridge, Dialling, Phase, ReferRequest};
use super::{Action, DialId, DialOutcome, Leg, Party, Run, TimerKind, TransferPlan};

/// A transfer that may fail.
#[derive(Debug)]
pub(super) enum Trial {
    /// This is the transferee's leg, which belongs to the caller's run.
    Kept,
    /// The callee is the transferor, and waits; this is what comes back after a failure.
    Parked(Box<Parked>),
}

/// A `<Dial>` whose callee is parked, and the document around it.
#[derive(Debug)]
pub(super) struct Parked {
    dialling: Dialling,
    document: Document,
    base: Url,
    cursor: usize,
    /// The callee did not wait.
    ended: Option<Vec<DialOutcome>>,
}

impl Run {
    /// REFER from one of the two who talk.
    pub(super) fn refer_requested(&mut self, by: Party, refer_to: &str) {
        let refuse = |status| Action::AnswerRefer { by, status };
        let talking = match &self.phase {
            Phase::Dialling(dialling) => {
                dialling.bridge == Bridge::Bridged
                    && dialling.refer.is_none()
                    && self.trial.is_none()
                    && !dialling.is_queue()
            }
            _ => false,
        };
        let Phase::Dialling(dialling) = &self.phase else {
            return self.act(refuse(603));
        };
        if !talking {
            return self.act(refuse(603));
        }
        let Some(link) = dialling.verb.refer.clone() else {
            let message = "a party asks for a transfer, and the <Dial> has no referUrl";
            self.warn(ErrorCode::INBOUND_REFER, message);
            return self.act(refuse(603));
        };
        let legible = !refer_to.is_empty() && !refer_to.chars().any(char::is_control);
        if !legible || refer_to.len() > REFER_TO_BYTES_MAX {
            self.trace("Dial", "a REFER with a bad Refer-To");
            return self.act(refuse(400));
        }
        let Some(hook) = self.resolve_or_warn(&link, "referUrl") else {
            return self.act(refuse(500));
        };
        self.trace("Dial", format!("a party asks for a transfer to {refer_to}"));
        self.act(Action::AnswerRefer { by, status: 202 });
        let id = self.next_fetch_id();
        let call_status = self.call_status();
        self.act(Action::Fetch(Box::new(Request {
            id,
            url: hook.url.clone(),
            method: hook.method,
            purpose: Purpose::ReferRequest,
            call_status,
            params: vec![("ReferTransferTarget".to_owned(), refer_to.to_owned())],
        })));
        if let Phase::Dialling(dialling) = &mut self.phase {
            dialling.refer = Some(ReferRequest {
                by,
                fetch: id,
                hook,
            });
        }
    }

    /// Whether a reply is what `referUrl` answers.
    pub(super) fn awaits_refer(&self, id: FetchId) -> bool {
        let Phase::Dialling(dialling) = &self.phase else {
            return false;
        };
        dialling
            .refer
            .as_ref()
            .is_some_and(|request| request.fetch == id)
    }

    /// Takes what `referUrl` answered.
    pub(super) fn refer_fetched(&mut self, result: Result<Reply, FetchError>) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        let Some(request) = dialling.refer.take() else {
            return;
        };
        let kept = dialling.verb.answer_on_bridge;
        let ReferRequest { by, hook, .. } = request;
        match (result, kept) {
            (Ok(reply), true) => self.try_transfer(by, reply, &hook),
            (Ok(reply), false) => self.transfer(by, Ok(reply), &hook),
            (Err(error), true) => {
                self.trace("Dial", format!("no transfer: {error}"));
                self.warn(error.code, error.detail);
                self.act(Action::NotifyRefer { by, status: 503 });
            }
            (Err(error), false) => self.transfer(by, Err(error), &hook),
        }
    }

    /// Without `answerOnBridge` the transferor goes at once, whatever comes of it.
    fn transfer(&mut self, by: Party, result: Result<Reply, FetchError>, hook: &Hook) {
        let status = if result.is_ok() { 200 } else { 503 };
        self.act(Action::NotifyRefer { by, status });
        match by {
            Party::Callee => {
                self.interrupt();
                match result {
                    Ok(reply) => self.take_reply(reply, hook),
                    Err(error) => self.fail(error.code, error.detail, hook),
                }
            }
            Party::Caller => {
                match result {
                    Ok(reply) => self.act(transfer_callee(reply, false)),
                    Err(error) => {
                        self.warn(error.code, error.detail);
                        self.act(Action::CancelDial);
                    }
                }
                self.callee_given_away();
                self.hang_up();
            }
        }
    }

    /// The callee's leg is no longer this run's: what is owed is its end.
    fn callee_given_away(&mut self) {
        if let Phase::Dialling(dialling) = &mut self.phase {
            dialling.bridge = Bridge::Cancelled { was_bridged: true };
        }
    }

    /// With `answerOnBridge` the transferor waits for the target.
    fn try_transfer(&mut self, by: Party, reply: Reply, hook: &Hook) {
        match by {
            Party::Caller => {
                self.act(transfer_callee(reply, true));
                self.stop_timer(TimerKind::DialLimit);
                if let Phase::Dialling(dialling) = &mut self.phase {
                    dialling.bridge = Bridge::Away;
                }
            }
            Party::Callee => {
                self.act(Action::ParkCallee);
                let phase = std::mem::replace(&mut self.phase, Phase::Idle);
                let Phase::Dialling(dialling) = phase else {
                    return;
                };
                self.stop_timer(TimerKind::DialLimit);
                self.trial = Some(Trial::Parked(Box::new(Parked {
                    dialling,
                    document: std::mem::take(&mut self.document),
                    base: self.base.clone(),
                    cursor: self.cursor,
                    ended: None,
                })));
                self.take_reply(reply, hook);
            }
        }
    }

    /// Anything but a call to somebody makes the transfer final: whom a conference holds cannot
    /// fail to answer.
    pub(super) fn trial_meets(&mut self, verb: &Verb) {
        let undecided = match verb {
            Verb::Dial(dial) => !matches!(dial.nouns.first(), Some(Noun::Conference(_))),
            Verb::Hangup | Verb::Pause(_) | Verb::Redirect(_) | Verb::Reject(_) => true,
            _ => false,
        };
        if !undecided {
            self.trial_succeeded();
        }
    }

    /// The target has answered: the transferor may go.
    pub(super) fn trial_succeeded(&mut self) {
        match self.trial.take() {
            None => {}
            Some(Trial::Kept) => self.act(Action::TransferDone(200)),
            Some(Trial::Parked(parked)) => {
                let dialling = parked.dialling;
                if parked.ended.is_none() {
                    self.owed.dial(dialling.id, dialling.teller);
                    self.act(Action::NotifyRefer {
                        by: Party::Callee,
                        status: 200,
                    });
                    self.act(Action::ReleaseCallee);
                }
            }
        }
    }

    /// The target could not be reached, as `status` says: the two talk again. `false`: there is no
    /// transfer under way.
    pub(super) fn trial_failed(&mut self, status: u16) -> bool {
        match self.trial.take() {
            None => return false,
            Some(Trial::Kept) => {
                self.trace("Dial", "the transfer failed");
                self.act(Action::TransferDone(status));
                self.close_streams();
                self.leg = Leg::Ended;
                self.finish();
            }
            Some(Trial::Parked(parked)) => self.resume(*parked, status),
        }
        true
    }

    fn resume(&mut self, parked: Parked, status: u16) {
        self.trace("Dial", "the transfer failed");
        let by = Party::Callee;
        self.document = parked.document;
        self.base = parked.base;
        self.cursor = parked.cursor;
        if let Some(outcomes) = parked.ended {
            return self.dialling_over(parked.dialling, &outcomes);
        }
        self.act(Action::NotifyRefer { by, status });
        self.act(Action::RestoreCallee);
        self.act(Action::Bridge);
        self.phase = Phase::Dialling(parked.dialling);
        self.limit_goes_on();
    }

    /// What is left of `timeLimit`.
    fn limit_goes_on(&mut self) {
        let Phase::Dialling(dialling) = &self.phase else {
            return;
        };
        let talked = dialling.bridged_at.unwrap_or(self.now);
        let used = self.now.saturating_sub(talked);
        let left = dialling.verb.time_limit.saturating_sub(used);
        self.start_timer(TimerKind::DialLimit, left.max(Duration::from_secs(1)));
    }

    /// The parked callee hung up: its recording is told now, whatever becomes of the transfer.
    /// `false`: it is another `<Dial>` that ended.
    pub(super) fn parked_ended(&mut self, id: DialId, outcomes: &[DialOutcome]) -> bool {
        let Some(Trial::Parked(parked)) = &mut self.trial else {
            return false;
        };
        if parked.dialling.id != id {
            return false;
        }
        parked.ended = Some(outcomes.to_vec());
        if let Some(teller) = parked.dialling.teller.take() {
            self.tell_dial_recording(&teller, outcomes);
        }
        true
    }

    /// Whether the recording of the parked callee is still to come.
    pub(super) fn trial_is_recorded(&self) -> bool {
        matches!(&self.trial, Some(Trial::Parked(parked)) if parked.dialling.teller.is_some())
    }

    /// The leg is over without having reached anybody. That tells the caller's run of a transferee
    /// enough.
    pub(super) fn abandon_trial(&mut self) {
        if let Some(Trial::Parked(parked)) = self.trial.take()
            && parked.ended.is_none()
        {
            let (by, status) = (Party::Callee, 487);
            self.owed.dial(parked.dialling.id, parked.dialling.teller);
            self.act(Action::NotifyRefer { by, status });
            self.act(Action::ReleaseCallee);
        }
    }

    /// The run of the transferee says how it went: what the target answered is what the transferor
    /// is told (RFC 3515 §2.4.4).
    pub(super) fn transfer_ended(&mut self, status: u16) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        if dialling.bridge != Bridge::Away {
            return;
        }
        let by = Party::Caller;
        if status < 300 {
            self.act(Action::NotifyRefer { by, status });
            self.callee_given_away();
            self.hang_up();
        } else {
            dialling.bridge = Bridge::Bridged;
            self.trace("Dial", "the transfer failed");
            self.act(Action::NotifyRefer { by, status });
            self.act(Action::Bridge);
            self.limit_goes_on();
        }
    }
}

fn transfer_callee(reply: Reply, kept: bool) -> Action {
    Action::TransferCallee(Box::new(TransferPlan { reply, kept }))
}

/// Longest Refer-To.
const REFER_TO_BYTES_MAX: usize = 256;
