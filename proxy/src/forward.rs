//! The edits that forwarding makes to a message (RFC 3261 §16.4, §16.6, §18.2.1): pure functions.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sip::{EditError, HeaderName, Headers, NameAddr, Request, Transport, Uri, Via};
use smallvec::SmallVec;
use transport::{Destination, Flow};

use crate::plan::Plan;
use crate::token::{self, Token};

/// Text built for one header.
pub(crate) type Text = SmallVec<[u8; 256]>;

/// Writes where the request came from into its top Via (§18.2.1, RFC 3581 §4).
///
/// A `received` or `rport` value that the sender wrote itself is replaced.
pub(crate) fn note_source(request: &mut Request, source: SocketAddr) -> Result<(), EditError> {
    let Some(first) = request.headers.list(HeaderName::Via).next() else {
        return Ok(());
    };
    let Ok(via) = Via::parse(first) else {
        return Ok(());
    };
    let ip = source.ip().to_canonical();
    let asks = via.rport().is_some();
    let forged = via.params.has(b"received");
    if !asks && !forged && sip::host_ip(via.host) == Some(ip) {
        return Ok(());
    }
    let mut value = Text::new();
    let head = first.len() - via.params.as_bytes().len();
    let head = sip::unfold(first.get(..head).unwrap_or_default()).into_owned();
    value.extend_from_slice(sip::trim(head.strip_suffix(b";").unwrap_or(&head)));
    for (name, param) in via.params.iter() {
        if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
            continue;
        }
        value.push(b';');
        value.extend_from_slice(name);
        if let Some(param) = param {
            value.push(b'=');
            value.extend_from_slice(param);
        }
    }
    // Writing to a vector cannot fail.
    drop(write!(value, ";received={ip}"));
    if asks {
        drop(write!(value, ";rport={}", source.port()));
    }
    request.headers.replace_first(HeaderName::Via, &value)
}

/// Where the response to a request from `source` goes over UDP (§18.2.2, RFC 3581 §4).
pub(crate) fn response_address(request: &Request, source: SocketAddr) -> SocketAddr {
    let via = request.headers.list(HeaderName::Via).next();
    match via.and_then(|value| Via::parse(value).ok()) {
        Some(via) if via.rport().is_none() => {
            let port = via.port.unwrap_or_else(|| Transport::Udp.default_port());
            SocketAddr::new(source.ip(), port)
        }
        _ => source,
    }
}

/// Where the response to `request` goes (§18.2.2).
pub(crate) fn reply_destination(flow: &Flow, request: &Request) -> Destination {
    let mut destination = flow.reply();
    if flow.transport == Transport::Udp {
        destination.remote = response_address(request, flow.remote);
    }
    destination
}

/// What the Route headers said about us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnRoute {
    /// No Route of ours was on top.
    Absent,
    /// A token of ours that was not signed by us, or not for this call.
    Forged,
    /// A Route of ours without a token, as an outbound proxy is configured.
    Plain,
    /// A dialog that we record-routed.
    Dialog(Token),
}

/// Takes our own values off the top of Route (§16.4), both of a double Record-Route (RFC 5658).
pub(crate) fn pop_own_routes(
    request: &mut Request,
    plan: &Plan,
    local: SocketAddr,
) -> Result<OwnRoute, EditError> {
    undo_strict_route(request, plan, local)?;
    let mut found = OwnRoute::Absent;
    let mut stands_in = false;
    for _ in 0..OWN_ROUTES_MAX {
        let (own, here) = match request.headers.list(HeaderName::Route).next() {
            None => break,
            Some(value) => own_route(value, request, plan, local),
        };
        match own {
            OwnRoute::Absent => break,
            OwnRoute::Forged => return Ok(OwnRoute::Forged),
            OwnRoute::Plain if found == OwnRoute::Absent => found = OwnRoute::Plain,
            OwnRoute::Plain => {}
            // A node of our cluster may stand in for another: then both values are the other's. Else
            // a neighbour that signs with our key is a hop of its own.
            OwnRoute::Dialog(_) if found == OwnRoute::Absent => (found, stands_in) = (own, !here),
            OwnRoute::Dialog(_) if !here && (!stands_in || own != found) => break,
            OwnRoute::Dialog(_) => found = own,
        }
        request.headers.pop_first(HeaderName::Route)?;
    }
    Ok(found)
}

