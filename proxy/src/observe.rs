//! What the web page and the filters' `on_done` are told of an exchange.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use filters::{
    Branch, Chain, Context, Flow as Verdict, Hook, Outcome, Reason, Relay, Resume, Step, Target,
    Trace,
};
use sip::{HeaderName, Headers, Request, Response};
use transport::Flow;

use crate::console::{About, CallEvent, CallLog, Change, ChangeKind, FilterHook, FilterStep, Peer};
use crate::pipeline::Clock;

/// Runs hooks of a chain, and shows what each filter did where the call is recorded.
pub(crate) struct Observer {
    /// Where calls are shown.
    pub(crate) log: Arc<CallLog>,
    /// Nanoseconds of a steady clock.
    pub(crate) clock: Clock,
}

impl Observer {
    /// [`Chain::request`].
    pub(crate) fn request(
        &self,
        chain: &Chain,
        request: &mut Request,
        cx: &mut Context,
    ) -> Verdict {
        let Some(call_id) = self.wanted(&request.headers) else {
            return chain.request(request, cx);
        };
        self.traced(&call_id, chain, FilterHook::Request, |trace| {
            chain.request_traced(request, cx, trace)
        })
    }

    /// [`Chain::resume`].
    pub(crate) fn resume(
        &self,
        chain: &Chain,
        resume: Resume,
        request: &mut Request,
        cx: &mut Context,
    ) -> Verdict {
        let Some(call_id) = self.wanted(&request.headers) else {
            return chain.resume(resume, request, cx);
        };
        self.traced(&call_id, chain, FilterHook::Request, |trace| {
            chain.resume_traced(resume, request, cx, trace)
        })
    }

    /// [`Chain::branch`].
    pub(crate) fn branch(
        &self,
        chain: &Chain,
        request: &mut Request,
        target: &Target,
        cx: &mut Context,
    ) -> Branch {
        let Some(call_id) = self.wanted(&request.headers) else {
            return chain.branch(request, target, cx);
        };
        self.traced(&call_id, chain, FilterHook::Branch, |trace| {
            chain.branch_traced(request, target, cx, trace)
        })
    }

    /// [`Chain::response`].
    pub(crate) fn response(
        &self,
        chain: &Chain,
        response: &mut Response,
        target: Option<&Target>,
        cx: &mut Context,
    ) -> Relay {
        let Some(call_id) = self.wanted(&response.headers) else {
            return chain.response(response, target, cx);
        };
        self.traced(&call_id, chain, FilterHook::Response, |trace| {
            chain.response_traced(response, target, cx, trace)
        })
    }

    /// The bytes of `response`, which goes to where `flow` came from, and shows it.
    pub(crate) fn answered(&self, flow: &Flow, response: &Response) -> Bytes {
        let wire = response.to_bytes();
        let call_id = response.headers.first(HeaderName::CallId);
        self.shows_answer(flow, call_id.unwrap_or_default(), response.status(), &wire);
        wire
    }

    /// Shows that `wire`, with `status`, goes to where `flow` came from.
    pub(crate) fn shows_answer(&self, flow: &Flow, call_id: &[u8], status: u16, wire: &Bytes) {
        self.log.record_with(call_id, || CallEvent::Answered {
            to: Peer::new(flow.transport, flow.remote),
            status,
            message: wire.clone(),
        });
    }

    /// Says more about a call, where it is shown.
    pub(crate) fn describe(&self, call_id: &[u8], about: impl FnOnce() -> About) {
        if self.log.wants(call_id) {
            self.log.describe(call_id, about());
        }
    }

    fn wanted(&self, headers: &Headers) -> Option<Vec<u8>> {
        if !self.log.enabled() {
            return None;
        }
        let call_id = headers.first(HeaderName::CallId)?;
        self.log.wants(call_id).then(|| call_id.to_vec())
    }

    fn traced<T>(
        &self,
        call_id: &[u8],
        chain: &Chain,
        hook: FilterHook,
        run: impl FnOnce(&mut Trace<'_>) -> T,
    ) -> T {
        let mut clock = || (self.clock)();
        let mut trace = Trace::new(&mut clock);
        let verdict = run(&mut trace);
        let steps = trace.steps.iter().map(shown).collect();
        self.log.record(
            call_id,
            CallEvent::Filters {
                chain: Arc::from(chain.name()),
                hook,
                steps,
            },
        );
        verdict
    }
}

fn shown(step: &Step) -> FilterStep {
    debug_assert!(matches!(
        step.hook,
        Hook::Request | Hook::Branch | Hook::Response
    ));
    FilterStep {
        name: Arc::from(step.filter),
        changes: step.changes.iter().map(change).collect(),
        nanos: step.nanos,
        verdict: (step.decision != "continue").then(|| step.decision.clone()),
    }
}

fn change(change: &filters::Change) -> Change {
    use filters::Change as From;
    let text = |text: &String| Some(text.clone().into_bytes());
    let (kind, header, before, after) = match change {
        From::Added { name, value } => (ChangeKind::Added, name.as_str(), None, text(value)),
        From::Changed { name, from, to } => {
            (ChangeKind::Changed, name.as_str(), text(from), text(to))
        }
        From::Removed { name, value } => (ChangeKind::Removed, name.as_str(), text(value), None),
        From::RequestUri { from, to } => (ChangeKind::Changed, "Request-URI", text(from), text(to)),
        From::Status { from, to } => (
            ChangeKind::Changed,
            "status",
            Some(from.to_string().into_bytes()),
            Some(to.to_string().into_bytes()),
        ),
    };
    Change {
        kind,
        header: header.to_owned(),
        before,
        after,
    }
}

/// What `on_done` is told of a request.
pub(crate) fn outcome<'a>(
    (method, call_id, ruri): (&'a [u8], &'a [u8], &'a [u8]),
    status: u16,
    target: Option<&'a Target>,
    cause: &'static str,
    duration: Duration,
) -> Outcome<'a> {
    Outcome {
        status,
        method,
        call_id,
        ruri,
        target,
        duration,
        reason: (!cause.is_empty()).then_some(Reason(cause)),
    }
}
