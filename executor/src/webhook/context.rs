//! What is the same on every request of one leg.

use std::fmt;
use std::net::IpAddr;

use crate::{Secret, Sid};

use super::session::Session;

/// The leg that a request is about. Clones share cookies and credentials.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// `CallSid`.
    pub call_sid: Sid,
    /// `AccountSid`.
    pub account_sid: Sid,
    /// The key of `X-Twilio-Signature`.
    pub auth_token: Secret,
    /// `From` and `Caller`: for a SIP leg the URI of the From header.
    pub from: String,
    /// `To` and `Called`: for a SIP leg the Request-URI as received.
    pub to: String,
    /// `Direction`.
    pub direction: Direction,
    /// `ParentCallSid`: the leg whose `<Dial>` made this one.
    pub parent_call_sid: Option<Sid>,
    /// The parameters of a SIP leg.
    pub sip: SipContext,
    /// Cookies and credentials, kept for the call. `Session::default()` for a new leg.
    pub session: Session,
}

/// The SIP side of a leg.
#[derive(Clone, Debug, Default)]
pub struct SipContext {
    /// `SipDomain`: the host of the Request-URI.
    pub domain: Option<String>,
    /// `SipDomainSid`.
    pub domain_sid: Option<Sid>,
    /// `SipUsername`: who authenticated, if somebody did.
    pub username: Option<String>,
    /// `SipCallId`.
    pub call_id: Option<String>,
    /// `SipSourceIp`: where the INVITE really came from.
    pub source_ip: Option<IpAddr>,
    /// Header fields of the INVITE (or, for a callee's leg, of its answer) in order: name as
    /// received, raw value. All of them may be given: only `X-…` and `User-to-User` become
    /// `SipHeader_…` parameters, and `X-Hookswitch-…` never does.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Who called whom, in the words of the `Direction` parameter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// The call came in.
    #[default]
    Inbound,
    /// The leg was made by the API.
    OutboundApi,
    /// The leg was made by `<Dial>`.
    OutboundDial,
}

impl Direction {
    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
