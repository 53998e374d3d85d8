//! Where a request goes (RFC 3261 §16.5): the rules of the file, domains, dialogs.

use std::sync::Arc;

use bytes::Bytes;
use filters::{Chain, Facts, Target, Trust};
use sip::{HeaderName, Instant, Method, Request, Uri};
use smallvec::SmallVec;

use crate::exchange::{AIMS_MAX, Arrival};
use crate::forward::{self, OwnRoute};
use crate::hop::{self, Wanted};
use crate::pipeline::call_id;
use crate::plan::{Domain, Plan, Reroute, Route, RouteTo, StaticTarget, Trunk};
use crate::random::Random;
use crate::registrar::{Exit, Location, WayBack};
use crate::route_index::Asked;
use crate::token::{Side, Token, tag_hash};

/// One place to send the request to.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    /// What the filters are told.
    pub(crate) target: Target,
    /// The Request-URI that it gets; its own where absent.
    pub(crate) request_uri: Option<Bytes>,
    /// What decides the next hop.
    pub(crate) way: Way,
    /// Which answers lead to the next aim.
    pub(crate) reroute: Reroute,
    /// The chain of the trunk that it leaves by.
    pub(crate) chain: Option<Arc<Chain>>,
    /// The domain, on the way to an executor.
    pub(crate) domain: Option<Arc<Domain>>,
    /// The way back to a phone.
    pub(crate) phone: Option<Box<Phone>>,
}

/// How a phone is reached that has registered, or that a dialog is with.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    /// Its flow.
    pub(crate) way_back: WayBack,
    /// The proxies in between (RFC 3327), as a Route has them.
    pub(crate) path: Bytes,
}

impl Aim {
    /// How a request to it leaves.
    pub(crate) fn exit(&self) -> Exit {
        Exit {
            trust: self.target.trust,
            way_back: self.phone.as_ref().map(|phone| phone.way_back),
            named: self.phone.is_some() || matches!(self.way, Way::Headers(_)),
        }
    }

    /// The flow that the Contact of its answers is to hold: where no proxy stands in between.
    pub(crate) fn shown_way(&self) -> Option<WayBack> {
        let phone = self.phone.as_ref().filter(|phone| phone.path.is_empty())?;
        Some(phone.way_back)
    }
}

/// The way to a target.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// The top Route, else the Request-URI, as they stand when the request leaves; with what the URI of the
    /// target asks for, where that is known.
    Headers(Option<Wanted>),
    /// A hop that is known before.
    Known(Wanted),
    /// None: the URI of the target names no hop.
    Nowhere,
}

impl Way {
    /// The way that `uri` names.
    pub(crate) fn of(uri: &[u8]) -> Self {
        hop::wanted(uri).map_or(Self::Nowhere, Self::Known)
    }
}

/// Aims in the order of trying.
pub(crate) type Aims = SmallVec<[Aim; 1]>;

/// What the router decided.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Try these.
    Forward(Aims),
    /// The request is for this proxy itself.
    Own,
    /// It is for the registrar of this domain.
    Register(Arc<Domain>),
    /// Refuse, with the word for logs and counters.
    Refuse(u16, &'static str, &'static str),
}

/// Decides where the request of `arrival` goes.
pub(crate) fn route(
    request: &Request,
    arrival: &Arrival,
    location: &Location,
    random: &mut Random,
    now: Instant,
) -> Decision {
    let (plan, facts, local) = (&*arrival.plan, &arrival.cx.facts, arrival.flow.local);
    let routed = request.headers.first(HeaderName::Route).is_some();
    let uri = request.uri();
    let ip = uri.ok().and_then(|uri| uri.ip());
    let own_host = |uri: &Uri<'_>| plan.is_own_at(uri.host, ip, uri.port, local);
    let mut trust = facts.trust;
    if let OwnRoute::Dialog(token) = arrival.own_route
        && facts.in_dialog
    {
        let other = match arrival.from_caller {
            true => token.callee,
            false => token.caller,
        };
        if routed || !uri.is_ok_and(|uri| own_host(&uri)) {
            let target = uri.map_or_else(|_| request.uri_bytes(), |uri| uri.without_headers());
            let (way, asked) = match routed {
                true => (None, None),
                false => (
                    WayBack::take(target, plan, call_id(&request.headers)),
                    // A name is read again when it is looked up.
                    uri.ok()
                        .filter(|_| ip.is_some())
                        .and_then(|uri| hop::wanted_by(&uri, ip)),
                ),
            };
            return forward_to(dialog(target, way, asked, (other, token.chain), arrival));
        }
        // A remote target that names us is routed like any other request: we are not a target. The
        // other side chose it, so it leads no further than what that side may ask for.
        trust = trust.min(other.trust);
    }
    let internal = trust == Trust::Internal;
    if routed && !internal {
        // A Route of somebody else would make us an open relay.
        return Decision::Refuse(403, "Forbidden", "foreign_route");
    }
    let Ok(uri) = uri else {
        return Decision::Refuse(416, "Unsupported URI Scheme", "request_uri");
    };
    if internal && let Some(trunk) = named_trunk(request, plan) {
        return match trunk {
            Some(trunk) => to_trunk(trunk, &uri, random),
            None => Decision::Refuse(404, "Not Found", "unknown_trunk"),
        };
    }
    let own_host = own_host(&uri);
    if own_host && uri.user.is_none() && request.method() == Method::Options {
        return Decision::Own;
    }
    if let Some(rule) = rule(request, &uri, (facts, trust), plan) {
        return follow(rule, &uri, random);
    }
    if request.method() == Method::Register
        && let Some(domain) = registering(request, &uri, own_host, plan)
    {
        return Decision::Register(domain.clone());
    }
    let foreign = internal && !own_host;
    match plan
        .domain(uri.host)
        .or_else(|| plan.any_domain.as_ref().filter(|_| !foreign))
    {
        Some(domain) if internal && domain.accounts.is_some() => {
            to_user(domain, &uri, location, now)
        }
        Some(domain) => to_domain(domain),
        None if foreign => forward_to(to_uri(&uri)),
        None => Decision::Refuse(404, "Not Found", "no_route"),
    }
}

