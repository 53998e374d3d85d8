//! The way to a phone that cannot be reached at the address which it names.
//!
//! A phone behind a NAT, or on a connection that it opened, is reached by its flow only: the socket
//! and the connection that its requests came by (RFC 3581, RFC 5626 §5.3). For a binding the flow
//! stands in the location table. Within a dialog no table is asked: there the flow stands in the
//! Contact that the other side was shown, as a parameter of its URI, signed for the call.
//!
//! ```text
//! Contact: <sip:alice@192.168.1.5:5060>  ─►  <sip:alice@192.168.1.5:5060;hsf=0-udp-9f3-198.51.100.7:4711-5d…>
//!                                                              listener ┘  │    │   │                   └ MAC
//!                                                                transport ┘    │   └ where it really is
//!                                                                               └ connection
//! ```
//!
//! A flow leads through sockets and connections that no address leads to, so only what we have
//! written ourselves is followed, and only in the call for which we did: any other parameter of that
//! name is a part of the URI like others.

use std::net::{IpAddr, SocketAddr};

use filters::Trust;
use sip::{HeaderName, Headers, NameAddr, Transport, Uri};
use transport::{ConnectionId, Destination, Flow, Hop, ListenerId};

use crate::forward;
use crate::pipeline::call_id;
use crate::plan::Plan;
use crate::sent_by::Text;
use crate::token::TokenKey;

/// A flow to send requests by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayBack {
    /// The listener whose socket it is.
    pub(crate) listener: ListenerId,
    /// Where the phone is.
    pub(crate) hop: Hop,
    /// Its connection.
    pub(crate) connection: Option<ConnectionId>,
    /// The address of ours that it knows, where that is known.
    local: Option<IpAddr>,
}

/// How a request leaves: towards whom, and by which flow if by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    /// How far the other side is trusted.
    pub(crate) trust: Trust,
    /// The flow.
    pub(crate) way_back: Option<WayBack>,
    /// Whether a message says where that is, and not the configuration.
    pub(crate) named: bool,
}

impl WayBack {
    /// The way back of what came by `flow`, for which `listener` stands.
    pub(crate) fn of(flow: &Flow, listener: ListenerId) -> Self {
        Self {
            listener,
            hop: Hop {
                transport: flow.transport,
                addr: flow.remote,
            },
            connection: flow.connection,
            local: Some(flow.local.ip()),
        }
    }

    /// Where a request goes: by this flow, or nowhere.
    pub(crate) fn destination(&self) -> Destination {
        Destination {
            transport: self.hop.transport,
            remote: self.hop.addr,
            connection: self.connection,
            local_hint: self.local,
            open: false,
        }
    }

    /// Writes the flow into the one Contact of `headers`, where the phone is not where that says.
    /// One that cannot be read, or not be written, stays as it is.
    pub(crate) fn note(&self, headers: &mut Headers, key: &TokenKey) {
        let at = headers.iter().position(|row| row.id == HeaderName::Contact);
        let noted = {
            let mut contacts = headers.list(HeaderName::Contact);
            let only = contacts.next().filter(|_| contacts.next().is_none());
            only.and_then(|value| self.noted(value, key, call_id(headers)))
        };
        if let (Some(at), Some(text)) = (at, noted) {
            headers.set_value_at(at, &text).unwrap_or_default();
        }
    }

    /// The Contact with the flow in it; `None` where it needs none.
    fn noted(&self, contact: &[u8], key: &TokenKey, call_id: &[u8]) -> Option<Text> {
        let value = NameAddr::parse(contact).ok()?;
        let uri = value.uri().ok().filter(Uri::is_sip)?;
        if uri.params.has(PARAM) || self.is_at(&uri) {
            return None;
        }
        let mut text = Text::new();
        if let Some(display) = value.display {
            text.extend_from_slice(&sip::unfold(display));
            text.push(b' ');
        }
        text.push(b'<');
        text.extend_from_slice(uri.without_headers());
        text.push(b';');
        text.extend_from_slice(PARAM);
        let Hop { transport, addr } = self.hop;
        let (listener, transport) = (self.listener.0, transport.param());
        let connection = self.connection.map_or(0, ConnectionId::as_u64);
        let flow = format!("{listener}-{transport}-{connection:x}-{addr}");
        let mac = key.seal(flow.as_bytes(), call_id);
        text.extend_from_slice(format!("={flow}-{mac:016x}>").as_bytes());
        if !value.params.is_empty() {
            text.push(b';');
            text.extend_from_slice(&sip::unfold(value.params.as_bytes()));
        }
        Some(text)
    }

