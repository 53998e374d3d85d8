//! The legs of calls, as letters.

use executor::webhook::{CallContext, Direction, Session, SipContext};
use executor::{Secret, Sid, SidKind};

pub(crate) fn sid(key: char) -> Sid {
    Sid::new(SidKind::Call, [key as u8; 16])
}

/// What webhooks are told of a leg.
pub(crate) fn call(key: char) -> CallContext {
    CallContext {
        call_sid: sid(key),
        account_sid: Sid::derive(SidKind::Account, "test"),
        auth_token: Secret::new("token"),
        from: "sip:a@b.test".to_owned(),
        to: "sip:c@d.test".to_owned(),
        direction: Direction::Inbound,
        parent_call_sid: None,
        sip: SipContext::default(),
        session: Session::default(),
    }
}
