//! REFERs of ours, and what a NOTIFY says about one (RFC 3515 §2.4, RFC 6665).

use std::time::Duration;

use sip::{ClientId, HeaderName, Headers, Params};

/// REFERs of a leg (RFC 3515).
#[derive(Debug, Default)]
pub(crate) struct Referred {
    /// The one whose answer is awaited.
    pub(crate) client: Option<ClientId>,
    /// CSeq numbers of all of them: `id` in Event of their NOTIFYs.
    pub(crate) numbers: Vec<u32>,
}

impl Referred {
    /// Another REFER was sent.
    pub(crate) fn add(&mut self, client: ClientId, number: u32) {
        self.client = Some(client);
        if self.numbers.len() >= REFERS_MAX {
            self.numbers.remove(0);
        }
        self.numbers.push(number);
    }
}

/// A NOTIFY of a REFER of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Notify {
    /// The code in the body.
    pub(crate) code: Option<u16>,
    /// It is the last one.
    pub(crate) terminated: bool,
    /// How long the subscription lasts.
    pub(crate) expires: Option<Duration>,
}

/// Reads a NOTIFY in a dialog in which the REFERs with these CSeq numbers were sent. `Err`: the
/// status that refuses it.
pub(crate) fn read_notify(headers: &Headers, referred: &[u32]) -> Result<Notify, u16> {
    let event = headers.first(HeaderName::Event).ok_or(489u16)?;
    let (package, params) = split_params(event);
    if !package.eq_ignore_ascii_case(b"refer") {
        return Err(489);
    }
    // RFC 3515 §2.4.6: `id` is the CSeq number of the REFER.
    let ours = match params.value(b"id") {
        None => !referred.is_empty(),
        Some(id) => sip::number(id).is_some_and(|id| referred.contains(&id)),
    };
    if !ours {
        return Err(481);
    }
    let state = headers
        .first(HeaderName::SubscriptionState)
        .unwrap_or_default();
    let (state, params) = split_params(state);
    let expires = params.value(b"expires").and_then(sip::number);
    Ok(Notify {
        code: sipfrag_code(headers.body()),
        terminated: state.eq_ignore_ascii_case(b"terminated"),
        expires: expires.map(|seconds| Duration::from_secs(seconds.into())),
    })
}

/// The code in the first line of a `message/sipfrag` body (RFC 3420).
fn sipfrag_code(body: &[u8]) -> Option<u16> {
    let line = body.split(|&byte| matches!(byte, b'\r' | b'\n')).next()?;
    let rest = line.strip_prefix(b"SIP/2.0 ")?;
    let code = rest
        .split(|&byte| byte == b' ')
        .next()
        .and_then(sip::number)?;
    u16::try_from(code)
        .ok()
        .filter(|code| (100..700).contains(code))
}

fn split_params(value: &[u8]) -> (&[u8], Params<'_>) {
    match value.iter().position(|&byte| byte == b';') {
        None => (sip::trim(value), Params::default()),
        Some(at) => {
            let (before, after) = value.split_at(at);
            (sip::trim(before), Params::new(after.get(1..)))
        }
    }
}

/// REFERs of one leg whose NOTIFYs are known.
const REFERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str, state: &str, body: &str) -> Result<Notify, u16> {
        let text = format!(
            "NOTIFY sip:a SIP/2.0\r\nEvent: {event}\r\nSubscription-State: {state}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let message = sip::parse(text.into_bytes().into(), &sip::Limits::default()).unwrap();
        read_notify(message.headers(), &[7])
    }

    #[test]
    fn notifies() {
        let trying = read("refer", "active;expires=60", "SIP/2.0 100 Trying\r\n").unwrap();
        let expires = Some(Duration::from_secs(60));
        assert_eq!(
            trying,
            Notify {
                code: Some(100),
                terminated: false,
                expires
            }
        );
        let busy = "SIP/2.0 486 Busy Here\r\nX-A: b\r\n\r\n";
        let busy = read("refer;id=7", "terminated;reason=noresource", busy).unwrap();
        assert_eq!(
            busy,
            Notify {
                code: Some(486),
                terminated: true,
                expires: None
            }
        );
        assert_eq!(read("refer", "active", "").unwrap().code, None);
        assert_eq!(read("refer", "active", "SIP/2.0 9 x").unwrap().code, None);
    }

    #[test]
    fn notifies_of_nobody() {
        assert_eq!(read("refer;id=8", "active", ""), Err(481));
        assert_eq!(read("presence", "active", ""), Err(489));
    }
}
