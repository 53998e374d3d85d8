//! The INVITE of a callee's leg: its address, its names, its headers.

use std::sync::Arc;

use bytes::Bytes;
use sip::Uri;

use crate::dialog::Dialog;
use crate::digest::{Authorization, Digest};
use crate::gauges::Held;
use crate::observer::{CallEvent, Started};
use crate::run::{DialTarget, DialTo, LegCallbacks};
use crate::sdp::Origin;
use crate::webhook::{CallContext, Direction, SipContext};
use crate::{Sid, SidKind};

use super::LegKey;
use super::call::{CALLER, Call, own_description};
use super::callee::Callee;
use super::core::Core;
use super::journal::LegTag;
use super::leg::{InviteReason, Inviting, Leg, Referred, State};
use super::path::Path;
use super::session::Session;
use super::text::escape_user;

/// How to call a target.
struct Address {
    uri: String,
    /// `To` in webhooks.
    shown: String,
    trunk: Option<String>,
}

impl Call {
    /// Makes a leg and sends its INVITE; the leg's number.
    pub(crate) fn call(
        &mut self,
        core: &mut Core,
        target: &DialTarget,
        caller_id: Option<&str>,
    ) -> Result<u32, (u16, String)> {
        let Some(path) = core.outbound else {
            return Err((503, "no outbound proxy is configured".to_owned()));
        };
        if self.forwards <= 1 {
            return Err((483, "Max-Forwards is used up".to_owned()));
        }
        let address = self.address(core, &target.to)?;
        let key = self.add_callee(core, target, &address, caller_id, path);
        let forwards = self.forwards - 1;
        let Some(leg) = self.legs.get_mut(&key) else {
            return Err((500, "the leg is gone".to_owned()));
        };
        let headers = leg
            .callee
            .as_ref()
            .map(|callee| callee.headers.clone())
            .unwrap_or_default();
        let offered = leg
            .callee
            .as_ref()
            .and_then(|callee| callee.offered.clone());
        let body = match &offered {
            Some(heard) => Ok(leg.session.pass_on(heard)),
            None => own_description(leg, core),
        };
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        let sent = match body {
            Ok(body) => leg.invite(core, InviteReason::Call, forwards, &headers, Some(body)),
            Err(_) => false,
        };
        if sent {
            return Ok(key);
        }
        if let Some(leg) = self.legs.remove(&key) {
            core.dialogs.remove(&leg.dialog.local_tag);
        }
        Err((503, format!("{} cannot be called", address.shown)))
    }

    fn address(&self, core: &Core, to: &DialTo) -> Result<Address, (u16, String)> {
        let unusable = |uri: &str| (400, format!("{uri} is no SIP URI"));
        let address = match to {
            DialTo::Sip(uri) => Address {
                uri: uri.clone(),
                shown: uri.clone(),
                trunk: None,
            },
            DialTo::Client(identity) => {
                let uri = format!("sip:{}@{}", escape_user(identity), self.home());
                Address {
                    uri,
                    shown: format!("client:{identity}"),
                    trunk: None,
                }
            }
            DialTo::Number(number) => {
                let Some(trunk) = core.settings.dial_trunk.clone() else {
                    return Err((503, "no trunk for numbers is configured".to_owned()));
                };
                let host_like =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                let host = if trunk.bytes().all(host_like) {
                    &*trunk
                } else {
                    self.home()
                };
                let uri = format!("sip:{}@{host}", escape_user(number));
                Address {
                    uri,
                    shown: number.clone(),
                    trunk: Some(trunk),
                }
            }
        };
        match Uri::parse(address.uri.as_bytes()) {
            Ok(uri) if uri.is_sip() && uri.headers.is_none() => Ok(address),
            _ => Err(unusable(&address.uri)),
        }
    }

    /// The host of what we call ourselves: the domain's name.
    fn home(&self) -> &str {
        if &*self.domain.name == "*" {
            &self.host
        } else {
            &self.domain.name
        }
    }

