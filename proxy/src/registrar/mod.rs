//! The registrar (RFC 3261 §10), and who may use the domains that have users.
//!
//! ```text
//! REGISTER ─► credentials? 401 ─► its own name? 403 ─► readable? 400 ─► location table ─► 200 with all bindings
//! INVITE … to a domain with users, from outside ─► credentials? 407 ─► the webhook, as without users
//! INVITE … to a user of a domain, from internal elements ─► location table ─► all bindings of that user
//! ```
//!
//! What is known here is shared by all workers, and outlives a reload: locations, used nonces, wrong
//! guesses. Each has its bound.

mod location;
mod way_back;
mod wish;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use filters::Trust;
use sip::{HeaderName, Headers, Instant, Method, NameAddr, Request, Transport, Uri};
use transport::ConnectionId;

use crate::auth::{Accounts, Asked, Authority, Credentials, Malformed, Verdict};
use crate::counters::{Counters, count};
use crate::exchange::Arrival;
use crate::plan::{Domain, Plan};
use crate::random::Random;
use crate::refusal::{self, Refusal};
use crate::router::{self, Aims, Decision};

pub(crate) use location::{Binding, Location};
pub(crate) use way_back::{Exit, WayBack};

use location::Refused;
use wish::{Unreadable, Wish};

/// Bounds on registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bindings of all users.
    pub total: usize,
    /// Bindings of one user.
    pub per_user: usize,
    /// The shortest time that a binding lasts.
    pub shortest: Duration,
    /// The longest, and the one of a phone that asks for none.
    pub longest: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            total: 100_000,
            per_user: 10,
            shortest: Duration::from_secs(600),
            longest: Duration::from_secs(3600),
        }
    }
}

/// A binding as the console shows it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Who: `user@domain`.
    pub user: String,
    /// The URI that the phone gave.
    pub contact: Vec<u8>,
    /// Where requests really go, and by which transport.
    pub source: (Transport, std::net::SocketAddr),
    /// Its preference, in thousandths.
    pub q: u16,
    /// How long it still lasts.
    pub left: Duration,
    /// What the phone calls itself.
    pub agent: String,
}

/// Who is where, and who has shown what.
#[derive(Debug)]
pub struct Registrar {
    authority: Authority,
    pub(crate) location: Location,
    /// The last time that it was told, for those who have no clock of the core.
    told: AtomicU64,
}

/// What the step between the chain and the router works with.
pub(crate) struct Desk<'a> {
    pub(crate) registrar: &'a Registrar,
    pub(crate) random: &'a mut Random,
    pub(crate) counters: &'a Counters,
    pub(crate) now: Instant,
}

impl Registrar {
    /// One that knows nobody; its keys come from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            authority: Authority::new([random.number(), random.number()]),
            location: Location::default(),
            told: AtomicU64::new(0),
        }
    }

    /// Frees what has ended. To be called every few seconds.
    pub fn sweep(&self, now: Instant) {
        self.told.store(now.as_micros(), Relaxed);
        self.location.sweep(now);
    }

    /// Whether somebody is reached by a connection.
    pub(crate) fn reaches_by(&self, connection: ConnectionId) -> bool {
        self.location.reaches_by(connection)
    }

    /// A connection is gone, and with it whoever was reached by it.
    pub(crate) fn closed(&self, connection: ConnectionId) {
        self.location.closed(connection);
    }

    /// Users that are somewhere, and the places where they are.
    pub fn size(&self) -> (usize, usize) {
        (self.location.users(), self.location.len())
    }

    /// `most` registrations in the order of their users, as they stood at the last sweep.
    pub fn registrations(&self, most: usize) -> Vec<Registration> {
        let now = Instant::from_micros(self.told.load(Relaxed));
        let shown = self.location.shown(most, now).into_iter();
        let list = shown.map(|shown| Registration {
            user: shown.aor.to_string(),
            contact: shown.contact.to_vec(),
            source: (shown.transport, shown.source),
            q: shown.q,
            left: shown.left,
            agent: shown.agent.to_string(),
        });
        list.collect()
    }
}

