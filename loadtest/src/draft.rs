use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::peer::sdp;
use crate::{Message, Peer};

/// A request to be, as text with every part open to change.
#[derive(Clone, Debug)]
pub struct Draft {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Draft {
    /// A valid request from `peer`, with fresh Call-ID, tag and branch, CSeq 1, and an offer when it is an INVITE.
    #[must_use]
    pub fn new(method: &str, uri: &str, peer: &Peer) -> Self {
        Self::from_address(method, uri, peer.address(), "UDP")
    }

    /// The same for any transport.
    #[must_use]
    pub fn from_address(method: &str, uri: &str, address: SocketAddr, transport: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = format!(
            "{}x{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let parameter = if transport == "TCP" {
            ";transport=tcp"
        } else {
            ""
        };
        let draft = Self {
            method: method.to_owned(),
            uri: uri.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
        .header(
            "Via",
            &format!("SIP/2.0/{transport} {address};branch=z9hG4bK{id};rport"),
        )
        .header("Max-Forwards", "70")
        .header("From", &format!("<sip:alice@{address}>;tag=a{id}"))
        .header("To", &format!("<{}>", uri.split('?').next().unwrap_or(uri)))
        .header("Call-ID", &format!("{id}@suite"))
        .header("CSeq", &format!("1 {method}"))
        .header("Contact", &format!("<sip:alice@{address}{parameter}>"));
        if method == "INVITE" {
            draft.body(&sdp(address))
        } else {
            draft
        }
    }

    /// The ACK to a final response other than 2xx (RFC 3261 §17.1.1.3).
    #[must_use]
    pub fn ack(&self, response: &Message) -> Self {
        let mut ack = self.clone();
        ack.method = "ACK".to_owned();
        ack.body = String::new();
        ack.set("CSeq", &self.value("CSeq").replace("INVITE", "ACK"))
            .set("To", response.need("To"))
    }

    /// The CANCEL of this INVITE (RFC 3261 §9.1).
    #[must_use]
    pub fn cancel(&self) -> Self {
        let mut cancel = self.clone();
        cancel.method = "CANCEL".to_owned();
        cancel.body = String::new();
        cancel.set("CSeq", &self.value("CSeq").replace("INVITE", "CANCEL"))
    }

    /// A request in the dialog that `response` made: its To, its route set, its Contact as target.
    #[must_use]
    pub fn within(&self, method: &str, cseq: u32, response: &Message) -> Self {
        let mut next = self.clone();
        next.method = method.to_owned();
        next.uri = response.address("Contact").unwrap_or(&self.uri).to_owned();
        next.body = String::new();
        let branch = format!("{}{cseq}{method}", self.branch());
        next = next
            .set("Via", &self.value("Via").replace(&self.branch(), &branch))
            .set("To", response.need("To"))
            .set("CSeq", &format!("{cseq} {method}"))
            .without("Route");
        for route in response.all("Record-Route").iter().rev() {
            next = next.header("Route", route);
        }
        next
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another value for a header.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        for (_, old) in self.headers.iter_mut().filter(|(other, _)| other == name) {
            value.clone_into(old);
        }
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// The value of a header of the draft.
    ///
    /// # Panics
    ///
    /// When it has none of that name.
    #[must_use]
    pub fn value(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found
            .unwrap_or_else(|| panic!("the draft has no {name}"))
            .1
            .clone()
    }

    fn branch(&self) -> String {
        let via = self.value("Via");
        via.split("branch=")
            .nth(1)
            .and_then(|rest| rest.split(';').next())
            .unwrap_or("")
            .to_owned()
    }

    /// The bytes, with a right Content-Length unless the draft brings one.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} {} SIP/2.0\r\n", self.method, self.uri);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| name == "Content-Type") {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        if !self
            .headers
            .iter()
            .any(|(name, _)| name == "Content-Length")
        {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text + "\r\n" + &self.body
    }
}
