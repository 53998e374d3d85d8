//! The contract: what a filter may do, and when.

use sip::{Request, Response};

use crate::{Branch, Context, Flow, Hooks, Outcome, Relay, Target};

/// One element of a chain; every hook does nothing unless it is written.
///
/// Hooks are synchronous and shared by all workers, so a filter keeps what belongs to one exchange
/// in [`Context::facts`] and never in itself. Hooks see each other's edits.
///
/// ```text
///  request ─► on_request 1 ─► on_request 2 ─► router ─► on_branch 1 ─► on_branch 2 ─► target
///  source  ◄─ on_response 1 ◄─ on_response 2 ◄───────────────────────────────────────  target
///             on_done 1, on_done 2: once, when the exchange is over
/// ```
pub trait Filter: Send + Sync + 'static {
    /// A request has come in; runs in the configured order, before the router.
    fn on_request(&self, request: &mut Request, cx: &mut Context) -> Flow {
        let _ = (request, cx);
        Flow::Continue
    }

    /// The request is about to go to `target`; runs once a target, on that branch's copy.
    fn on_branch(&self, request: &mut Request, target: &Target, cx: &mut Context) -> Branch {
        let _ = (request, target, cx);
        Branch::Send
    }

    /// A response is about to go back; runs in reverse order.
    fn on_response(&self, response: &mut Response, cx: &mut Context) -> Relay {
        let _ = (response, cx);
        Relay::Forward
    }

    /// The exchange is over; runs exactly once for every filter whose `on_request` ran.
    fn on_done(&self, outcome: &Outcome<'_>, cx: &mut Context) {
        let _ = (outcome, cx);
    }

    /// The hooks that are written; the others need not be called.
    ///
    /// Asked once, when the chain is made. All of them unless this is written too, so that a filter
    /// may leave it out; what is told saves a call a message.
    fn hooks(&self) -> Hooks {
        Hooks::ALL
    }
}