impl Desk<'_> {
    /// Where a request goes.
    pub(crate) fn route(&mut self, request: &Request, arrival: &Arrival) -> Decision {
        let location = &self.registrar.location;
        router::route(request, arrival, location, self.random, self.now)
    }

    /// Lets a request on to its `aims`, or says what is to be answered: whoever comes from outside to
    /// a domain with users shows first that it is one of them.
    pub(crate) fn admit(
        &mut self,
        request: &mut Request,
        arrival: &mut Arrival,
        aims: &Aims,
    ) -> Result<(), Refusal> {
        let facts = &arrival.cx.facts;
        if facts.in_dialog {
            note_contact(request, arrival);
        } else {
            self.challenged(request, arrival, aims)?;
        }
        // §22.3: what was for us is of no use to anybody else. Phones show it in whatever they send.
        if arrival.plan.has_users && arrival.cx.facts.trust != Trust::Internal {
            keep_credentials(&mut request.headers, &arrival.plan);
        }
        Ok(())
    }

    /// Asks a request that begins something who sends it, where it has to say.
    fn challenged(
        &mut self,
        request: &mut Request,
        arrival: &mut Arrival,
        aims: &Aims,
    ) -> Result<(), Refusal> {
        let (method, facts) = (request.method(), &arrival.cx.facts);
        // Neither can be challenged (RFC 3261 §22.1).
        if facts.trust == Trust::Internal || matches!(method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let Some(domain) = guarded(request, arrival, aims) else {
            return Ok(());
        };
        let Some(accounts) = &domain.accounts else {
            return Ok(());
        };
        let trunk = facts.trunk.as_ref().map(|trunk| &*trunk.name);
        if trunk.is_some_and(|name| domain.exempt.iter().any(|exempt| **exempt == *name)) {
            return Ok(());
        }
        let name = self.identify(accounts, HeaderName::ProxyAuthorization, request, arrival)?;
        arrival.cx.facts.identity = Some(name.to_string());
        note_contact(request, arrival);
        Ok(())
    }

    /// Answers a REGISTER for `domain` (§10.3).
    pub(crate) fn register(
        &mut self,
        domain: &Domain,
        request: &Request,
        arrival: &mut Arrival,
    ) -> Refusal {
        match self.registered(domain, request, arrival) {
            Ok(answer) | Err(answer) => answer,
        }
    }

    fn registered(
        &mut self,
        domain: &Domain,
        request: &Request,
        arrival: &mut Arrival,
    ) -> Result<Refusal, Refusal> {
        let Some(accounts) = &domain.accounts else {
            return Err(Refusal::new(404, "Not Found", "no_users"));
        };
        let strange: Vec<&[u8]> = request
            .headers
            .list(HeaderName::Require)
            .filter(|option| !option.eq_ignore_ascii_case(b"path"))
            .collect();
        if !strange.is_empty() {
            let mut refusal = Refusal::new(420, "Bad Extension", "require");
            let list = strange.join(&b", "[..]);
            refusal.headers.push(("Unsupported".to_owned(), list));
            return Err(refusal);
        }
        let name = self.identify(accounts, HeaderName::Authorization, request, arrival)?;
        arrival.cx.facts.identity = Some(name.to_string());
        // Steps 4 and 5: everybody registers itself.
        if !names(request, &name, &domain.name) {
            return Err(Refusal::new(403, "Forbidden", "other_user"));
        }
        let bounds = arrival.plan.registrar;
        let mut flow = arrival.flow;
        flow.listener = arrival.listener;
        let wish = Wish::read(request, flow, &bounds)
            .map_err(|Unreadable(cause)| Refusal::new(400, "Bad Request", cause))?;
        let aor = Arc::from(format!("{name}@{}", domain.name));
        let location = &self.registrar.location;
        let list = location.change(&aor, &wish, &bounds, self.now);
        let list = list.map_err(|refused| self.refused(refused))?;
        count(&self.counters.registers);
        tracing::debug!(user = %aor, bindings = list.len(), remote = %flow.remote, "registered");
        Ok(self.listing(&list, &wish))
    }

    fn refused(&self, refused: Refused) -> Refusal {
        match refused {
            Refused::OutOfOrder => Refusal::new(500, "Server Internal Error", "register_order"),
            Refused::TooMany => {
                let mut refusal = Refusal::new(403, "Too Many Contacts", "contacts_of_user");
                let error = b"32007 Too many registered contacts for this user".to_vec();
                refusal.headers.push(("X-Twilio-Error".to_owned(), error));
                refusal
            }
            Refused::Full => {
                count(&self.counters.overload);
                refusal::overload()
            }
        }
    }

    /// Step 8: the 200 with all that is there.
    fn listing(&self, list: &[Binding], wish: &Wish) -> Refusal {
        let mut answer = Refusal::new(200, "OK", "registered");
        // A retransmission has the same answer, though its nonce is spent.
        answer.remembered = true;
        for binding in list {
            let mut value = b"<".to_vec();
            value.extend_from_slice(&binding.contact);
            let left = (binding.expires - self.now).as_millis().div_ceil(1000);
            value.extend_from_slice(format!(">;expires={left}").as_bytes());
            if binding.q < 1000 {
                value.extend_from_slice(format!(";q=0.{:03}", binding.q).as_bytes());
            }
            answer.headers.push(("Contact".to_owned(), value));
        }
        // RFC 3327 §5.3.
        if !wish.path.is_empty() {
            answer.headers.push(("Path".to_owned(), wish.path.to_vec()));
        }
        answer
    }

    /// Who sends `request`, by its credentials in `header`; else what is to be answered.
    fn identify(
        &mut self,
        accounts: &Accounts,
        header: HeaderName,
        request: &Request,
        arrival: &Arrival,
    ) -> Result<Arc<str>, Refusal> {
        let source = arrival.flow.remote.ip();
        let malformed = |Malformed| Refusal::new(400, "Bad Request", "credentials");
        let Some(credentials) = shown(header, request, accounts.realm()).map_err(malformed)? else {
            return Err(self.challenge(accounts, header, source, false));
        };
        if !fits(&credentials.uri, arrival) {
            return Err(Refusal::new(400, "Bad Request", "digest_uri"));
        }
        let asked = Asked {
            accounts,
            credentials: &credentials,
            method: request.method_bytes(),
            source,
        };
        match self.registrar.authority.check(&asked, self.now) {
            Verdict::Passed => match accounts.get(&credentials.username) {
                Some(account) => Ok(account.name().clone()),
                None => Err(self.challenge(accounts, header, source, false)),
            },
            Verdict::Stale => Err(self.challenge(accounts, header, source, true)),
            Verdict::Wrong => {
                count(&self.counters.credentials_wrong);
                let realm = accounts.realm();
                tracing::info!(%source, realm, "wrong credentials");
                Err(self.challenge(accounts, header, source, false))
            }
            Verdict::Blocked => {
                count(&self.counters.guesses_blocked);
                Err(Refusal::new(403, "Forbidden", "guesses"))
            }
        }
    }

    fn challenge(
        &mut self,
        accounts: &Accounts,
        header: HeaderName,
        source: IpAddr,
        stale: bool,
    ) -> Refusal {
        count(&self.counters.challenges);
        let (status, reason, name) = match header {
            HeaderName::Authorization => (401, "Unauthorized", "WWW-Authenticate"),
            _ => (407, "Proxy Authentication Required", "Proxy-Authenticate"),
        };
        let mut refusal = Refusal::new(status, reason, "challenge");
        let salt = self.random.number();
        let authority = &self.registrar.authority;
        let values = authority.challenges(accounts, source, stale, salt, self.now);
        let rows = values
            .into_iter()
            .map(|value| (name.to_owned(), value.into_bytes()));
        refusal.headers.extend(rows);
        refusal
    }
}

