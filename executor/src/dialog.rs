//! One side of a dialog (RFC 3261 §12): who the peers are, how requests get there, what is in
//! order.
//!
//! Nothing here does input or output: a request comes out without its Via, which belongs to the
//! way that it is sent.

use bytes::Bytes;
use sip::{CSeq, HeaderName, Headers, NameAddr, Request, Response, Uri};

/// A dialog, or what will become one with the answer.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Bytes,
    /// The From of our requests, tag included.
    pub(crate) local: Bytes,
    pub(crate) local_tag: Bytes,
    /// The To of our requests, with its tag once the peer has given one.
    pub(crate) remote: Bytes,
    pub(crate) remote_tag: Option<Bytes>,
    /// Where requests are for: the peer's Contact.
    pub(crate) target: Bytes,
    /// Route values, first hop first.
    routes: Vec<Bytes>,
    local_seq: u32,
    remote_seq: Option<u32>,
}

/// A header that a dialog needs is missing or unreadable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Incomplete(pub(crate) HeaderName);

/// A request that is out of order (RFC 3261 §12.2.2): it is answered 500.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OutOfOrder;

impl Dialog {
    /// The callee's side, from the INVITE that it answers (§12.1.1).
    pub(crate) fn callee(invite: &Request, local_tag: Bytes) -> Result<Self, Incomplete> {
        let headers = &invite.headers;
        let copy = |id| {
            let value = headers.first(id).ok_or(Incomplete(id))?;
            Ok(Bytes::from(sip::unfold(value).into_owned()))
        };
        let remote = copy(HeaderName::From)?;
        let mut local = copy(HeaderName::To)?.to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(&local_tag);
        let remote_tag = tag_of(&remote);
        Ok(Self {
            call_id: copy(HeaderName::CallId)?,
            local: Bytes::from(local),
            local_tag,
            remote,
            remote_tag,
            target: contact(headers).ok_or(Incomplete(HeaderName::Contact))?,
            routes: record_routes(headers).collect(),
            local_seq: 0,
            remote_seq: cseq(headers),
        })
    }

    /// The caller's side, before its INVITE is sent: `from` and `to` are URIs, `routes` the way out.
    pub(crate) fn caller(
        call_id: Bytes,
        from: &str,
        to: &str,
        local_tag: Bytes,
        routes: Vec<Bytes>,
    ) -> Self {
        let mut local = format!("<{from}>;tag=").into_bytes();
        local.extend_from_slice(&local_tag);
        Self {
            call_id,
            local: Bytes::from(local),
            local_tag,
            remote: Bytes::from(format!("<{to}>")),
            remote_tag: None,
            target: Bytes::copy_from_slice(to.as_bytes()),
            routes,
            local_seq: 0,
            remote_seq: None,
        }
    }

    /// The answer is there: the peer's tag, its Contact, and the way that the answer recorded
    /// (§12.1.2). It replaces the way that the INVITE took.
    pub(crate) fn establish(&mut self, response: &Response) {
        let headers = &response.headers;
        if let Some(to) = headers.first(HeaderName::To) {
            self.remote = Bytes::from(sip::unfold(to).into_owned());
            self.remote_tag = tag_of(&self.remote);
        }
        self.routes = record_routes(headers).collect();
        self.routes.reverse();
        self.refresh(headers);
    }

    /// Target refresh (§12.2.1.2, §12.2.2): the peer's Contact may have moved.
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// Whether a request of the peer belongs here (§12.2.2): same Call-ID, and From has its tag.
    pub(crate) fn owns(&self, headers: &Headers) -> bool {
        let tag = headers.first(HeaderName::From).and_then(tag_of);
        headers.first(HeaderName::CallId) == Some(&self.call_id[..]) && tag == self.remote_tag
    }

    /// Whether a request comes from a callee whom the INVITE of this dialog has reached and who has
    /// not answered: same Call-ID, and a tag of which nothing is known yet (§12.1).
    pub(crate) fn expects(&self, headers: &Headers) -> bool {
        let tag = headers.first(HeaderName::From).and_then(tag_of);
        headers.first(HeaderName::CallId) == Some(&self.call_id[..])
            && self.remote_tag.is_none()
            && tag.is_some()
    }