fn forward_to(aim: Aim) -> Decision {
    let mut aims = Aims::new();
    aims.push(aim);
    Decision::Forward(aims)
}

/// Within a dialog the remote target decides; the token tells who is there.
fn dialog(
    target: &[u8],
    way: Option<(Vec<u8>, WayBack)>,
    asked: Option<Wanted>,
    (other, begun): (Side, u32),
    arrival: &Arrival,
) -> Aim {
    let plan = &arrival.plan;
    let trunk = plan.trunk_by_hash(other.trunk);
    // The caller's chain guards what goes to the caller, though the request ran through another.
    let guard = || {
        plan.chain_by_hash(begun)
            .filter(|_| !arrival.from_caller)
            .cloned()
    };
    let (request_uri, way_back) = way.unzip();
    Aim {
        target: Target {
            uri: Bytes::copy_from_slice(target),
            trunk: trunk.map(|trunk| trunk.name.clone()),
            trust: other.trust,
        },
        request_uri: request_uri.map(Bytes::from),
        way: match way_back {
            Some(way) => Way::Known(Wanted::Hop(way.hop)),
            None => Way::Headers(asked),
        },
        reroute: Reroute::Never,
        chain: trunk.and_then(|trunk| trunk.chain.clone()).or_else(guard),
        domain: None,
        phone: way_back.map(|way_back| {
            Box::new(Phone {
                way_back,
                path: Bytes::new(),
            })
        }),
    }
}

/// Whether the side that formed the dialog sent `request`, by its From tag.
pub(crate) fn from_caller(request: &Request, token: &Token) -> bool {
    caller_tag(request) == token.caller_tag
}

/// The hash of the From tag of `request`, as tokens have it.
pub(crate) fn caller_tag(request: &Request) -> u32 {
    let from = request.headers.first(HeaderName::From);
    tag_hash(from.and_then(sip::tag_of).unwrap_or_default())
}

/// The trunk that an internal sender asks for: `Some(None)` where there is none of that name.
fn named_trunk<'a>(request: &Request, plan: &'a Plan) -> Option<Option<&'a Arc<Trunk>>> {
    let name = request.headers.named(TRUNK_HEADER).next()?;
    let name = std::str::from_utf8(name).ok();
    Some(name.and_then(|name| plan.trunks.get(name)))
}

/// The first rule that holds.
fn rule<'a>(
    request: &Request,
    uri: &Uri<'_>,
    (facts, trust): (&Facts, Trust),
    plan: &'a Plan,
) -> Option<&'a Route> {
    let user = uri.user_decoded();
    let asked = Asked {
        user: &user,
        host: uri.host,
        trunk: facts.trunk.as_ref().map(|trunk| &*trunk.name),
    };
    let candidates = plan.route_index.candidates(&asked);
    let mut rules = candidates
        .into_iter()
        .filter_map(|at| plan.routes.get(at as usize));
    rules.find(|rule| holds(rule, request, &asked, trust))
}

fn holds(rule: &Route, request: &Request, asked: &Asked<'_>, trust: Trust) -> bool {
    let when = &rule.when;
    let any = |empty: bool, found: bool| empty || found;
    any(when.from_trust.is_empty(), when.from_trust.contains(&trust))
        && any(
            when.methods.is_empty(),
            when.methods.contains(&request.method()),
        )
        && any(
            when.from_trunk.is_empty(),
            when.from_trunk
                .iter()
                .any(|name| Some(name.as_str()) == asked.trunk),
        )
        && any(
            when.ruri_hosts.is_empty(),
            when.ruri_hosts
                .iter()
                .any(|host| sip::same_host(host.as_bytes(), asked.host)),
        )
        && when.ruri_user.as_ref().is_none_or(|pattern| {
            std::str::from_utf8(asked.user).is_ok_and(|user| pattern.is_match(user))
        })
}

fn follow(rule: &Route, uri: &Uri<'_>, random: &mut Random) -> Decision {
    match &rule.to {
        RouteTo::Domain(domain) => to_domain(domain),
        RouteTo::Ruri => forward_to(to_uri(uri)),
        RouteTo::Static(targets, trust) => Decision::Forward(
            targets
                .iter()
                .map(|target| to_static(target, *trust))
                .collect(),
        ),
        RouteTo::Trunk(trunk) => to_trunk(trunk, uri, random),
    }
}

