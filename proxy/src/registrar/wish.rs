//! What a REGISTER asks for (RFC 3261 §10.3 steps 6 and 7, RFC 3327 §5.3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::{CSeq, HeaderName, Headers, NameAddr, Request, Uri};
use smallvec::SmallVec;
use transport::Flow;

use super::Bounds;

/// A REGISTER, read.
#[derive(Debug)]
pub(crate) struct Wish {
    /// What it changes.
    pub(crate) change: Change,
    /// Its Call-ID.
    pub(crate) call_id: Bytes,
    /// Its number.
    pub(crate) cseq: u32,
    /// The way that it came.
    pub(crate) flow: Flow,
    /// The proxies in between, as a Route has them.
    pub(crate) path: Bytes,
    /// What the phone calls itself.
    pub(crate) agent: Arc<str>,
}

/// What becomes of the bindings.
#[derive(Debug)]
pub(crate) enum Change {
    /// They are asked for only.
    Nothing,
    /// All go.
    RemoveAll,
    /// These come, stay or go.
    Set(SmallVec<[Contact; 1]>),
}

/// One Contact.
#[derive(Debug)]
pub(crate) struct Contact {
    /// The URI, without headers.
    pub(crate) uri: Bytes,
    /// Its preference, in thousandths.
    pub(crate) q: u16,
    /// How long it is to last; zero where it goes.
    pub(crate) lasts: Duration,
}

impl Contact {
    /// Whether it goes.
    pub(crate) fn is_removed(&self) -> bool {
        self.lasts.is_zero()
    }
}

/// A REGISTER that nothing can be made of: the word for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl Wish {
    /// Reads a REGISTER that came by `flow`.
    pub(crate) fn read(request: &Request, flow: Flow, bounds: &Bounds) -> Result<Self, Unreadable> {
        let headers = &request.headers;
        let call_id = headers.first(HeaderName::CallId).unwrap_or_default();
        let cseq = headers
            .first(HeaderName::CSeq)
            .and_then(|value| CSeq::parse(value).ok())
            .ok_or(Unreadable("cseq"))?;
        Ok(Self {
            change: change(headers, bounds)?,
            call_id: Bytes::copy_from_slice(call_id),
            cseq: cseq.number,
            flow,
            path: path(headers)?,
            agent: agent(headers),
        })
    }
}

fn change(headers: &Headers, bounds: &Bounds) -> Result<Change, Unreadable> {
    let whole = headers.first(HeaderName::Expires);
    let mut contacts = SmallVec::new();
    for value in headers.list(HeaderName::Contact) {
        if value == b"*" {
            // Step 6: with nothing beside it, and only to remove.
            let alone = headers.list(HeaderName::Contact).nth(1).is_none();
            let removes = whole.and_then(sip::number) == Some(0);
            return match alone && removes {
                true => Ok(Change::RemoveAll),
                false => Err(Unreadable("contact_star")),
            };
        }
        if contacts.len() >= CONTACTS_MAX {
            return Err(Unreadable("contacts"));
        }
        contacts.push(contact(value, whole, bounds).ok_or(Unreadable("contact"))?);
    }
    Ok(match contacts.is_empty() {
        true => Change::Nothing,
        false => Change::Set(contacts),
    })
}

fn contact(value: &[u8], whole: Option<&[u8]>, bounds: &Bounds) -> Option<Contact> {
    let value = NameAddr::parse(value).ok()?;
    let uri = value.uri().ok().filter(Uri::is_sip)?.without_headers();
    if uri.len() > CONTACT_BYTES_MAX {
        return None;
    }
    // §10.2.1.1, §20.19: what cannot be read counts as 3600.
    let asked = value.params.value(b"expires").or(whole);
    let seconds = match asked.map(|text| text.strip_prefix(b"\"").unwrap_or(text)) {
        None => bounds.longest.as_secs(),
        Some(text) => {
            let text = text.strip_suffix(b"\"").unwrap_or(text);
            sip::number(text).map_or(DEFAULT_SECONDS, u64::from)
        }
    };
    let lasts = match seconds {
        0 => Duration::ZERO,
        seconds => Duration::from_secs(seconds).clamp(bounds.shortest, bounds.longest),
    };
    let q = match value.params.value(b"q") {
        None => 1000,
        Some(text) => thousandths(text)?,
    };
    Some(Contact {
        uri: Bytes::copy_from_slice(uri),
        q,
        lasts,
    })
}

/// RFC 3261 §25.1 `qvalue`: 0 or 1 with at most three digits behind the point.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, rest) = text.split_first()?;
    let digits = match rest {
        [] => &[],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut value = match whole {
        b'0' => 0u16,
        b'1' => 1,
        _ => return None,
    };
    for at in 0..3 {
        let digit = digits.get(at).copied().unwrap_or(b'0');
        let digit = (digit as char).to_digit(10)?;
        value = value * 10 + digit as u16;
    }
    (value <= 1000).then_some(value)
}

/// The Path as a Route value (RFC 3327 §5.3): an entry that cannot be routed by is refused.
fn path(headers: &Headers) -> Result<Bytes, Unreadable> {
    let mut path = Vec::new();
    for value in headers.list(HeaderName::Path) {
        let value = sip::unfold(value);
        let uri = NameAddr::parse(&value)
            .ok()
            .and_then(|value| value.uri().ok());
        if !uri.is_some_and(|uri| uri.is_sip() && uri.params.has(b"lr")) {
            return Err(Unreadable("path"));
        }
        if !path.is_empty() {
            path.extend_from_slice(b", ");
        }
        path.extend_from_slice(&value);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(Unreadable("path"));
    }
    Ok(path.into())
}

