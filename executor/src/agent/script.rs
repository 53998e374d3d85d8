//! The run of a leg, with what it has under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sip::Instant;

use crate::ErrorCode;
use crate::gauges::{Gauges, Held};
use crate::observer::{CallEvent, WebhookReply, WebhookRequest};
use crate::run::{Run, TimerKind};
use crate::task::Task;
use crate::webhook::{self, CallContext, FetchError, FetchId, Reply};

use super::core::Core;
use super::journal::{Journal, LegTag};
use super::timer::Timer;
use super::{LegKey, Mail};

/// A run and the world that it sees.
pub(crate) struct Script {
    pub(crate) run: Run,
    pub(crate) context: Arc<CallContext>,
    pub(crate) began: Instant,
    pub(crate) timers: HashMap<TimerKind, Timer>,
    fetches: HashMap<FetchId, Task>,
    /// Gone with the run, for those who outlive it.
    pub(crate) alive: Arc<()>,
}

impl Script {
    pub(crate) fn new(run: Run, context: Arc<CallContext>, began: Instant) -> Self {
        Self {
            run,
            context,
            began,
            timers: HashMap::new(),
            fetches: HashMap::new(),
            alive: Arc::new(()),
        }
    }

    /// Makes a request; its end comes as [`Mail::Fetched`].
    pub(crate) fn fetch(
        &mut self,
        core: &Core,
        leg: LegKey,
        tag: &LegTag,
        request: webhook::Request,
    ) {
        let id = request.id;
        core.journal.record(tag, requested(&request));
        let (client, context) = (core.webhook.clone(), Arc::clone(&self.context));
        let (mailbox, journal, tag) = (core.mailbox.clone(), core.journal.clone(), tag.clone());
        let task = Task::spawn(&core.gauges, async move {
            let result = client.fetch(&request, &context).await;
            journal.record(&tag, replied(&request, &result));
            // A closed mailbox means that the user agent is gone.
            mailbox
                .send(Mail::Fetched(leg, id, Box::new(result)))
                .await
                .ok();
        });
        self.fetches.insert(id, task);
    }

    /// Drops a request.
    pub(crate) fn abort(&mut self, id: FetchId) {
        self.fetches.remove(&id);
    }
}

/// Makes requests whose answers nobody waits for, also after the end of the call.
#[derive(Clone)]
pub(crate) struct Teller {
    client: webhook::Client,
    context: Arc<CallContext>,
    pub(crate) journal: Journal,
    pub(crate) tag: LegTag,
    gauges: Arc<Gauges>,
    under_way_max: usize,
}

impl Teller {
    pub(crate) fn new(core: &Core, tag: &LegTag, context: &Arc<CallContext>) -> Self {
        Self {
            client: core.webhook.clone(),
            context: Arc::clone(context),
            journal: core.journal.clone(),
            tag: tag.clone(),
            gauges: Arc::clone(&core.gauges),
            under_way_max: core.settings.limits.status_callbacks,
        }
    }

    /// Begins a request. It is made by what is returned; `None`: too many are under way.
    pub(crate) fn begin(self, request: webhook::Request) -> Option<impl Future<Output = ()>> {
        let running = self.gauges.status_callbacks.load(Ordering::Relaxed);
        if running >= self.under_way_max {
            let text = "status callback dropped: too many are under way";
            self.journal
                .notice(&self.tag, ErrorCode::STATUS_CALLBACK, text);
            return None;
        }
        let held = Held::new(&self.gauges, |gauges| &gauges.status_callbacks, 1);
        self.journal.record(&self.tag, requested(&request));
        Some(async move {
            let _held = held;
            let failed = self.client.status_callback(&request, &self.context).await;
            if let Some(warning) = failed {
                self.journal.record(&self.tag, CallEvent::Notice(warning));
            }
        })
    }
}

/// Makes a request whose answer nobody waits for, also after the end of the call.
pub(crate) fn call_back(
    core: &Core,
    tag: &LegTag,
    context: &Arc<CallContext>,
    request: webhook::Request,
) {
    if let Some(telling) = Teller::new(core, tag, context).begin(request) {
        Task::spawn(&core.gauges, telling).detach();
    }
}

fn requested(request: &webhook::Request) -> CallEvent {
    CallEvent::WebhookRequested(Arc::new(WebhookRequest {
        id: request.id,
        purpose: request.purpose,
        method: request.method,
        url: webhook::shown(&request.url),
        call_status: request.call_status,
        params: request.params.clone(),
    }))
}

fn replied(request: &webhook::Request, result: &Result<Reply, FetchError>) -> CallEvent {
    let (id, purpose) = (request.id, request.purpose);
    CallEvent::WebhookReplied(Arc::new(match result {
        Ok(reply) => WebhookReply {
            id,
            purpose,
            exchange: reply.exchange.clone(),
            content_type: reply.content_type.clone(),
            body: reply.body.slice(..reply.body.len().min(BODY_MAX)),
            warnings: reply.warnings.clone(),
            error: None,
        },
        Err(error) => WebhookReply {
            id,
            purpose,
            exchange: error.exchange.clone(),
            content_type: None,
            body: bytes::Bytes::new(),
            warnings: error.warnings.clone(),
            error: Some((error.code, error.detail.clone())),
        },
    }))
}

/// Bytes of a body that are told at most.
const BODY_MAX: usize = 64 * 1024;