    /// Whether a request to `uri` comes to the same.
    fn is_at(&self, uri: &Uri<'_>) -> bool {
        let Hop { transport, addr } = self.hop;
        let named = uri.params.value(b"transport").map(Transport::of);
        transport == Transport::Udp
            && named.is_none_or(|named| named == Some(Transport::Udp))
            && uri.ip() == Some(addr.ip().to_canonical())
            && uri.port.unwrap_or_else(|| transport.default_port()) == addr.port()
    }

    /// Takes the flow out of a Request-URI of the call `call_id`: the URI as the phone knows it, and
    /// the way.
    pub(crate) fn take(uri: &[u8], plan: &Plan, call_id: &[u8]) -> Option<(Vec<u8>, Self)> {
        // Hardly any URI has one.
        if !forward::names(uri, PARAM) {
            return None;
        }
        let at = memchr::memmem::find(uri, MARK)?;
        let parsed = Uri::parse(uri).ok()?;
        let way = Self::read(parsed.params.value(PARAM)?, plan, call_id)?;
        let after = uri.get(at + 1..)?;
        let rest = memchr::memchr(b';', after).and_then(|end| after.get(end..));
        let plain = [uri.get(..at)?, rest.unwrap_or_default()].concat();
        // The parameter may have stood where it means nothing.
        let whole = Uri::parse(&plain).is_ok_and(|plain| !plain.params.has(PARAM));
        whole.then_some((plain, way))
    }

    fn read(text: &[u8], plan: &Plan, call_id: &[u8]) -> Option<Self> {
        let (flow, mac) = std::str::from_utf8(text).ok()?.rsplit_once('-')?;
        let mac = crate::loops::unhex(mac.as_bytes())?;
        if plan.token_key.seal(flow.as_bytes(), call_id) != mac {
            return None;
        }
        let mut parts = flow.splitn(4, '-');
        let listener = ListenerId(parts.next()?.parse().ok()?);
        let transport = Transport::of(parts.next()?.as_bytes())?;
        let connection = u64::from_str_radix(parts.next()?, 16).ok()?;
        let addr: SocketAddr = parts.next()?.parse().ok()?;
        plan.listener(listener)
            .filter(|listener| listener.bind.is_ipv4() == addr.is_ipv4())?;
        Some(Self {
            listener,
            hop: Hop { transport, addr },
            connection: (connection != 0).then(|| ConnectionId::from_u64(connection)),
            local: None,
        })
    }
}

