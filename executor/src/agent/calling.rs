//! The INVITE of a callee's leg: its address, its names, its headers.

use std::sync::Arc;
use std::time::Duration;

use ::media::codec::Codec;
use bytes::Bytes;
use sip::Uri;

use crate::dialog::Dialog;
use crate::digest::{Authorization, Digest};
use crate::observer::{CallEvent, Ended, Started};
use crate::run::{DialTarget, DialTo, LegCallbacks};
use crate::sdp::{Negotiation, Origin};
use crate::webhook::{CallContext, CallStatus, Direction, SipContext};
use crate::{Sid, SidKind};

use super::LegKey;
use super::call::{CALLER, Call};
use super::callee::Callee;
use super::core::Core;
use super::journal::LegTag;
use super::leg::{Inviting, Leg};
use super::path::Path;
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
        owner: u32,
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
        let prefer = self.codec_of(core, owner);
        let key = self.add_callee(core, owner, target, &address, caller_id, path);
        let forwards = self.forwards - 1;
        let Some(leg) = self.legs.get_mut(&key) else {
            return Err((500, "the leg is gone".to_owned()));
        };
        let headers = leg
            .callee
            .as_ref()
            .map(|callee| callee.headers.clone())
            .unwrap_or_default();
        let body = leg.offer(core, prefer);
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        let invited =
            body.map(|body| leg.invite(core, forwards, &headers, Some((SDP, body)), None));
        let why = match invited {
            Ok(true) => return Ok(key),
            Ok(false) => "the request cannot be sent".to_owned(),
            Err(error) => error.to_string(),
        };
        if let Some(leg) = self.legs.remove(&key) {
            core.dialogs.remove(&leg.dialog.local_tag);
            // Its begin was told.
            let ended = Ended {
                status: CallStatus::Failed,
                sip_code: 503,
                duration: Duration::ZERO,
            };
            core.journal.record(&leg.tag, CallEvent::Ended(ended));
        }
        Err((503, format!("{} cannot be called: {why}", address.shown)))
    }

    /// The codec that a leg speaks, or will speak: with the same one on both legs nothing has to be
    /// decoded.
    fn codec_of(&self, core: &Core, owner: u32) -> Option<Codec> {
        let leg = self.legs.get(&owner)?;
        if let Some(agreed) = leg.negotiation.agreed() {
            return Some(agreed.codec);
        }
        let offer = leg.invited.as_ref()?.offer.as_ref()?;
        Negotiation::preview(offer, &core.settings.codecs)
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
    pub(super) fn home(&self) -> &str {
        if &*self.domain.name == "*" {
            &self.host
        } else {
            &self.domain.name
        }
    }

    fn add_callee(
        &mut self,
        core: &mut Core,
        owner: u32,
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
        let (user, shown_from) = self.caller_name(owner, caller_id);
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
        let context =
            Arc::new(self.callee_context(owner, sid, shown_from, &address.shown, &call_id));
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
        let callee = Callee {
            parent: owner,
            digest: target.credentials.clone().map(Digest::new),
            over: false,
            transferred: false,
            owed: None,
            bridged: false,
            rang: false,
            early: false,
            send_digits: target.send_digits.clone(),
            answered_at: None,
            ringing: None,
            callbacks: target.status_callback.clone().map(LegCallbacks::new),
            screening: target.screening.clone(),
            detection: target.detection.clone(),
            context,
            headers: self.callee_headers(owner, target, address, sid),
            code: None,
            answer_headers: Vec::new(),
        };
        let secure = core.settings.secure_media || is_secure(&address.uri);
        let origin = Origin {
            id: core.random.number() >> 2,
            version: 0,
            address: path.local.ip(),
        };
        let negotiation = Negotiation::new(origin, core.random.key(), secure);
        let account = self.domain.account_sid;
        let leg = Leg {
            callee: Some(Box::new(callee)),
            ..Leg::new(core, key, account, tag, dialog, path, negotiation)
        };
        self.legs.insert(key.leg, leg);
        key.leg
    }

    /// Who calls: the user of From, and `From` in webhooks.
    fn caller_name(&self, owner: u32, caller_id: Option<&str>) -> (String, String) {
        if let Some(id) = caller_id {
            return (
                id.strip_prefix("client:").unwrap_or(id).to_owned(),
                id.to_owned(),
            );
        }
        let context = self.context_of(owner);
        // A callee who was transferred calls as who it is.
        let name = if owner == CALLER {
            &context.from
        } else {
            &context.to
        };
        let uri = Uri::parse(name.as_bytes()).ok();
        let user = uri.map(|uri| String::from_utf8_lossy(&uri.user_decoded()).into_owned());
        let user = user
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| "anonymous".to_owned());
        (user, name.clone())
    }

    fn callee_context(
        &self,
        owner: u32,
        sid: Sid,
        from: String,
        to: &str,
        call_id: &str,
    ) -> CallContext {
        let parent = self.context_of(owner);
        CallContext {
            call_sid: sid,
            from,
            to: to.to_owned(),
            direction: Direction::OutboundDial,
            parent_call_sid: Some(parent.call_sid),
            sip: SipContext {
                domain: self.context.sip.domain.clone(),
                domain_sid: self.context.sip.domain_sid,
                call_id: Some(call_id.to_owned()),
                ..SipContext::default()
            },
            ..(**parent).clone()
        }
    }

    /// What webhooks are told of a leg.
    pub(crate) fn context_of(&self, key: u32) -> &Arc<CallContext> {
        let callee = self.legs.get(&key).and_then(|leg| leg.callee.as_ref());
        callee.map_or(&self.context, |callee| &callee.context)
    }

    fn callee_headers(
        &self,
        owner: u32,
        target: &DialTarget,
        address: &Address,
        sid: Sid,
    ) -> Vec<(String, Vec<u8>)> {
        let parent = self
            .legs
            .get(&owner)
            .map(|owner| owner.dialog.call_id.to_vec());
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
        with: Authorization,
    ) -> bool {
        let forwards = self.forwards.saturating_sub(1).max(1);
        let Some(leg) = self.legs.get_mut(&key) else {
            return false;
        };
        let headers = leg.callee.as_ref().map(|callee| callee.headers.clone());
        let headers = headers.unwrap_or_default();
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice()))
            .collect();
        let body = before.body.clone().map(|body| (SDP, body));
        leg.invite(core, forwards, &headers, body, Some(with))
    }
}

/// Whether a callee is reached over TLS, so that keys in a description are not read on the way.
pub(super) fn is_secure(uri: &str) -> bool {
    Uri::parse(uri.as_bytes()).is_ok_and(|uri| {
        let tls = uri.params.value(b"transport");
        uri.scheme == sip::Scheme::Sips || tls.is_some_and(|tls| tls.eq_ignore_ascii_case(b"tls"))
    })
}

/// The Route to the outbound proxy.
pub(super) fn outbound_route(core: &Core) -> Bytes {
    let uri = core.settings.outbound_proxy.clone().unwrap_or_default();
    let loose = Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.params.has(b"lr"));
    Bytes::from(if loose {
        format!("<{uri}>")
    } else {
        format!("<{uri};lr>")
    })
}

/// The type of a session description.
const SDP: &str = "application/sdp";