/// The domain with users that a request from outside is for, by its host or by the way it goes.
fn guarded(request: &Request, arrival: &Arrival, aims: &Aims) -> Option<Arc<Domain>> {
    if !arrival.plan.has_users {
        return None;
    }
    let uri = request.uri().ok();
    let by_host = uri.and_then(|uri| arrival.plan.domain(uri.host));
    let by_way = aims.first().and_then(|aim| aim.domain.as_ref());
    let has_users = |domain: &&Arc<Domain>| domain.accounts.is_some();
    let mut both = [by_way, by_host].into_iter().flatten();
    // A REGISTER that a rule sends elsewhere is answered there.
    let elsewhere = request.method() == Method::Register;
    both.find(has_users).filter(|_| !elsewhere).cloned()
}

/// The credentials of `request` for `realm`.
fn shown(
    header: HeaderName,
    request: &Request,
    realm: &str,
) -> Result<Option<Credentials>, Malformed> {
    for value in request.headers.all(header).take(CREDENTIALS_MAX) {
        if let Some(credentials) = Credentials::parse(value)?
            && credentials.realm == realm.as_bytes()
        {
            return Ok(Some(credentials));
        }
    }
    Ok(None)
}

/// Takes credentials for domains of ours off.
fn keep_credentials(headers: &mut Headers, plan: &Plan) {
    if headers.first(HeaderName::ProxyAuthorization).is_none() {
        return;
    }
    headers.retain(|row| row.id != HeaderName::ProxyAuthorization || !is_for_us(row.value, plan));
}