/// The parameter that holds a flow.
const PARAM: &[u8] = b"hsf";
const MARK: &[u8] = b";hsf=";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Loader;

    fn plan() -> Arc<Plan> {
        let loader = Loader {
            registry: Arc::new(filters::Registry::builtin()),
            counters: Arc::default(),
            entropy: [1; 32],
        };
        let text = "[[listen]]\nname = \"a\"\nsocket = \"udp:192.0.2.1:5060\"\nchain = \"c\"\n\
                    [[listen]]\nname = \"b\"\nsocket = \"udp:[2001:db8::1]:5060\"\nchain = \"c\"\n\
                    [[chain]]\nname = \"c\"\n";
        let settings = loader.parse("test.toml", text);
        settings.unwrap_or_else(|errors| panic!("{errors}")).plan
    }

    fn way(remote: &str, connection: Option<u64>) -> WayBack {
        let flow = Flow {
            transport: match connection {
                Some(_) => Transport::Tcp,
                None => Transport::Udp,
            },
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection: connection.map(ConnectionId::from_u64),
            listener: ListenerId(0),
        };
        let listener = if flow.remote.is_ipv4() { 0 } else { 1 };
        WayBack::of(&flow, ListenerId(listener))
    }

    #[test]
    fn what_is_noted_is_taken_out_again() {
        for (contact, plain) in [
            ("<sip:a@10.0.0.1>", "sip:a@10.0.0.1"),
            (
                "\"A, B\" <sip:a@10.0.0.1:5070;transport=tcp>;q=1",
                "sip:a@10.0.0.1:5070;transport=tcp",
            ),
            ("sip:a@phone.invalid;q=1", "sip:a@phone.invalid"),
            ("<sip:a@[::1];ob?X=1>", "sip:a@[::1];ob"),
        ] {
            for way in [
                way("198.51.100.7:4711", None),
                way("198.51.100.7:4711", Some(0x9f3)),
                way("[2001:db8::7]:4711", Some(1)),
            ] {
                let plan = plan();
                let key = &plan.token_key;
                let noted = way.noted(contact.as_bytes(), key, b"call").unwrap();
                let value = NameAddr::parse(&noted).unwrap();
                assert_eq!(value.params.has(b"q"), contact.contains("q=1"));
                let (uri, taken) = WayBack::take(value.uri, &plan, b"call").unwrap();
                assert_eq!(String::from_utf8(uri).unwrap(), plain);
                assert_eq!(taken, WayBack { local: None, ..way });
                let more = [value.uri, b";x=y"].concat();
                let (uri, _) = WayBack::take(&more, &plan, b"call").unwrap();
                assert_eq!(String::from_utf8(uri).unwrap(), format!("{plain};x=y"));
            }
        }
    }

    #[test]
    fn a_phone_that_is_where_it_says_needs_none() {
        let udp = way("198.51.100.7:5060", None);
        let plan = plan();
        let noted = |contact: &[u8]| udp.noted(contact, &plan.token_key, b"call");
        for contact in [
            "<sip:a@198.51.100.7>",
            "<sip:a@198.51.100.7:5060;transport=udp>",
        ] {
            assert_eq!(noted(contact.as_bytes()), None, "{contact}");
        }
        for contact in [
            "<sip:a@198.51.100.7;transport=tcp>",
            "<sip:a@198.51.100.7:5061>",
        ] {
            assert!(noted(contact.as_bytes()).is_some(), "{contact}");
        }
        assert_eq!(noted(b"<tel:+1>"), None);
        assert_eq!(noted(b"*"), None);
    }

    #[test]
    fn what_is_no_flow_is_not_taken() {
        let plan = plan();
        for uri in [
            "sip:a@b",
            "sip:a@b;hsf=",
            "sip:a@b;hsf=0-udp-0",
            "sip:a@b;hsf=9-udp-0-198.51.100.7:5060",
            "sip:a@b;hsf=0-pigeon-0-198.51.100.7:5060",
            "sip:a@b;hsf=0-udp-x-198.51.100.7:5060",
            "sip:a@b;hsf=0-udp-0-198.51.100.7",
            "sip:a@b;hsf=1-udp-0-198.51.100.7:5060",
            "sip:a;hsf=0-udp-0-198.51.100.7:5060@b",
            "sip:a;hsf=x@b;hsf=0-udp-0-198.51.100.7:5060",
        ] {
            // As it stands, and signed as if we had written it.
            let (head, flow) = uri.rsplit_once("hsf=").unwrap_or((uri, ""));
            let (flow, rest) = flow.split_at(flow.find('@').unwrap_or(flow.len()));
            let mac = plan.token_key.seal(flow.as_bytes(), b"call");
            let signed = format!("{head}hsf={flow}-{mac:016x}{rest}");
            for uri in [uri, signed.as_str()] {
                let taken = WayBack::take(uri.as_bytes(), &plan, b"call");
                assert_eq!(taken, None, "{uri}");
            }
        }
    }

    #[test]
    fn a_flow_is_good_in_its_call_only() {
        let plan = plan();
        let way = way("198.51.100.7:4711", None);
        let noted = way.noted(b"<sip:a@10.0.0.1>", &plan.token_key, b"call");
        let noted = String::from_utf8(noted.unwrap().to_vec()).unwrap();
        let uri = noted.trim_matches(['<', '>']);
        let taken = |uri: &str, call: &[u8]| WayBack::take(uri.as_bytes(), &plan, call);
        assert!(taken(uri, b"call").is_some());
        assert_eq!(taken(uri, b"another"), None);
        for (from, to) in [
            ("0-udp", "1-udp"),
            ("198.", "199."),
            ("-0-", "-7-"),
            (":4711", ":4712"),
        ] {
            assert_eq!(taken(&uri.replacen(from, to, 1), b"call"), None, "{to}");
        }
        // What is added to the flow is not taken from the Call-ID.
        assert_eq!(taken(&uri.replacen(":4711", ":4711c", 1), b"all"), None);
    }
}
