//! A request made ready for one target: its headers, the boundary that it crosses, and what names the
//! way back (RFC 3261 §16.6).

use std::net::SocketAddr;

use filters::{Branch as BranchVerdict, Reason, Trust};
use sip::{EditError, HeaderName, Request, Transport};
use transport::{Destination, Hop, ListenerId};

use crate::counters::Counters;
use crate::exchange::Arrival;
use crate::forward;
use crate::hop::{self, Wanted};
use crate::observe::Observer;
use crate::pipeline::{LocalIp, Peer, call_id, strip_reserved};
use crate::plan::Plan;
use crate::registrar::{Exit, WayBack};
use crate::router::{self, Aim, Way};
use crate::sent_by;
use crate::token::Token;

/// Makes `request` the copy for `aim` (§16.6 steps 2, 3, 5, 6), and says which hop it wants; where it
/// cannot go there, with which status.
pub(crate) fn dress(
    request: &mut Request,
    aim: &Aim,
    arrival: &mut Arrival,
    observer: &Observer,
    counters: &Counters,
) -> Result<Wanted, u16> {
    match &aim.request_uri {
        Some(uri) => request.set_uri(uri).map_err(|_| 500u16)?,
        None => {
            if let Some(uri) = forward::clean_uri(request) {
                request.set_uri(&uri).map_err(|_| 500u16)?;
            }
        }
    }
    if let Some(phone) = aim.phone.as_ref().filter(|phone| !phone.path.is_empty()) {
        // RFC 3327 §5.3: the way that the registration came is the way back.
        let placed = request.headers.prepend(b"Route", &phone.path);
        placed.map_err(|_| 513u16)?;
    }
    let mut verdict = observer.branch(&arrival.chain, request, &aim.target, &mut arrival.cx);
    if let (BranchVerdict::Send, Some(chain)) = (&verdict, &aim.chain) {
        verdict = observer.branch(chain, request, &aim.target, &mut arrival.cx);
    }
    match verdict {
        BranchVerdict::Send => {}
        BranchVerdict::Skip(Reason::FILTER_PANIC) => return Err(500),
        BranchVerdict::Skip(reason) => {
            tracing::debug!(reason = reason.0, "target skipped by a filter");
            return Err(480);
        }
    }
    cross_boundary(request, aim, arrival, counters).map_err(|_| 513u16)?;
    match forward::count_hop(request) {
        Ok(true) => {}
        Ok(false) => return Err(483),
        Err(_) => return Err(513),
    }
    let wanted = match &aim.way {
        Way::Headers(asked) => match asked {
            Some(wanted) if is_as_routed(request, aim) => Some(wanted.clone()),
            _ => forward::next_hop(request).map_err(|_| 513u16)?,
        },
        Way::Known(wanted) => Some(wanted.clone()),
        Way::Nowhere => None,
    };
    wanted.ok_or(480)
}

/// Whether the Request-URI alone still decides the next hop, and is the one of the target.
fn is_as_routed(request: &Request, aim: &Aim) -> bool {
    request.headers.first(HeaderName::Route).is_none() && request.uri_bytes() == &*aim.target.uri
}

/// Puts on `request` what names the way to `hop`: Record-Route where the dialog is to be ours, Via,
/// and on a stream its length (§16.6 steps 4, 8, 9). Says by which way; else with which status it ends.
///
/// Where a message says where it goes, it does not come back to us by that: at a socket of ours it
/// would be taken for what we send ourselves.
pub(crate) fn depart(
    request: &mut Request,
    hop: Hop,
    exit: Exit,
    arrival: &Arrival,
    branch: &[u8],
    record: Option<&Token>,
    local_ip: &LocalIp,
) -> Result<Peer, u16> {
    let plan = &arrival.plan;
    let inside = [arrival.cx.facts.trust, exit.trust] == [Trust::Internal; 2];
    if exit.named && !inside && plan.leads_home(hop, local_ip) {
        return Err(403);
    }
    let (listener_id, listener) = match &exit.way_back {
        Some(way) => plan.listener(way.listener).map(|own| (way.listener, own)),
        None => hop::egress(plan, hop, exit.trust, arrival.listener),
    }
    .ok_or(503u16)?;
    let name = hop::sent_by(listener, hop.addr, local_ip);
    let written = (|| {
        if let Some(token) = record {
            let token = plan.token_key.sign(token, call_id(&request.headers));
            // RFC 5658 §3: one value for each side, where the sides are different sockets.
            if let Some(inner) = plan
                .listener(arrival.listener)
                .filter(|_| arrival.listener != listener_id)
            {
                let facing = hop::own_address(inner, &arrival.flow);
                let value = sent_by::record_route(arrival.flow.transport, facing, &token);
                request
                    .headers
                    .insert_before(HeaderName::RecordRoute, b"Record-Route", &value)?;
            }
            let value = sent_by::record_route(hop.transport, name, &token);
            request
                .headers
                .insert_before(HeaderName::RecordRoute, b"Record-Route", &value)?;
        }
        let via = sent_by::via(hop.transport, name, branch);
        request
            .headers
            .insert_before(HeaderName::Via, b"Via", &via)?;
        forward::require_length(&mut request.headers, hop.transport)
    })();
    written.map_err(|_: EditError| 513u16)?;
    let by_address = Destination {
        transport: hop.transport,
        remote: hop.addr,
        connection: None,
        local_hint: None,
        open: true,
    };
    Ok(Peer {
        destination: exit
            .way_back
            .as_ref()
            .map_or(by_address, WayBack::destination),
        listener: listener_id,
    })
}

