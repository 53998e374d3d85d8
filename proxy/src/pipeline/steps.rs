//! Steps that requests with and without an exchange have in common.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use filters::{Context, Relay, Trust};
use sip::{HeaderName, Headers, Instant, Request, Response};
use transport::{Flow, Hop, ListenerId};

use super::Peer;
use crate::console::{CallEvent, CallLog, Peer as LogPeer};
use crate::counters::Counters;
use crate::exchange::{Arrival, Exchange};
use crate::forward::{self, OwnRoute};
use crate::loops::hex;
use crate::observe::{self, Observer};
use crate::refusal::Refusal;
use crate::registrar::Exit;
use crate::router::Aim;
use crate::token::{Side, Token, name_hash};

/// A response of our own to a request that its chain has seen: the filters see it on its way back,
/// but it is ours to send, so none can keep it.
pub(super) fn own_response(
    request: &Request,
    refusal: &Refusal,
    arrival: &mut Arrival,
    observer: &Observer,
    counters: &Counters,
) -> Response {
    let tag = hex(arrival.plan.loop_hash.tag_of(request));
    let mut response = refusal.response(request, &tag);
    if let Relay::Drop(_) = observer.response(&arrival.chain, &mut response, None, &mut arrival.cx)
    {
        response = refusal.response(request, &tag);
    }
    if arrival.cx.facts.trust != Trust::Internal {
        strip_reserved(&mut response.headers, counters);
    }
    response
}

/// Tells the chain of a request without an exchange that it is over.
pub(super) fn tell_done(
    request: &Request,
    arrival: &mut Arrival,
    status: u16,
    cause: &'static str,
    now: Instant,
) {
    let told = (
        request.method_bytes(),
        call_id(&request.headers),
        &*arrival.ruri,
    );
    let outcome = observe::outcome(told, status, None, cause, now - arrival.at);
    arrival.chain.done(&outcome, &mut arrival.cx);
}

/// RFC 5393 §4.2: the same request, routed the same way again.
pub(super) fn is_loop(request: &Request, arrival: &Arrival) -> bool {
    let (plan, local) = (&arrival.plan, arrival.flow.local);
    let own = |via: &sip::Via<'_>| plan.is_own(via.host, via.port, local);
    plan.loop_hash.is_loop(request, arrival.loop_hash, own)
}

/// The token of the dialog that this attempt may form, or of the one that it is in.
pub(super) fn token_of(exchange: &Exchange, index: usize) -> Option<Token> {
    let (arrival, facts) = (&exchange.arrival, &exchange.arrival.cx.facts);
    if !facts.record_route || !exchange.method.forms_dialog() {
        return None;
    }
    if let OwnRoute::Dialog(token) = arrival.own_route
        && facts.in_dialog
    {
        return Some(token);
    }
    let target = &exchange.branches[index].aim.target;
    let trunk = |name: Option<&Arc<str>>| name.map_or(0, |name| name_hash(name));
    Some(Token {
        caller_tag: exchange.caller_tag,
        chain: name_hash(arrival.chain.name()),
        caller: Side {
            trust: facts.trust,
            trunk: trunk(facts.trunk.as_ref().map(|trunk| &trunk.name)),
            by_flow: facts.identity.is_some(),
        },
        callee: Side {
            trust: target.trust,
            trunk: trunk(target.trunk.as_ref()),
            by_flow: exchange.branches[index].aim.shown_way().is_some(),
        },
    })
}

/// Whether `listener` stands for a connection that is opened to `exit`, and so for whatever comes by
/// it: whom a message names is trusted no further than its sender.
pub(super) fn stands_for(exit: Exit, listener: ListenerId, arrival: &Arrival) -> bool {
    let believed = match exit.named {
        true => exit.trust.min(arrival.cx.facts.trust),
        false => exit.trust,
    };
    let listener = arrival.plan.listener(listener);
    listener.is_some_and(|listener| listener.trust <= believed)
}

/// Strips a request whose sender turned out to be trusted less than its listener.
pub(super) fn strip_if_distrusted(request: &mut Request, cx: &Context, counters: &Counters) {
    if cx.source.trust == Trust::Internal && cx.facts.trust != Trust::Internal {
        strip_reserved(&mut request.headers, counters);
    }
}

/// Takes reserved headers off, and counts them.
pub(crate) fn strip_reserved(headers: &mut Headers, counters: &Counters) {
    let stripped = filters::reserved::strip(headers);
    if stripped > 0 {
        counters
            .reserved_stripped
            .fetch_add(stripped as u64, Relaxed);
    }
}

/// Where the response to `request` goes.
pub(super) fn reply_peer(flow: &Flow, request: &Request) -> Peer {
    Peer {
        destination: forward::reply_destination(flow, request),
        listener: flow.listener,
    }
}

pub(super) fn has_to_tag(request: &Request) -> bool {
    let to = request.headers.first(HeaderName::To);
    // Who writes an empty one means none.
    to.and_then(sip::tag_of).is_some_and(|tag| !tag.is_empty())
}

/// Shows what happened to the call that `headers` are of, where calls are shown at all.
pub(super) fn show(log: &CallLog, headers: &Headers, event: impl FnOnce() -> CallEvent) {
    if log.enabled() {
        log.record_with(call_id(headers), event);
    }
}

pub(super) fn log_peer(aim: &Aim, hop: Hop) -> LogPeer {
    let peer = LogPeer::new(hop.transport, hop.addr);
    match (&aim.domain, &aim.target.trunk) {
        (Some(_), _) => peer.named("executor"),
        (None, Some(trunk)) => peer.named(trunk.clone()),
        (None, None) => peer,
    }
}

/// The Call-ID; empty where there is none.
pub(crate) fn call_id(headers: &Headers) -> &[u8] {
    headers.first(HeaderName::CallId).unwrap_or_default()
}
