//! The filters of one listener or trunk in order, and the walk over them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use sip::{Method, Request, Response};

use crate::counters::Counts;
use crate::trace::{Observe, Shown, Unobserved};
use crate::{
    Branch, Context, Counters, Filter, Flow, Hook, Hooks, Outcome, Reason, Relay, Reply, Resume,
    Target, Trace,
};

/// A chain as configured.
///
/// A filter that panics costs its own transaction a 500 and nothing more.
pub struct Chain {
    /// Tells chains apart in [`Progress`]; never 0.
    id: u32,
    name: Box<str>,
    links: Box<[Link]>,
}

struct Link {
    filter: Box<dyn Filter>,
    /// The hooks that it is called at.
    hooks: Hooks,
    name: &'static str,
    counts: Counts,
}

/// How far an exchange has come, kept in its [`Context`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The chain whose `on_request` hooks ran; 0 for none.
    chain: u32,
    /// How many of them.
    ran: u16,
    /// Whether `on_done` ran.
    done: bool,
}

impl Chain {
    /// A chain of `filters`, first to last, that counts refusals in `counters`.
    pub fn new(
        name: &str,
        filters: Vec<(&'static str, Box<dyn Filter>)>,
        counters: &Counters,
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let link = |(name, filter): (_, Box<dyn Filter>)| Link {
            hooks: filter.hooks(),
            filter,
            name,
            counts: counters.filter(name, &[]),
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed).max(1),
            name: name.into(),
            links: filters.into_iter().take(LINKS_MAX).map(link).collect(),
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether it has no filter.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The names of its filters in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|link| link.name)
    }

    /// Runs `on_request` of every filter, until one decides otherwise than to go on.
    pub fn request(&self, request: &mut Request, cx: &mut Context) -> Flow {
        self.start(cx);
        self.walk_request(None, request, cx, &mut Unobserved)
    }

    /// [`Chain::request`], with a record of what each filter did.
    pub fn request_traced(
        &self,
        request: &mut Request,
        cx: &mut Context,
        trace: &mut Trace<'_>,
    ) -> Flow {
        self.start(cx);
        self.walk_request(None, request, cx, trace)
    }

    /// Goes on after a [`Flow::Wait`]: the filter that waited first, then those behind it.
    pub fn resume(&self, resume: Resume, request: &mut Request, cx: &mut Context) -> Flow {
        self.walk_request(Some(resume), request, cx, &mut Unobserved)
    }

    /// [`Chain::resume`], with a record of what each filter did.
    pub fn resume_traced(
        &self,
        resume: Resume,
        request: &mut Request,
        cx: &mut Context,
        trace: &mut Trace<'_>,
    ) -> Flow {
        self.walk_request(Some(resume), request, cx, trace)
    }

    /// The time of a [`Flow::Wait`] is over: refuses the request (RFC 3261 §21.5.5).
    pub fn expire(&self, cx: &mut Context) -> Flow {
        let reply = Reply::new(504, "Server Time-out", Reason::WAIT_TIMEOUT);
        self.settle(Flow::Reply(reply), cx)
    }

    /// Runs `on_branch` of every filter on the copy of the request that goes to `target`.
    pub fn branch(&self, request: &mut Request, target: &Target, cx: &mut Context) -> Branch {
        self.walk_branch(request, target, cx, &mut Unobserved)
    }

    /// [`Chain::branch`], with a record of what each filter did.
    pub fn branch_traced(
        &self,
        request: &mut Request,
        target: &Target,
        cx: &mut Context,
        trace: &mut Trace<'_>,
    ) -> Branch {
        self.walk_branch(request, target, cx, trace)
    }

    /// Runs `on_response` in reverse order: of the filters whose `on_request` ran where this is the
    /// chain that had the request, of all of them where it is another one, such as a trunk's.
    ///
    /// `target` is who answered; `None` where we did.
    pub fn response(
        &self,
        response: &mut Response,
        target: Option<&Target>,
        cx: &mut Context,
    ) -> Relay {
        self.walk_response(response, target, cx, &mut Unobserved)
    }

    /// [`Chain::response`], with a record of what each filter did.
    pub fn response_traced(
        &self,
        response: &mut Response,
        target: Option<&Target>,
        cx: &mut Context,
        trace: &mut Trace<'_>,
    ) -> Relay {
        self.walk_response(response, target, cx, trace)
    }

    /// Runs `on_done` of every filter whose `on_request` ran; a second call does nothing.
    pub fn done(&self, outcome: &Outcome<'_>, cx: &mut Context) {
        if cx.progress.chain != self.id || std::mem::replace(&mut cx.progress.done, true) {
            return;
        }
        let ran = self.links.iter().take(cx.progress.ran.into());
        let mut rest = ran.clone();
        // One filter's panic must not keep the next one from being told.
        while rest.len() > 0 {
            let mut last = None;
            let walk = AssertUnwindSafe(|| {
                for link in rest.by_ref() {
                    if !link.hooks.contains(Hooks::DONE) {
                        continue;
                    }
                    last = Some(link);
                    link.filter.on_done(outcome, cx);
                }
            });
            if let Err(panic) = catch_unwind(walk) {
                self.panicked(last, &panic);
            }
        }
    }

    fn start(&self, cx: &mut Context) {
        cx.target = None;
        cx.progress = Progress {
            chain: self.id,
            ran: 0,
            done: false,
        };
    }