/// Whether a header holds credentials for a domain of ours, whose name is its realm.
fn is_for_us(value: &[u8], plan: &Plan) -> bool {
    let Ok(Some(credentials)) = Credentials::parse(value) else {
        return false;
    };
    let domain = plan.domain(&credentials.realm);
    domain.is_some_and(|domain| domain.accounts.is_some())
}

/// Whether the URI that was signed is the one of the request, as far as it says: elements on the way
/// may have written the Request-URI anew, and some phones sign the address of the proxy.
fn fits(signed: &[u8], arrival: &Arrival) -> bool {
    if signed == &arrival.ruri[..] {
        return true;
    }
    let (Ok(signed), Ok(asked)) = (Uri::parse(signed), Uri::parse(&arrival.ruri)) else {
        return false;
    };
    let (plan, local) = (&arrival.plan, arrival.flow.local);
    let here = sip::same_host(signed.host, asked.host)
        || plan.domain(signed.host).is_some()
        || plan.is_own(signed.host, signed.port, local);
    // Whoever signs a number calls that number only.
    let same_user = signed.user.is_none() || signed.user_decoded() == asked.user_decoded();
    here && same_user
}

/// Whether To is the user `name` of `domain`.
fn names(request: &Request, name: &str, domain: &str) -> bool {
    let to = request.headers.first(HeaderName::To);
    let to = to.and_then(|value| NameAddr::parse(value).ok());
    let uri = to.and_then(|to| to.uri().ok());
    uri.is_some_and(|uri| {
        uri.is_sip()
            && *uri.user_decoded() == *name.as_bytes()
            && sip::same_host(uri.host, domain.as_bytes())
    })
}

/// Writes the flow of a user's phone into its Contact, so that the other side of the dialog reaches
/// it: where it speaks to us itself, and not by a proxy of its own.
fn note_contact(request: &mut Request, arrival: &Arrival) {
    if arrival.cx.facts.identity.is_none() && !arrival.by_way_back() {
        return;
    }
    let headers = &mut request.headers;
    let direct = headers.list(HeaderName::Via).nth(1).is_none()
        && headers.first(HeaderName::RecordRoute).is_none();
    if direct {
        let way_back = WayBack::of(&arrival.flow, arrival.listener);
        way_back.note(headers, &arrival.plan.token_key);
    }
}

/// Credentials of one request that are looked at.
const CREDENTIALS_MAX: usize = 8;