    /// Takes the number of a request of the peer other than ACK and CANCEL (§12.2.2).
    pub(crate) fn advance(&mut self, headers: &Headers) -> Result<(), OutOfOrder> {
        let number = cseq(headers).ok_or(OutOfOrder)?;
        if self.remote_seq.is_some_and(|last| number <= last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(number);
        Ok(())
    }

    /// The number of the last request of ours.
    pub(crate) fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// The next request of ours (§12.2.1.1), all but its Via and body.
    pub(crate) fn request(&mut self, method: &str, via: &[u8], forwards: u32) -> Option<Request> {
        self.local_seq = self.local_seq.wrapping_add(1) & (i32::MAX as u32);
        self.numbered(method, via, forwards, self.local_seq)
    }

    /// The ACK to a 2xx of the request with this number (§13.2.2.4).
    pub(crate) fn ack(&self, number: u32, via: &[u8]) -> Option<Request> {
        self.numbered("ACK", via, FORWARDS, number)
    }

    fn numbered(&self, method: &str, via: &[u8], forwards: u32, number: u32) -> Option<Request> {
        let (uri, routes) = self.way();
        let mut request = Request::new(method.as_bytes(), &uri).ok()?;
        let headers = &mut request.headers;
        headers.append(b"Via", via).ok()?;
        headers
            .append(b"Max-Forwards", forwards.to_string().as_bytes())
            .ok()?;
        for route in &routes {
            headers.append(b"Route", route).ok()?;
        }
        headers.append(b"From", &self.local).ok()?;
        headers.append(b"To", &self.remote).ok()?;
        headers.append(b"Call-ID", &self.call_id).ok()?;
        headers
            .append(b"CSeq", format!("{number} {method}").as_bytes())
            .ok()?;
        Some(request)
    }

    /// Request-URI and Route values; a first hop without `lr` is a strict router and gets the
    /// request addressed to itself (§12.2.1.1).
    fn way(&self) -> (Bytes, Vec<Bytes>) {
        let strict = self.routes.first().filter(|route| !is_loose(route));
        match strict.and_then(|route| NameAddr::parse(route).ok()) {
            None => (self.target.clone(), self.routes.clone()),
            Some(first) => {
                let mut routes: Vec<_> = self.routes.iter().skip(1).cloned().collect();
                routes.push(Bytes::from([b"<", &self.target[..], b">"].concat()));
                (Bytes::copy_from_slice(first.uri), routes)
            }
        }
    }

    /// The Request-URI of requests of ours.
    pub(crate) fn request_uri(&self) -> Bytes {
        self.way().0
    }

    /// The URI whose host a request is sent to (§8.1.2): the first hop, or the target.
    pub(crate) fn next_hop(&self) -> Bytes {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        first.map_or_else(
            || self.target.clone(),
            |first| Bytes::copy_from_slice(first.uri),
        )
    }
}

/// The `tag` of a From or To value.
pub(crate) fn tag_of(value: impl AsRef<[u8]>) -> Option<Bytes> {
    NameAddr::parse(value.as_ref())
        .ok()?
        .tag()
        .map(Bytes::copy_from_slice)
}

/// The number of CSeq.
pub(crate) fn cseq(headers: &Headers) -> Option<u32> {
    Some(CSeq::parse(headers.first(HeaderName::CSeq)?).ok()?.number)
}

fn contact(headers: &Headers) -> Option<Bytes> {
    let contact = NameAddr::parse(headers.top(HeaderName::Contact)?).ok()?;
    Uri::parse(contact.uri)
        .ok()
        .map(|_| Bytes::copy_from_slice(contact.uri))
}

fn record_routes(headers: &Headers) -> impl Iterator<Item = Bytes> {
    headers
        .list(HeaderName::RecordRoute)
        .take(ROUTES_MAX)
        .map(|value| Bytes::from(sip::unfold(value).into_owned()))
}

fn is_loose(route: &[u8]) -> bool {
    NameAddr::parse(route)
        .and_then(|route| route.uri())
        .is_ok_and(|uri| uri.params.has(b"lr"))
}

/// Max-Forwards of a request that begins here (§8.1.1.6).
pub(crate) const FORWARDS: u32 = 70;

/// Hops of a route set at most.
const ROUTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP p2;branch=z9hG4bK1\r\n\
        Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nFrom: \"A\" <sip:alice@a.example>;tag=a1\r\n\
        To: <sip:bob@b.example>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
        Contact: <sip:alice@192.0.2.1:5070>\r\n\r\n";