    #[inline]
    fn walk_request<O: Observe>(
        &self,
        resume: Option<Resume>,
        request: &mut Request,
        cx: &mut Context,
        observer: &mut O,
    ) -> Flow {
        debug_assert_eq!(cx.progress.chain, self.id, "resumed on another chain");
        // A `Flow` has room for a reply, so it is dear to move about and to drop: what is no
        // decision is forgotten where it stands.
        let mut decided = Flow::Continue;
        let walk = AssertUnwindSafe(|| {
            if let Some(resume) = resume {
                let name = self
                    .link_before(cx.progress.ran)
                    .map_or("", |link| link.name);
                observer.enter(Shown::Request(request));
                let flow = resume(request, cx);
                observer.leave(name, Hook::Request, Shown::Request(request), &flow);
                if !matches!(flow, Flow::Continue) {
                    decided = flow;
                    return true;
                }
            }
            let ran = usize::from(cx.progress.ran);
            for (index, link) in self.links.iter().enumerate().skip(ran) {
                if !O::SEES_ALL && !link.hooks.contains(Hooks::REQUEST) {
                    continue;
                }
                cx.progress.ran = index as u16 + 1;
                observer.enter(Shown::Request(request));
                let flow = link.filter.on_request(request, cx);
                observer.leave(link.name, Hook::Request, Shown::Request(request), &flow);
                if !matches!(flow, Flow::Continue) {
                    decided = flow;
                    return true;
                }
                std::mem::forget(flow);
            }
            cx.progress.ran = self.links.len() as u16;
            false
        });
        match catch_unwind(walk) {
            Ok(false) => {
                std::mem::forget(decided);
                Flow::Continue
            }
            Ok(true) => self.settle(decided, cx),
            Err(panic) => {
                let link = self.link_before(cx.progress.ran);
                self.panicked(link, &panic);
                observer.panicked(link.map_or("", |link| link.name), Hook::Request);
                let reply = Reply::new(500, "Server Internal Error", Reason::FILTER_PANIC);
                refuse(reply, cx)
            }
        }
    }

    fn walk_branch<O: Observe>(
        &self,
        request: &mut Request,
        target: &Target,
        cx: &mut Context,
        observer: &mut O,
    ) -> Branch {
        cx.aim_at(Some(target));
        let mut last = None;
        let walk = AssertUnwindSafe(|| {
            for link in &self.links {
                if !O::SEES_ALL && !link.hooks.contains(Hooks::BRANCH) {
                    continue;
                }
                last = Some(link);
                observer.enter(Shown::Request(request));
                let branch = link.filter.on_branch(request, target, cx);
                observer.leave(link.name, Hook::Branch, Shown::Request(request), &branch);
                if let Branch::Skip(reason) = branch {
                    link.counts.add(reason);
                    return branch;
                }
            }
            Branch::Send
        });
        catch_unwind(walk).unwrap_or_else(|panic| {
            self.panicked(last, &panic);
            observer.panicked(last.map_or("", |link| link.name), Hook::Branch);
            Branch::Skip(Reason::FILTER_PANIC)
        })
    }

    fn walk_response<O: Observe>(
        &self,
        response: &mut Response,
        target: Option<&Target>,
        cx: &mut Context,
        observer: &mut O,
    ) -> Relay {
        cx.aim_at(target);
        let count = match cx.progress {
            Progress { chain, ran, .. } if chain == self.id => usize::from(ran),
            _ => self.links.len(),
        };
        let mut last = None;
        let walk = AssertUnwindSafe(|| {
            for link in self.links.iter().take(count).rev() {
                if !O::SEES_ALL && !link.hooks.contains(Hooks::RESPONSE) {
                    continue;
                }
                last = Some(link);
                observer.enter(Shown::Response(response));
                let relay = link.filter.on_response(response, cx);
                observer.leave(link.name, Hook::Response, Shown::Response(response), &relay);
                if let Relay::Drop(reason) = relay {
                    link.counts.add(reason);
                    return relay;
                }
            }
            Relay::Forward
        });
        catch_unwind(walk).unwrap_or_else(|panic| {
            self.panicked(last, &panic);
            observer.panicked(last.map_or("", |link| link.name), Hook::Response);
            Relay::Drop(Reason::FILTER_PANIC)
        })
    }

    /// Counts a refusal.
    fn settle(&self, flow: Flow, cx: &Context) -> Flow {
        let count = |reason| {
            let counts = self.link_before(cx.progress.ran).map(|link| &link.counts);
            counts.map(|counts| counts.add(reason));
        };
        match flow {
            Flow::Continue | Flow::Wait(_) => flow,
            Flow::Drop(reason) => {
                count(reason);
                flow
            }
            Flow::Reply(reply) => {
                count(reply.cause);
                refuse(reply, cx)
            }
        }
    }

    fn link_before(&self, ran: u16) -> Option<&Link> {
        self.links.get(usize::from(ran).checked_sub(1)?)
    }

    #[cold]
    fn panicked(&self, link: Option<&Link>, panic: &(dyn Any + Send)) {
        let Some(link) = link else { return };
        if link.counts.add_and_sample(Reason::FILTER_PANIC) {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(
                chain = &*self.name,
                filter = link.name,
                panic = text.unwrap_or("?"),
                "a filter panicked"
            );
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.debug_struct("Chain")
            .field("name", &self.name)
            .field("filters", &names)
            .finish_non_exhaustive()
    }
}

/// An ACK is never answered (RFC 3261 §17): what would be a reply drops it.
fn refuse(reply: Reply, cx: &Context) -> Flow {
    if cx.facts.method == Method::Ack {
        Flow::Drop(reply.cause)
    } else {
        Flow::Reply(reply)
    }
}

/// Filters that a chain may have at most.
pub(crate) const LINKS_MAX: usize = 1024;
