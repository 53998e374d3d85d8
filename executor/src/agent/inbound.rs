//! Requests that begin something, and how they are refused (RFC 3261 §8.2).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ::media::codec::Codec;
use bytes::Bytes;
use sip::{HeaderName, Method, NameAddr, Reply, Request, Scheme, ServerId, Uri};

use crate::dialog::Dialog;
use crate::gauges::Held;
use crate::observer::{CallEvent, Started};
use crate::run::{Event, Run};
use crate::sdp::{Description, Negotiation, Origin};
use crate::settings::Domain;
use crate::webhook::{CallContext, Direction, Session as HttpSession, SipContext};
use crate::{Sid, SidKind};

use super::call::{CALLER, Call, forwards};
use super::core::{Core, Incoming, InitialKey};
use super::journal::LegTag;
use super::leg::{ALLOW, Invited, Leg, PRODUCT};
use super::modify::ACCEPT;
use super::path::Path;
use super::reliable::{self, Reliable};
use super::script::Script;
use super::text::{header_list, shown_uri, source_ip};
use super::{Agent, CallKey, LegKey, body};

/// Why a request is refused.
struct Refusal {
    status: u16,
    reason: &'static str,
    header: Option<(&'static str, String)>,
}

impl Agent {
    /// A request outside of any dialog that has a transaction by now.
    pub(super) fn begin(&mut self, incoming: Incoming) {
        let Some(server) = incoming.server else {
            return;
        };
        let headers = &incoming.request.headers;
        if headers
            .first(HeaderName::To)
            .and_then(crate::dialog::tag_of)
            .is_some()
        {
            // §12.2.2: a dialog that we do not know.
            let reply = Reply::new(&incoming.request, 481, "Call/Transaction Does Not Exist");
            return self.core.refuse(server, reply);
        }
        if let Some(unsupported) = required(&incoming.request) {
            let reply = Reply::new(&incoming.request, 420, "Bad Extension");
            return self
                .core
                .refuse(server, reply.header("Unsupported", unsupported));
        }
        match incoming.request.method() {
            Method::Invite => self.invite(incoming, server),
            Method::Options if self.draining => {
                let reply = Reply::new(&incoming.request, 503, "Service Unavailable");
                self.core
                    .refuse(server, reply.header("Retry-After", RETRY_AFTER));
            }
            Method::Options => options(&mut self.core, &incoming),
            Method::Bye | Method::Info | Method::Notify | Method::Prack | Method::Update => {
                let reply = Reply::new(&incoming.request, 481, "Call/Transaction Does Not Exist");
                self.core.refuse(server, reply);
            }
            _ => not_allowed(&mut self.core, &incoming),
        }
    }

    fn invite(&mut self, incoming: Incoming, server: ServerId) {
        match self.admit(&incoming, server) {
            Ok(call) => {
                let key = call.key;
                self.calls.insert(key, call);
                self.with_call(key, |call, _| call.tell(CALLER, Event::Start));
            }
            Err(Refusal {
                status,
                reason,
                header,
            }) => {
                let mut reply = Reply::new(&incoming.request, status, reason);
                if let Some((name, value)) = header {
                    reply = reply.header(name, value);
                }
                self.core.refuse(server, reply);
            }
        }
    }