/// User-Agent, cut to what the page shows.
fn agent(headers: &Headers) -> Arc<str> {
    let value = headers.first(HeaderName::UserAgent).unwrap_or_default();
    let text = filters::escape(value);
    Arc::from(text.chars().take(AGENT_CHARS_MAX).collect::<String>())
}

/// Contacts of one REGISTER at most.
const CONTACTS_MAX: usize = 32;
/// Bytes of one.
const CONTACT_BYTES_MAX: usize = 512;
/// Bytes of a Path.
const PATH_BYTES_MAX: usize = 1024;
/// How much of User-Agent is shown.
const AGENT_CHARS_MAX: usize = 80;
/// What an Expires that cannot be read counts as (RFC 3261 §10.2.1.1).
const DEFAULT_SECONDS: u64 = 3600;

#[cfg(test)]
mod tests {
    use sip::{Limits, Message};
    use transport::ListenerId;

    use super::*;

    fn read(extra: &str) -> Result<Wish, Unreadable> {
        let text = format!(
            "REGISTER sip:demo.example SIP/2.0\r\nCall-ID: c\r\nCSeq: 7 REGISTER\r\n{extra}\r\n"
        );
        let Ok(Message::Request(request)) = sip::parse(text.into(), &Limits::default()) else {
            panic!("no request: {extra}");
        };
        let flow = Flow {
            transport: sip::Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "198.51.100.7:4711".parse().unwrap(),
            connection: None,
            listener: ListenerId(0),
        };
        Wish::read(&request, flow, &Bounds::default())
    }

    /// URI, preference and seconds of each.
    fn contacts(extra: &str) -> Vec<(String, u16, u64)> {
        match read(extra).unwrap().change {
            Change::Set(contacts) => contacts
                .iter()
                .map(|contact| {
                    let uri = String::from_utf8_lossy(&contact.uri).into_owned();
                    (uri, contact.q, contact.lasts.as_secs())
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_are_held_between_their_bounds() {
        for (extra, seconds) in [
            ("Contact: <sip:a@b>\r\n", 3600),
            ("Contact: <sip:a@b>\r\nExpires: 60\r\n", 600),
            ("Contact: <sip:a@b>\r\nExpires: 1800\r\n", 1800),
            ("Contact: <sip:a@b>\r\nExpires: 4294967295\r\n", 3600),
            ("Contact: <sip:a@b>\r\nExpires: soon\r\n", 3600),
            ("Contact: <sip:a@b>;expires=700\r\nExpires: 1800\r\n", 700),
            ("Contact: <sip:a@b>;expires=\"700\"\r\n", 700),
            ("Contact: <sip:a@b>;expires=0\r\nExpires: 1800\r\n", 0),
            ("Contact: <sip:a@b>\r\nExpires: 0\r\n", 0),
        ] {
            assert_eq!(
                contacts(extra),
                [("sip:a@b".to_owned(), 1000, seconds)],
                "{extra}"
            );
        }
    }

    #[test]
    fn contacts_with_their_preferences() {
        let extra = "m: \"A, B\" <sip:a@b?X=1>;q=0.5, sip:c@d;q=1.000\r\nContact: <sips:e@f;transport=tcp>;q=0\r\n";
        let found = contacts(extra);
        let shown: Vec<_> = found.iter().map(|(uri, q, _)| (uri.as_str(), *q)).collect();
        assert_eq!(
            shown,
            [
                ("sip:a@b", 500),
                ("sip:c@d", 1000),
                ("sips:e@f;transport=tcp", 0)
            ]
        );
    }

    #[test]
    fn all_go_by_a_star() {
        assert!(matches!(
            read("Contact: *\r\nExpires: 0\r\n").unwrap().change,
            Change::RemoveAll
        ));
        assert!(matches!(read("").unwrap().change, Change::Nothing));
        for extra in [
            "Contact: *\r\n",
            "Contact: *\r\nExpires: 600\r\n",
            "Contact: *, <sip:a@b>\r\nExpires: 0\r\n",
            "Contact: <sip:a@b>, *\r\nExpires: 0\r\n",
        ] {
            assert!(read(extra).is_err(), "{extra}");
        }
    }

    #[test]
    fn refused() {
        let long = format!("Contact: <sip:{}@b>\r\n", "a".repeat(CONTACT_BYTES_MAX));
        let many = format!("Contact: {}\r\n", "<sip:a@b>,".repeat(CONTACTS_MAX + 1));
        for extra in [
            "Contact: <tel:+1>\r\n",
            "Contact: <sip:a@b\r\n",
            "Contact: <sip:a@b>;q=2\r\n",
            "Contact: <sip:a@b>;q=0.1234\r\n",
            "Contact: <sip:a@b>;q=1.1\r\n",
            "Contact: <sip:a@b>\r\nPath: <sip:p.example>\r\n",
            "Contact: <sip:a@b>\r\nPath: p\r\n",
            &long,
            &many,
        ] {
            assert!(read(extra).is_err(), "{extra}");
        }
    }

    #[test]
    fn the_path_is_a_route() {
        let extra = "Contact: <sip:a@b>\r\nPath: <sip:p1.example;lr>, <sip:p2.example;lr;ob>\r\nPath: <sip:p3.example;lr>\r\n\
                     User-Agent: Phone\t\u{1b}[1m\r\n";
        let wish = read(extra);
        let wish = wish.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(
            &wish.path[..],
            b"<sip:p1.example;lr>, <sip:p2.example;lr;ob>, <sip:p3.example;lr>"
        );
        assert!(!wish.agent.contains('\u{1b}'));
        assert_eq!(wish.cseq, 7);
    }
}
