//! The edits that forwarding makes to a message (RFC 3261 §16.4, §16.6, §18.2.1): pure functions.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::{
    EditError, HeaderName, HeaderSet, Headers, NameAddr, Request, ServerKey, Transport, Uri, Via,
};
use smallvec::SmallVec;
use transport::{Destination, Flow};

use crate::hop::{self, Wanted};
use crate::pipeline::LocalIp;
use crate::plan::Plan;
use crate::sent_by::{Text, push_ip};
use crate::token::{self, Token};

/// What the top Via of a request says of its sender: read once, before anything is edited.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// The branch, and behind it `host[:port]`.
    text: SmallVec<[u8; 96]>,
    branch: usize,
    /// The port that a response goes to over UDP; that of the source where absent (RFC 3581).
    port: Option<u16>,
    /// Whether it says by itself where it is.
    received: bool,
}

impl Sender {
    fn of(via: &Via<'_>) -> Self {
        let (mut branch, mut rport, mut received) = (None, None, None);
        for (name, value) in via.params.iter() {
            let first = match name {
                _ if is(name, b"branch") => &mut branch,
                _ if is(name, b"rport") => &mut rport,
                _ if is(name, b"received") => &mut received,
                _ => continue,
            };
            first.get_or_insert(value);
        }
        let branch = branch.flatten().unwrap_or_default();
        let mut text = SmallVec::from_slice(branch);
        text.extend_from_slice(via.sent_by);
        let default = Transport::Udp.default_port();
        Self {
            text,
            branch: branch.len(),
            port: rport.is_none().then(|| via.port.unwrap_or(default)),
            received: received.is_some(),
        }
    }

    /// The key of the transaction of `request`, whose sender this is.
    pub(crate) fn key<'a>(&'a self, request: &'a Request) -> Option<ServerKey<'a>> {
        let (branch, sent_by) = self.text.split_at_checked(self.branch)?;
        ServerKey::with_cookie(branch, sent_by, request.method_bytes())
            .or_else(|| ServerKey::of(request))
    }

    /// Where the response to a request on `flow` goes (§18.2.2).
    pub(crate) fn destination(&self, flow: &Flow) -> Destination {
        let mut destination = flow.reply();
        if flow.transport == Transport::Udp
            && let Some(port) = self.port
        {
            destination.remote.set_port(port);
        }
        destination
    }
}

/// Whether a parameter has the name `known`.
fn is<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    name.len() == N && (name == known || name.eq_ignore_ascii_case(known))
}

/// Writes where the request came from into its top Via (§18.2.1, RFC 3581 §4), and says what the
/// rest of it says.
///
/// A `received` or `rport` value that the sender wrote itself is replaced.
pub(crate) fn note_source(request: &mut Request, source: SocketAddr) -> Result<Sender, EditError> {
    let Some(first) = request.headers.top(HeaderName::Via) else {
        return Ok(Sender::default());
    };
    let Ok(via) = Via::parse(first) else {
        return Ok(Sender::default());
    };
    let sender = Sender::of(&via);
    let ip = source.ip().to_canonical();
    let asks = sender.port.is_none();
    if !asks && !sender.received && sip::host_ip(via.host) == Some(ip) {
        return Ok(sender);
    }
    let mut value = Text::new();
    let head = first.len() - via.params.as_bytes().len();
    let head = sip::unfold(first.get(..head).unwrap_or_default());
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
    value.extend_from_slice(b";received=");
    push_ip(&mut value, ip);
    if asks {
        value.extend_from_slice(b";rport=");
        sip::push_number(&mut value, source.port().into());
    }
    request.headers.replace_first(HeaderName::Via, &value)?;
    Ok(sender)
}