    /// Makes a call of an INVITE, or says why not.
    fn admit(&mut self, incoming: &Incoming, server: ServerId) -> Result<Call, Refusal> {
        let request = &incoming.request;
        if self.draining || self.calls.len() >= self.core.settings.limits.calls {
            return Err(Refusal::with(
                503,
                "Service Unavailable",
                "Retry-After",
                RETRY_AFTER,
            ));
        }
        let initial = InitialKey::of(request).ok_or_else(|| Refusal::new(400, "Bad Request"))?;
        if self.core.initial.contains_key(&initial) {
            // §8.2.2.2: the same request on another way.
            return Err(Refusal::new(482, "Loop Detected"));
        }
        if Uri::parse(request.uri_bytes()).is_ok_and(|uri| uri.scheme == Scheme::Other) {
            return Err(Refusal::new(416, "Unsupported URI Scheme"));
        }
        let dialled = Dialled::of(request, &incoming.flow);
        let domain = self.core.settings.domains.find(&dialled.domain);
        let domain = Arc::new(domain.ok_or_else(|| Refusal::new(404, "Not Found"))?);
        let offer = offer_of(request, &self.core.settings.codecs)?;
        if self.core.studio.is_full() {
            let seconds = RETRY_AFTER;
            return Err(Refusal::with(
                503,
                "Service Unavailable",
                "Retry-After",
                seconds,
            ));
        }
        let local_tag = Bytes::from(self.core.random.hex());
        let dialog =
            Dialog::callee(request, local_tag).map_err(|_| Refusal::new(400, "Bad Request"))?;
        Ok(self.make_call(incoming, server, initial, dialled, domain, dialog, offer))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a call, each checked by admit"
    )]
    fn make_call(
        &mut self,
        incoming: &Incoming,
        server: ServerId,
        initial: InitialKey,
        dialled: Dialled,
        domain: Arc<Domain>,
        dialog: Dialog,
        offer: Option<Description>,
    ) -> Call {
        self.last_call += 1;
        let key = CallKey(self.last_call);
        let leg_key = LegKey {
            call: key,
            leg: CALLER,
        };
        let core = &mut self.core;
        let sid = Sid::new(SidKind::Call, core.random.bytes());
        let context = Arc::new(context(sid, incoming, &dialled, &domain, &dialog));
        let call_id = String::from_utf8_lossy(&dialog.call_id).into_owned();
        let tag = LegTag {
            call: sid,
            leg: sid,
            sip_call_id: call_id.into(),
        };
        core.journal.record(
            &tag,
            CallEvent::Started(Arc::new(Started {
                direction: Direction::Inbound,
                from: context.from.clone(),
                to: context.to.clone(),
                domain: Arc::clone(&domain.name),
                source: Some(incoming.flow.remote),
            })),
        );
        core.servers.insert(server, leg_key);
        core.dialogs.insert(dialog.local_tag.clone(), leg_key);
        core.initial.insert(initial.clone(), key);
        let reliable = Reliable::of(&incoming.request, core.random.number());
        let path = Path::back(&incoming.flow);
        let origin = Origin {
            id: core.random.number() >> 2,
            version: 0,
            address: path.local.ip(),
        };
        let run = Run::new(core.settings.run(&domain));
        let negotiation = Negotiation::new(origin, core.random.key(), core.settings.secure_media);
        let account = domain.account_sid;
        let leg = Leg {
            invited: Some(Invited {
                server,
                number: crate::dialog::cseq(&incoming.request.headers).unwrap_or(0),
                request: incoming.request.clone(),
                initial: true,
                offer,
                described: None,
                offered: false,
                reliable,
                answered: None,
            }),
            script: Some(Script::new(run, Arc::clone(&context), core.now)),
            ..Leg::new(core, leg_key, account, tag, dialog, path, negotiation)
        };
        super::indialog::received(core, &leg, incoming);
        Call {
            key,
            sid,
            domain,
            host: String::from_utf8_lossy(&dialled.host).into_owned(),
            forwards: forwards(&incoming.request),
            context,
            initial: Some(initial),
            legs: BTreeMap::from([(CALLER, leg)]),
            last_leg: CALLER,
            queue: VecDeque::new(),
            events_left: core.settings.limits.events_per_call,
            finish: None,
            _held: Held::new(&core.gauges, |gauges| &gauges.calls, 1),
        }
    }
}

impl Refusal {
    fn new(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason,
            header: None,
        }
    }

    fn with(status: u16, reason: &'static str, name: &'static str, value: &str) -> Self {
        Self {
            status,
            reason,
            header: Some((name, value.to_owned())),
        }
    }
}

/// What was dialled, and by whom, as the proxy tells it or as the INVITE itself says.
struct Dialled {
    /// The Request-URI as received by the proxy.
    uri: String,
    /// Its host.
    host: Vec<u8>,
    /// The SIP domain.
    domain: Vec<u8>,
    username: Option<String>,
    source: Option<std::net::IpAddr>,
}

impl Dialled {
    fn of(request: &Request, flow: &transport::Flow) -> Self {
        let told = |name: &[u8]| {
            request
                .headers
                .named(name)
                .next()
                .map(|value| value.to_vec())
        };
        let uri = told(b"X-Hookswitch-Request-Uri").unwrap_or_else(|| request.uri_bytes().to_vec());
        let host_of = |uri: &[u8]| {
            Uri::parse(uri)
                .map(|uri| uri.host.to_vec())
                .unwrap_or_default()
        };
        let mut host = host_of(&uri);
        if host.is_empty() {
            host = host_of(request.uri_bytes());
        }
        let domain = told(b"X-Hookswitch-Domain").unwrap_or_else(|| host.clone());
        if host.is_empty() {
            host.clone_from(&domain);
        }
        let username = told(b"X-Hookswitch-Username");
        let source = told(b"X-Hookswitch-Source").and_then(|value| source_ip(&value));
        Self {
            uri: String::from_utf8_lossy(&uri).into_owned(),
            host,
            domain,
            username: username.map(|name| String::from_utf8_lossy(&name).into_owned()),
            source: source.or_else(|| Some(flow.remote.ip())),
        }
    }
}