/// Whether `hop` is reached by TCP instead, since a request of this length is too long for a datagram
/// (§18.1.1): where the configuration says so, and has a socket for it that is trusted alike.
pub(crate) fn is_too_long(length: usize, hop: Hop, aim: &Aim, plan: &Plan) -> bool {
    if hop.transport != Transport::Udp || aim.phone.is_some() {
        return false;
    }
    let trunk = aim.target.trunk.as_ref();
    let trunk = trunk.and_then(|name| plan.trunks.get(name));
    let mtu = trunk.map_or(plan.udp_mtu, |trunk| trunk.udp_mtu);
    let is_inside = |trust: Trust| trust == Trust::Internal;
    let by_tcp = plan.egress(Transport::Tcp, hop.addr.ip(), aim.target.trust);
    mtu > 0
        && length > mtu
        && by_tcp.is_some_and(|(_, own)| is_inside(own.trust) == is_inside(aim.target.trust))
}

/// Takes off again what [`depart`] has put on `request` for a socket of `listener`.
pub(crate) fn turn_back(
    request: &mut Request,
    listener: ListenerId,
    arrival: &Arrival,
    recorded: bool,
) -> Result<(), EditError> {
    let sides = 1 + usize::from(arrival.listener != listener);
    for _ in 0..if recorded { sides } else { 0 } {
        request.headers.pop_first(HeaderName::RecordRoute)?;
    }
    request.headers.pop_first(HeaderName::Via).map(drop)
}

/// Takes reserved headers off towards the outside, and puts ours on towards an executor.
fn cross_boundary(
    request: &mut Request,
    aim: &Aim,
    arrival: &Arrival,
    counters: &Counters,
) -> Result<(), EditError> {
    let headers = &mut request.headers;
    let ends = [arrival.cx.facts.trust, aim.target.trust];
    if ends != [Trust::Internal; 2] || aim.domain.is_some() {
        // Whatever filters wrote is off as well.
        strip_reserved(headers, counters);
    } else if aim.target.trunk.is_some() {
        // It named this trunk to us, and would name one of theirs to the next proxy.
        headers.remove(router::TRUNK_HEADER);
    }
    let Some(domain) = &aim.domain else {
        return Ok(());
    };
    let (flow, facts) = (&arrival.flow, &arrival.cx.facts);
    let source = SocketAddr::new(flow.remote.ip().to_canonical(), flow.remote.port()).to_string();
    let ruri =
        sip::Uri::parse(&arrival.ruri).map_or(&arrival.ruri[..], |uri| uri.without_headers());
    headers.append(b"X-Hookswitch-Source", source.as_bytes())?;
    headers.append(b"X-Hookswitch-Transport", flow.transport.param().as_bytes())?;
    headers.append(b"X-Hookswitch-Domain", domain.name.as_bytes())?;
    headers.append(b"X-Hookswitch-Request-Uri", ruri)?;
    if let Some(trunk) = &facts.trunk {
        headers.append(router::TRUNK_HEADER, trunk.name.as_bytes())?;
    }
    if let Some(user) = &facts.identity {
        headers.append(b"X-Hookswitch-Username", user.as_bytes())?;
    }
    Ok(())
}