/// The domain whose registrar a REGISTER is for: by its Request-URI, or by To where that is us.
fn registering<'a>(
    request: &Request,
    uri: &Uri<'_>,
    own_host: bool,
    plan: &'a Plan,
) -> Option<&'a Arc<Domain>> {
    let by_to = || {
        let to = request.headers.first(HeaderName::To)?;
        let to = sip::NameAddr::parse(to).ok()?.uri().ok()?;
        plan.domain(to.host).filter(|_| own_host)
    };
    let has_users = |domain: &&Arc<Domain>| domain.accounts.is_some();
    plan.domain(uri.host).or_else(by_to).filter(has_users)
}

/// The places where a user of `domain` is (§16.5): whom the phone prefers first, then the newest.
fn to_user(domain: &Domain, uri: &Uri<'_>, location: &Location, now: Instant) -> Decision {
    let name = uri.user_decoded();
    let accounts = domain.accounts.as_ref();
    let Some(account) = accounts.and_then(|accounts| accounts.get(&name)) else {
        return Decision::Refuse(404, "Not Found", "unknown_user");
    };
    let found = location.find(&format!("{}@{}", account.name(), domain.name), now);
    let aims: Aims = found
        .into_iter()
        .take(AIMS_MAX)
        .map(|binding| {
            let way_back = WayBack::of(&binding.flow, binding.flow.listener);
            Aim {
                target: Target {
                    uri: binding.contact.clone(),
                    trunk: None,
                    trust: Trust::Untrusted,
                },
                request_uri: Some(binding.contact),
                way: Way::Known(Wanted::Hop(way_back.hop)),
                reroute: Reroute::Default,
                chain: None,
                domain: None,
                phone: Some(Box::new(Phone {
                    way_back,
                    path: binding.path,
                })),
            }
        })
        .collect();
    if aims.is_empty() {
        return Decision::Refuse(480, "Temporarily Unavailable", "not_registered");
    }
    Decision::Forward(aims)
}

fn to_domain(domain: &Arc<Domain>) -> Decision {
    let aims: Aims = domain
        .executors
        .iter()
        .map(|executor| Aim {
            target: Target {
                uri: executor.clone(),
                trunk: None,
                trust: Trust::Internal,
            },
            request_uri: None,
            way: Way::of(executor),
            // A busy or broken executor is no verdict on the call: another one may take it.
            reroute: Reroute::Broken,
            chain: None,
            domain: Some(domain.clone()),
            phone: None,
        })
        .collect();
    if aims.is_empty() {
        return Decision::Refuse(503, "Service Unavailable", "no_executor");
    }
    Decision::Forward(aims)
}

/// A fixed target: with a user part it replaces the Request-URI, without one it is the next hop only.
fn to_static(target: &StaticTarget, trust: Trust) -> Aim {
    Aim {
        target: Target {
            uri: target.uri.clone(),
            trunk: None,
            trust,
        },
        request_uri: target.request_uri.clone(),
        way: target.way.clone(),
        reroute: Reroute::Default,
        chain: None,
        domain: None,
        phone: None,
    }
}

fn to_uri(uri: &Uri<'_>) -> Aim {
    Aim {
        target: Target {
            uri: Bytes::copy_from_slice(uri.raw),
            trunk: None,
            trust: Trust::Untrusted,
        },
        request_uri: None,
        way: Way::Headers(None),
        reroute: Reroute::Never,
        chain: None,
        domain: None,
        phone: None,
    }
}

/// A trunk's targets by priority and weight (RFC 2782); the dialled number where a target has no user.
fn to_trunk(trunk: &Arc<Trunk>, dialled: &Uri<'_>, random: &mut Random) -> Decision {
    let ranks: SmallVec<[(u16, u16); 10]> = trunk
        .targets
        .iter()
        .map(|target| (target.priority, target.weight))
        .collect();
    let order = transport::weighted_order(&ranks, &mut |bound| random.below(bound));
    let aims: Aims = order
        .into_iter()
        .filter_map(|index| trunk.targets.get(index))
        .take(AIMS_MAX)
        .map(|target| {
            let uri = Uri::parse(&target.uri).ok();
            Aim {
                target: Target {
                    uri: target.uri.clone(),
                    trunk: Some(trunk.name.clone()),
                    trust: trunk.trust,
                },
                request_uri: uri.map(|uri| forward::target_uri(&uri, dialled.user)),
                way: target.way.clone(),
                reroute: trunk.reroute.clone(),
                chain: trunk.chain.clone(),
                domain: None,
                phone: None,
            }
        })
        .collect();
    if aims.is_empty() {
        return Decision::Refuse(503, "Service Unavailable", "trunk_without_target");
    }
    Decision::Forward(aims)
}

/// The header by which an internal sender names the trunk that its request leaves by.
pub(crate) const TRUNK_HEADER: &[u8] = b"X-Hookswitch-Trunk";