fn context(
    sid: Sid,
    incoming: &Incoming,
    dialled: &Dialled,
    domain: &Domain,
    dialog: &Dialog,
) -> CallContext {
    let headers = &incoming.request.headers;
    CallContext {
        call_sid: sid,
        account_sid: domain.account_sid,
        auth_token: domain.auth_token.clone(),
        from: shown_uri(headers.first(HeaderName::From).unwrap_or_default()),
        to: dialled.uri.clone(),
        direction: Direction::Inbound,
        parent_call_sid: None,
        sip: SipContext {
            domain: Some(String::from_utf8_lossy(&dialled.host).into_owned()),
            domain_sid: Some(domain.sid),
            username: dialled.username.clone(),
            call_id: Some(String::from_utf8_lossy(&dialog.call_id).into_owned()),
            source_ip: dialled.source,
            headers: header_list(headers),
        },
        session: HttpSession::default(),
    }
}

/// The offer in an INVITE, if it is one that we can answer.
fn offer_of(request: &Request, codecs: &[Codec]) -> Result<Option<Description>, Refusal> {
    let unsupported = |_| Refusal::with(415, "Unsupported Media Type", "Accept", ACCEPT);
    let Some(offer) = body::description(&request.headers).map_err(unsupported)? else {
        return Ok(None);
    };
    let read =
        Description::parse(&offer).map_err(|_| Refusal::new(400, "Bad Session Description"))?;
    if Negotiation::preview(&read, codecs).is_none() {
        // RFC 3261 §20.43: what was wrong with the session.
        let warning = "305 hookswitch \"Incompatible media format\"";
        return Err(Refusal::with(
            488,
            "Not Acceptable Here",
            "Warning",
            warning,
        ));
    }
    Ok(Some(read))
}

/// Option tags that the peer insists on and we do not have: all of them (§8.2.2.3).
pub(super) fn required(request: &Request) -> Option<Vec<u8>> {
    if matches!(request.method(), Method::Ack | Method::Cancel) {
        return None;
    }
    // RFC 3262 §5: without an offer the first reliable response would have to be one, and its PRACK
    // the answer.
    let offers = request.method() == Method::Invite && !request.headers.body().is_empty();
    let ours = |tag: &&[u8]| offers && tag.eq_ignore_ascii_case(reliable::TAG.as_bytes());
    let mut tags: Vec<_> = request.headers.list(HeaderName::Require).collect();
    tags.retain(|tag| !ours(tag));
    (!tags.is_empty()).then(|| tags.join(&b", "[..]))
}

/// OPTIONS, in a dialog or out of it (§11.2).
pub(super) fn options(core: &mut Core, incoming: &Incoming) {
    let Some(server) = incoming.server else {
        return;
    };
    let contact = core.names.contact(&Path::back(&incoming.flow));
    let reply = Reply::new(&incoming.request, 200, "OK")
        .header("Contact", contact)
        .header("Allow", ALLOW)
        .header("Accept", ACCEPT)
        .header("Server", PRODUCT);
    core.refuse(server, reply);
}

/// A method that we do not take: 405, or 501 if we never heard of it (§8.2.1).
pub(super) fn not_allowed(core: &mut Core, incoming: &Incoming) {
    let Some(server) = incoming.server else {
        return;
    };
    let (status, reason) = match incoming.request.method() {
        Method::Other => (501, "Not Implemented"),
        _ => (405, "Method Not Allowed"),
    };
    core.refuse(
        server,
        Reply::new(&incoming.request, status, reason).header("Allow", ALLOW),
    );
}

/// Whether From, To and the rest can be read, as an answer needs them.
pub(super) fn to_tag(request: &Request) -> Option<Bytes> {
    let to = NameAddr::parse(request.headers.first(HeaderName::To)?).ok()?;
    to.tag().map(Bytes::copy_from_slice)
}

/// Seconds after which a refused caller may try again.
const RETRY_AFTER: &str = "5";