/// What a Route value says about us, and whether it names a socket of this process.
fn own_route(value: &[u8], request: &Request, plan: &Plan, local: SocketAddr) -> (OwnRoute, bool) {
    match NameAddr::parse(value).and_then(|value| value.uri()) {
        Ok(uri) => own_uri(&uri, &request.headers, plan, local),
        Err(_) => (OwnRoute::Absent, false),
    }
}

fn own_uri(uri: &Uri<'_>, headers: &Headers, plan: &Plan, local: SocketAddr) -> (OwnRoute, bool) {
    let call_id = headers.first(HeaderName::CallId).unwrap_or_default();
    let here = uri.is_sip() && plan.is_own(uri.host, uri.port, local);
    let signed = uri.params.value(token::PARAM);
    let own = match signed.map(|text| plan.token_key.read(text, call_id)) {
        Some(Some(token)) => OwnRoute::Dialog(token),
        Some(None) if here => OwnRoute::Forged,
        None if here => OwnRoute::Plain,
        _ => OwnRoute::Absent,
    };
    (own, here)
}

/// §16.4: a strict router put our Record-Route value into the Request-URI; the last Route value is
/// the real one.
fn undo_strict_route(
    request: &mut Request,
    plan: &Plan,
    local: SocketAddr,
) -> Result<(), EditError> {
    let is_ours = match request.uri() {
        Ok(uri) if uri.params.has(b"lr") => {
            matches!(
                own_uri(&uri, &request.headers, plan, local),
                (OwnRoute::Dialog(_), _)
            )
        }
        _ => false,
    };
    if !is_ours {
        return Ok(());
    }
    let ours = Text::from_slice(request.uri_bytes());
    let mut values: SmallVec<[Text; 4]> = request
        .headers
        .list(HeaderName::Route)
        .map(Text::from_slice)
        .collect();
    let Some(last) = values.pop() else {
        return Ok(());
    };
    let Ok(target) = NameAddr::parse(&last) else {
        return Ok(());
    };
    request.set_uri(target.uri)?;
    request.headers.remove(b"Route");
    let mut own = Text::new();
    own.push(b'<');
    own.extend_from_slice(&ours);
    own.push(b'>');
    request.headers.append(b"Route", &own)?;
    for value in &values {
        request.headers.append(b"Route", value)?;
    }
    Ok(())
}

/// The URI that decides the next hop: the top Route, else the Request-URI. A strict router on top
/// gets the Request-URI, and ours goes to the end of Route (§16.6 step 6).
pub(crate) fn next_hop(request: &mut Request) -> Result<Bytes, EditError> {
    let top = request.headers.list(HeaderName::Route).next();
    let Some(top) = top.and_then(|value| NameAddr::parse(value).ok()) else {
        return Ok(Bytes::copy_from_slice(request.uri_bytes()));
    };
    let hop = Bytes::copy_from_slice(top.uri);
    let loose = top.uri().is_ok_and(|uri| uri.params.has(b"lr"));
    if !loose {
        let mut end = Text::new();
        end.push(b'<');
        end.extend_from_slice(request.uri_bytes());
        end.push(b'>');
        request.headers.append(b"Route", &end)?;
        request.headers.pop_first(HeaderName::Route)?;
        let target = Text::from_slice(&hop);
        request.set_uri(&target)?;
    }
    Ok(hop)
}