/// Where the response to `request` goes (§18.2.2), which may be no request that we take.
pub(crate) fn reply_destination(flow: &Flow, request: &Request) -> Destination {
    let via = request.headers.top(HeaderName::Via);
    let via = via.and_then(|value| Via::parse(value).ok());
    let sender = via.map(|via| Sender::of(&via)).unwrap_or_default();
    sender.destination(flow)
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
    local_ip: &LocalIp,
) -> Result<OwnRoute, EditError> {
    // Without one there is nothing to take off, and none that a strict router could have put last.
    if request.headers.first(HeaderName::Route).is_none() {
        return Ok(OwnRoute::Absent);
    }
    undo_strict_route(request, plan, local)?;
    let mut found = OwnRoute::Absent;
    let mut stands_in = false;
    for _ in 0..OWN_ROUTES_MAX {
        let Some((row, route)) = request.headers.among(ROUTE).next() else {
            break;
        };
        let written = written_route(route.value, &request.headers, plan);
        let (own, here) = match written {
            Some(token) => (OwnRoute::Dialog(token), true),
            None => match request.headers.top(HeaderName::Route) {
                None => break,
                Some(value) => own_route(value, request, plan, local, local_ip),
            },
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
        match written {
            Some(_) => request.headers.remove_at(row),
            None => drop(request.headers.pop_first(HeaderName::Route)?),
        }
    }
    Ok(found)
}

/// The token of a row of Route that is, byte for byte, a Record-Route value that a socket of ours writes:
/// nearly all senders give it back as they got it.
fn written_route(row: &[u8], headers: &Headers, plan: &Plan) -> Option<Token> {
    let mut names = plan.listeners.iter().filter_map(|own| own.fixed.as_ref());
    let text = names.find_map(|fixed| fixed.token(row))?;
    let call_id = headers.first(HeaderName::CallId).unwrap_or_default();
    plan.token_key.read(text, call_id)
}

/// What a Route value says about us, and whether it names a socket of this process.
fn own_route(
    value: &[u8],
    request: &Request,
    plan: &Plan,
    local: SocketAddr,
    local_ip: &LocalIp,
) -> (OwnRoute, bool) {
    let Ok(uri) = NameAddr::parse(value).and_then(|value| value.uri()) else {
        return (OwnRoute::Absent, false);
    };
    match own_uri(&uri, &request.headers, plan, local) {
        // A socket that is bound to all addresses is called otherwise on the other side.
        (own @ OwnRoute::Dialog(_), false) => {
            let wanted = hop::wanted_by(&uri, uri.ip());
            let home = matches!(wanted, Some(Wanted::Hop(hop)) if plan.leads_home(hop, local_ip));
            (own, home)
        }
        own => own,
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
    if !names(request.uri_bytes(), token::PARAM) {
        return Ok(());
    }
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

/// Whether `name=` stands in a URI, in any case: without it there is no such parameter, and nothing to
/// read.
pub(crate) fn names(uri: &[u8], name: &[u8]) -> bool {
    memchr::memchr_iter(b'=', uri).any(|at| {
        let before = uri.get(..at).unwrap_or_default();
        let start = before.len().saturating_sub(name.len());
        before
            .get(start..)
            .is_some_and(|before| before.eq_ignore_ascii_case(name))
    })
}

/// What the URI asks for that decides the next hop: the top Route, else the Request-URI; `None` where
/// it names none. A strict router on top gets the Request-URI, and ours goes to the end of Route
/// (§16.6 step 6).
pub(crate) fn next_hop(request: &mut Request) -> Result<Option<Wanted>, EditError> {
    let route = request.headers.top(HeaderName::Route);
    let Some(top) = route.and_then(|value| NameAddr::parse(value).ok()) else {
        return Ok(hop::wanted(request.uri_bytes()));
    };
    let uri = top.uri().ok();
    let wanted = uri.and_then(|uri| hop::wanted_by(&uri, uri.ip()));
    let loose = uri.is_some_and(|uri| uri.params.has(b"lr"));
    if !loose {
        let target = Text::from_slice(top.uri);
        let mut end = Text::new();
        end.push(b'<');
        end.extend_from_slice(request.uri_bytes());
        end.push(b'>');
        request.headers.append(b"Route", &end)?;
        request.headers.pop_first(HeaderName::Route)?;
        request.set_uri(&target)?;
    }
    Ok(wanted)
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
    // Headers begin at a question mark, and hardly any URI has one.
    memchr::memchr(b'?', request.uri_bytes())?;
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

const ROUTE: HeaderSet = HeaderSet::of(&[HeaderName::Route]);
/// Own Route values on top at most: two of a double Record-Route, and one spare.
const OWN_ROUTES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use filters::Trust;
    use sip::{Limits, Message};

    use super::*;
    use crate::config::Loader;
    use crate::token::Side;

    const CONFIG: &str = r#"
        [[listen]]
        name = "a"
        socket = "udp:192.0.2.1:5060"
        chain = "c"
        [[listen]]
        name = "b"
        socket = "tcp:0.0.0.0:5060"
        advertise = "edge.example:5080"
        chain = "c"
        [[listen]]
        name = "c"
        socket = "udp:0.0.0.0:5070"
        chain = "c"
        [[chain]]
        name = "c"
    "#;

    fn plan() -> Arc<Plan> {
        let loader = Loader {
            registry: Arc::new(filters::Registry::builtin()),
            counters: Arc::default(),
            entropy: [1; 32],
        };
        let settings = loader.parse("test.toml", CONFIG);
        settings.unwrap_or_else(|errors| panic!("{errors}")).plan
    }

    fn request(routes: &str) -> Request {
        let text = format!("BYE sip:b@h SIP/2.0\r\nCall-ID: 1\r\n{routes}\r\n\r\n");
        match sip::parse(text.into(), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("no request: {other:?}"),
        }
    }

    /// What [`written_route`] reads, [`own_route`] reads alike.
    #[test]
    fn routes_as_we_write_them() {
        let plan = plan();
        let side = Side {
            trust: Trust::Untrusted,
            trunk: 0,
            by_flow: false,
        };
        let token = Token {
            caller_tag: 7,
            chain: 8,
            caller: side,
            callee: side,
        };
        let [good, other] = [b"1", b"2"].map(|call| plan.token_key.sign(&token, call));
        let [good, other] = [good, other].map(|text| String::from_utf8(text.into()).unwrap());
        let (local, local_ip): (_, LocalIp) = (
            "192.0.2.1:5060".parse().unwrap(),
            Box::new(|_| [192, 0, 2, 1].into()),
        );
        let mut quick = 0;
        for address in [
            "192.0.2.1:5060",
            "192.0.2.1:5070",
            "192.0.2.9:5060",
            "edge.example:5080;transport=tcp",
            "EDGE.example:5080;transport=tcp",
            "edge.example:5080",
            "a@192.0.2.1:5060",
        ] {
            for params in ["lr;hs=", "lr;hs=x;hs=", "LR;hs=", "hs="] {
                for (text, signed) in [(&good, true), (&other, false)] {
                    for end in ["", ";x=1", "?a=b"] {
                        for behind in ["", ";y", ", <sip:h;lr>", "\r\nRoute: <sip:h;lr>"] {
                            let value = format!("<sip:{address};{params}{text}{end}>");
                            let mut request = request(&format!("Route: {value}{behind}"));
                            let slow =
                                own_route(value.as_bytes(), &request, &plan, local, &local_ip);
                            let row = request.headers.first(HeaderName::Route).unwrap();
                            if let Some(read) = written_route(row, &request.headers, &plan) {
                                quick += 1;
                                assert!(signed);
                                assert_eq!(slow, (OwnRoute::Dialog(read), true), "{value}");
                            }
                            let left = pop_own_routes(&mut request, &plan, local, &local_ip);
                            let left = left.unwrap();
                            assert_eq!(left, slow.0, "{value}");
                        }
                    }
                }
            }
        }
        // Two names that are fixed; the row ends behind the value.
        assert_eq!(quick, 2 * 2);
    }
}