    fn add_callee(
        &mut self,
        core: &mut Core,
        target: &DialTarget,
        address: &Address,
        caller_id: Option<&str>,
        path: Path,
    ) -> u32 {
        self.last_leg += 1;
        let key = LegKey {
            call: self.key,
            leg: self.last_leg,
        };
        let sid = Sid::new(SidKind::Call, core.random.bytes());
        let call_id = core.random.hex();
        let local_tag = Bytes::from(core.random.hex());
        let (user, shown_from) = self.caller_name(caller_id);
        let from = format!("sip:{}@{}", escape_user(&user), self.home());
        let routes = vec![outbound_route(core)];
        let dialog = Dialog::caller(
            Bytes::from(call_id.clone()),
            &from,
            &address.uri,
            local_tag.clone(),
            routes,
        );
        core.dialogs.insert(local_tag, key);
        let context = Arc::new(self.callee_context(sid, shown_from, &address.shown, &call_id));
        let tag = LegTag {
            call: self.sid,
            leg: sid,
            sip_call_id: call_id.into(),
        };
        core.journal.record(
            &tag,
            CallEvent::Started(Arc::new(Started {
                direction: Direction::OutboundDial,
                from: context.from.clone(),
                to: context.to.clone(),
                domain: Arc::clone(&self.domain.name),
                source: None,
            })),
        );
        let caller = self
            .legs
            .get(&CALLER)
            .and_then(|caller| caller.session.heard.clone());
        // A callee who is to hear a document first talks to us first.
        let offered = caller.filter(|_| target.screening.is_none());
        let callee = Callee {
            digest: target.credentials.clone().map(Digest::new),
            over: false,
            bridged: false,
            rang: false,
            early: None,
            offered,
            answered_at: None,
            ringing: None,
            callbacks: target.status_callback.clone().map(LegCallbacks::new),
            screening: target.screening.clone(),
            context,
            headers: self.callee_headers(target, address, sid),
            code: None,
            answer_headers: Vec::new(),
        };
        let origin = Origin {
            id: core.random.number() >> 2,
            version: 0,
            address: path.local.ip(),
        };
        self.legs.insert(
            key.leg,
            Leg {
                key,
                sid,
                tag,
                dialog,
                path,
                state: State::Early,
                session: Session::new(origin, None),
                invited: None,
                inviting: None,
                referred: Referred::default(),
                media: None,
                script: None,
                callee: Some(Box::new(callee)),
                retry: None,
                _held: Held::new(&core.gauges, |gauges| &gauges.legs, 1),
            },
        );
        key.leg
    }

    /// Who calls: the user of From, and `From` in webhooks.
    fn caller_name(&self, caller_id: Option<&str>) -> (String, String) {
        if let Some(id) = caller_id {
            return (
                id.strip_prefix("client:").unwrap_or(id).to_owned(),
                id.to_owned(),
            );
        }
        let uri = Uri::parse(self.context.from.as_bytes()).ok();
        let user = uri.map(|uri| String::from_utf8_lossy(&uri.user_decoded()).into_owned());
        let user = user
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| "anonymous".to_owned());
        (user, self.context.from.clone())
    }

    fn callee_context(&self, sid: Sid, from: String, to: &str, call_id: &str) -> CallContext {
        CallContext {
            call_sid: sid,
            from,
            to: to.to_owned(),
            direction: Direction::OutboundDial,
            parent_call_sid: Some(self.sid),
            sip: SipContext {
                domain: self.context.sip.domain.clone(),
                domain_sid: self.context.sip.domain_sid,
                call_id: Some(call_id.to_owned()),
                ..SipContext::default()
            },
            ..(*self.context).clone()
        }
    }

    fn callee_headers(
        &self,
        target: &DialTarget,
        address: &Address,
        sid: Sid,
    ) -> Vec<(String, Vec<u8>)> {
        let parent = self
            .legs
            .get(&CALLER)
            .map(|caller| caller.dialog.call_id.to_vec());
        let mut headers = vec![
            (
                "X-Hookswitch-Call-Sid".to_owned(),
                sid.to_string().into_bytes(),
            ),
            (
                "X-Hookswitch-Parent-Call-Id".to_owned(),
                parent.unwrap_or_default(),
            ),
        ];
        if let Some(trunk) = &address.trunk {
            headers.push(("X-Hookswitch-Trunk".to_owned(), trunk.clone().into_bytes()));
        }
        let given = target.headers.iter();
        headers.extend(given.map(|(name, value)| (name.clone(), value.clone().into_bytes())));
        headers
    }

    pub(crate) fn callee(&mut self, key: u32) -> Option<&mut Callee> {
        self.legs.get_mut(&key)?.callee.as_deref_mut()
    }

    /// The INVITE once more, with credentials (RFC 3261 §22.2: a new request of the same dialog).
    pub(crate) fn invite_again(
        &mut self,
        core: &mut Core,
        key: u32,
        before: &Inviting,
        with: &Authorization,
    ) -> bool {
        let forwards = self.forwards.saturating_sub(1).max(1);
        let Some(leg) = self.legs.get_mut(&key) else {
            return false;
        };
        let first = before.reason == InviteReason::Call;
        let headers = leg
            .callee
            .as_ref()
            .filter(|_| first)
            .map(|callee| callee.headers.clone());
        let headers = headers.unwrap_or_default();
        let mut headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        headers.push((with.name, with.value.as_bytes()));
        leg.invite(core, before.reason, forwards, &headers, before.body.clone())
    }
}

/// The Route to the outbound proxy.
fn outbound_route(core: &Core) -> Bytes {
    let uri = core.settings.outbound_proxy.clone().unwrap_or_default();
    let loose = Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.params.has(b"lr"));
    Bytes::from(if loose {
        format!("<{uri}>")
    } else {
        format!("<{uri};lr>")
    })
}