/// Takes one from Max-Forwards, or adds 70 (§16.6 step 3). `false` where none is left.
pub(crate) fn count_hop(request: &mut Request) -> Result<bool, EditError> {
    let left = match request.headers.first(HeaderName::MaxForwards) {
        None => {
            request
                .headers
                .insert_before(HeaderName::From, b"Max-Forwards", b"70")?;
            return Ok(true);
        }
        Some(value) => sip::number(value).unwrap_or(70).min(255),
    };
    if left == 0 {
        return Ok(false);
    }
    let mut value: SmallVec<[u8; 4]> = SmallVec::new();
    sip::push_number(&mut value, u64::from(left - 1));
    request.headers.set(b"Max-Forwards", &value)?;
    Ok(true)
}

/// The text of a Via value of ours. `;rport` asks for symmetric responses (RFC 3581).
pub(crate) fn via(transport: Transport, sent_by: &SentBy, branch: &[u8]) -> Text {
    let mut value = Text::new();
    value.extend_from_slice(b"SIP/2.0/");
    value.extend_from_slice(transport.as_str().as_bytes());
    value.push(b' ');
    sent_by.push(&mut value);
    if transport == Transport::Udp {
        value.extend_from_slice(b";rport");
    }
    value.extend_from_slice(b";branch=");
    value.extend_from_slice(branch);
    value
}

/// The text of a Record-Route value of ours (§16.6 step 4).
pub(crate) fn record_route(transport: Transport, sent_by: &SentBy, token: &[u8]) -> Text {
    let mut value = Text::new();
    value.extend_from_slice(b"<sip:");
    sent_by.push(&mut value);
    if transport != Transport::Udp {
        value.extend_from_slice(b";transport=");
        value.extend_from_slice(transport.param().as_bytes());
    }
    value.extend_from_slice(b";lr;");
    value.extend_from_slice(token::PARAM);
    value.push(b'=');
    value.extend_from_slice(token);
    value.push(b'>');
    value
}

/// Host and port that Via and Record-Route show for a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentBy {
    /// What the configuration advertises.
    Advertised(String, u16),
    /// The address itself.
    Bound(IpAddr, u16),
}

impl SentBy {
    fn push(&self, out: &mut Text) {
        // Writing to a vector cannot fail.
        let written = match self {
            Self::Advertised(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Advertised(host, port) => write!(out, "{host}:{port}"),
            Self::Bound(ip, port) => write!(out, "{}", SocketAddr::new(*ip, *port)),
        };
        drop(written);
    }
}

/// `uri` with `user` in it where it has none: a trunk target without a user part gets the number
/// that was dialled. Its headers are left out (§19.1.1, Table 1).
pub(crate) fn target_uri(uri: &Uri<'_>, dialled: Option<&[u8]>) -> Bytes {
    let plain = uri.without_headers();
    let (None, Some(user)) = (uri.user, dialled) else {
        return Bytes::copy_from_slice(plain);
    };
    let scheme_end = memchr::memchr(b':', plain).map_or(0, |at| at + 1);
    let (scheme, rest) = plain.split_at(scheme_end);
    Bytes::from([scheme, user, b"@", rest].concat())
}

/// The Request-URI without its headers, where it has some (§19.1.1, Table 1).
pub(crate) fn clean_uri(request: &Request) -> Option<Bytes> {
    let uri = request.uri().ok()?;
    uri.headers?;
    Some(Bytes::copy_from_slice(uri.without_headers()))
}

/// A message on a stream must say where it ends (§18.3, §20.14).
pub(crate) fn require_length(headers: &mut Headers, transport: Transport) -> Result<(), EditError> {
    if !transport.is_reliable() || headers.first(HeaderName::ContentLength).is_some() {
        return Ok(());
    }
    let mut digits = Text::new();
    sip::push_number(&mut digits, headers.body().len() as u64);
    headers.append(b"Content-Length", &digits)
}

/// Own Route values on top at most: two of a double Record-Route, and one spare.
const OWN_ROUTES_MAX: usize = 3;
