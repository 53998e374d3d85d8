//! Getting documents, and what happens without one.

use crate::twiml::Document;
use crate::webhook::{CallStatus, FetchError, FetchId, Hook, Purpose, Reply, Request, shown};
use crate::{ErrorCode, Warning};

use super::phase::Phase;
use super::{Action, FetchFailed, Leg, Run};

impl Run {
    /// Makes a request whose reply becomes the document.
    pub(super) fn fetch(&mut self, purpose: Purpose, hook: Hook, params: Vec<(String, String)>) {
        let id = self.next_fetch_id();
        let call_status = self.call_status();
        let (url, method) = (hook.url.clone(), hook.method);
        self.act(Action::Fetch(Box::new(Request {
            id,
            url,
            method,
            purpose,
            call_status,
            params,
        })));
        self.phase = Phase::Fetching { id, purpose, hook };
    }

    pub(super) fn fetched(&mut self, id: FetchId, result: Result<Reply, FetchError>) {
        if self.awaits_refer(id) {
            return self.refer_fetched(result);
        }
        let hook = match &self.phase {
            Phase::Fetching {
                id: awaited, hook, ..
            } if *awaited == id => hook.clone(),
            _ => return,
        };
        self.phase = Phase::Idle;
        match result {
            Ok(reply) => self.take_reply(reply, &hook),
            Err(error) => {
                self.report(error.warnings);
                self.fail(error.code, error.detail, &hook);
            }
        }
    }

    pub(super) fn take_reply(&mut self, reply: Reply, hook: &Hook) {
        self.report(reply.warnings);
        if self.leg == Leg::Ended {
            self.trace("document", "not run: the call is over");
            return self.conclude();
        }
        match Document::parse(&reply.body, reply.content_type.as_deref()) {
            Ok((mut document, warnings)) => {
                self.report(warnings);
                if self.stay.is_some() {
                    document.take_off_hangup();
                }
                self.base = reply.url;
                self.idle_documents += 1;
                if self.idle_documents > self.settings.limits.redirects_max + 1 {
                    return self.too_many_documents(hook);
                }
                self.run_document(document);
            }
            Err(error) => {
                let failed = Warning::from(error);
                self.act(Action::Warn(failed.clone()));
                self.recover(failed.code, hook);
            }
        }
    }

    fn report(&mut self, warnings: Vec<Warning>) {
        for warning in warnings {
            self.act(Action::Warn(warning));
        }
    }

    /// A fatal error: it is reported, then the fallback is asked.
    pub(super) fn fail(&mut self, code: ErrorCode, message: impl Into<String>, failed: &Hook) {
        self.act(Action::Warn(Warning::new(code, message)));
        self.recover(code, failed);
    }

    /// Asks the fallback, once in a row; without one the call ends as configured.
    fn recover(&mut self, code: ErrorCode, failed: &Hook) {
        if self.leg == Leg::Ended {
            return self.conclude();
        }
        if self.stay.is_some() {
            return self.stay_failed();
        }
        if self.trial_failed(503) {
            return;
        }
        match self.settings.fallback.clone() {
            Some(fallback) if !self.fallback_used => {
                self.fallback_used = true;
                let params = vec![
                    ("ErrorCode".to_owned(), code.to_string()),
                    ("ErrorUrl".to_owned(), shown(&failed.url)),
                ];
                self.fetch(Purpose::Fallback, fallback, params);
            }
            _ => self.give_up(code),
        }
    }

    /// Neither the URL nor the fallback gave a document.
    fn give_up(&mut self, code: ErrorCode) {
        if self.screening {
            // A callee whose screening failed is not connected: nothing fails open.
            return self.hang_up();
        }
        match (self.leg, self.settings.fetch_failed) {
            (Leg::Unanswered, FetchFailed::Reject) if is_retrieval(code) => {
                self.reject_with(503, "Service Unavailable", CallStatus::Failed);
            }
            (Leg::Unanswered, FetchFailed::Reject) => {
                self.reject_with(500, "Server Internal Error", CallStatus::Failed);
            }
            (_, FetchFailed::Reject) => self.hang_up(),
            (_, FetchFailed::Announce) => self.run_document(announcement()),
        }
    }

    /// Documents that only point at each other. Before the answer the caller hears a SIP failure.
    fn too_many_documents(&mut self, hook: &Hook) {
        let limit = self.settings.limits.redirects_max;
        let message = format!("{limit} redirects in a row");
        if self.stay.is_some() || self.trial.is_some() {
            self.idle_documents = 0;
            return self.fail(ErrorCode::DOCUMENTS_MANY, message, hook);
        }
        if self.settings.fallback.is_some() && !self.fallback_used {
            self.idle_documents = 0;
            return self.fail(ErrorCode::DOCUMENTS_MANY, message, hook);
        }
        self.warn(ErrorCode::DOCUMENTS_MANY, message);
        match self.leg {
            Leg::Unanswered => self.give_up_unanswered("only redirects came"),
            _ => self.give_up(ErrorCode::DOCUMENTS_MANY),
        }
    }
}

/// Whether nothing was fetched, as opposed to something broken.
fn is_retrieval(code: ErrorCode) -> bool {
    (11_100..11_750).contains(&code.number())
}

/// What the caller hears when there is no document to run.
fn announcement() -> Document {
    Document::speak("We are sorry. An application error has occurred. Goodbye.")
}