    fn request(text: &str) -> Request {
        match sip::parse(
            Bytes::copy_from_slice(text.as_bytes()),
            &sip::Limits::default(),
        ) {
            Ok(sip::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn response(text: &str) -> Response {
        match sip::parse(
            Bytes::copy_from_slice(text.as_bytes()),
            &sip::Limits::default(),
        ) {
            Ok(sip::Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    fn text(request: &Request) -> String {
        String::from_utf8(request.to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_callee_keeps_the_order_of_the_recorded_way() {
        let mut dialog = Dialog::callee(&request(INVITE), Bytes::from_static(b"t2")).unwrap();
        assert_eq!(&dialog.next_hop()[..], b"sip:p2;lr");
        assert_eq!(
            text(
                &dialog
                    .request("BYE", b"SIP/2.0/UDP me;branch=z9hG4bK9", FORWARDS)
                    .unwrap()
            ),
            "BYE sip:alice@192.0.2.1:5070 SIP/2.0\r\nVia: SIP/2.0/UDP me;branch=z9hG4bK9\r\n\
             Max-Forwards: 70\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n\
             From: <sip:bob@b.example>;tag=t2\r\nTo: \"A\" <sip:alice@a.example>;tag=a1\r\n\
             Call-ID: c1\r\nCSeq: 1 BYE\r\n\r\n"
        );
    }

    #[test]
    fn the_caller_reverses_it() {
        let (from, to) = ("sip:me@d.example", "sip:carol@c.example");
        let tag = Bytes::from_static(b"m1");
        let mut dialog = Dialog::caller(Bytes::from_static(b"c2"), from, to, tag, Vec::new());
        let _ = dialog
            .request("INVITE", b"SIP/2.0/UDP me;branch=z9hG4bK9", 12)
            .unwrap();
        let early = |text: &str| dialog.expects(&request(text).headers);
        let update = INVITE.replace("Call-ID: c1", "Call-ID: c2");
        assert!(early(&update) && !early(INVITE));
        assert!(!early(&update.replace(";tag=a1", "")));
        dialog.establish(&response(
            "SIP/2.0 200 OK\r\nRecord-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n\
             To: <sip:carol@c.example>;tag=c9\r\nContact: <sip:carol@192.0.2.3>\r\n\r\n",
        ));
        assert!(!dialog.expects(&request(&update).headers));
        let ack = text(&dialog.ack(1, b"SIP/2.0/UDP me;branch=z9hG4bK10").unwrap());
        assert!(
            ack.starts_with("ACK sip:carol@192.0.2.3 SIP/2.0\r\n"),
            "{ack}"
        );
        assert!(
            ack.contains("Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"),
            "{ack}"
        );
        assert!(
            ack.contains("tag=c9\r\nCall-ID: c2\r\nCSeq: 1 ACK\r\n"),
            "{ack}"
        );
    }

    #[test]
    fn a_strict_router_gets_the_request_uri() {
        let strict = INVITE.replace("<sip:p2;lr>", "<sip:p2>");
        let mut dialog = Dialog::callee(&request(&strict), Bytes::from_static(b"t2")).unwrap();
        let bye = text(
            &dialog
                .request("BYE", b"SIP/2.0/UDP me;branch=z9hG4bK9", 70)
                .unwrap(),
        );
        assert!(bye.starts_with("BYE sip:p2 SIP/2.0\r\n"), "{bye}");
        assert_eq!(&dialog.request_uri()[..], b"sip:p2");
        assert!(
            bye.contains("Route: <sip:p1;lr>\r\nRoute: <sip:alice@192.0.2.1:5070>\r\n"),
            "{bye}"
        );
    }

    #[test]
    fn numbers_only_go_up() {
        let mut dialog = Dialog::callee(&request(INVITE), Bytes::from_static(b"t2")).unwrap();
        let numbered = |number: u32| request(&INVITE.replace("7 INVITE", &format!("{number} BYE")));
        assert_eq!(dialog.advance(&numbered(7).headers), Err(OutOfOrder));
        assert_eq!(dialog.advance(&numbered(9).headers), Ok(()));
        assert_eq!(dialog.advance(&numbered(8).headers), Err(OutOfOrder));
        assert!(dialog.owns(&numbered(10).headers));
        assert!(!dialog.owns(&request(&INVITE.replace("tag=a1", "tag=x")).headers));
    }

    #[test]
    fn an_invite_without_contact_makes_no_dialog() {
        let bare = INVITE.replace("Contact: <sip:alice@192.0.2.1:5070>\r\n", "");
        let dialog = Dialog::callee(&request(&bare), Bytes::from_static(b"t2"));
        assert_eq!(dialog.map(drop), Err(Incomplete(HeaderName::Contact)));
    }
}
