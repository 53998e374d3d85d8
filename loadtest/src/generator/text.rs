//! The messages: templates with places of fixed width that are filled in, and pieces put together.

use std::net::SocketAddrV4;

use super::seen::{Lines, Method, Seen};

/// Bytes of [`Id`] as text: three hexadecimal numbers.
pub(super) const ID: usize = 24;
/// Bytes of a transaction's number as text.
const TRANSACTION: usize = 4;
/// What each of a template's places is filled with, in the template's text.
const ID_MARK: &str = "@ID_ID_ID_ID_ID_ID_ID_ID";
const TRANSACTION_MARK: &str = "@TX@";

/// Which call: in Call-ID, tags and branches, so that a message finds its call without a search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Id {
    /// Random, one for a run: what an earlier one left behind is not ours.
    pub(super) run: u32,
    pub(super) slot: u32,
    /// Counts the calls of a run.
    pub(super) number: u32,
}

impl Id {
    pub(super) fn text(self) -> [u8; ID] {
        let mut text = [0; ID];
        hex(self.run, &mut text[..8]);
        hex(self.slot, &mut text[8..16]);
        hex(self.number, &mut text[16..]);
        text
    }

    /// What a Call-ID of ours begins with.
    pub(super) fn read(call_id: &[u8]) -> Option<Self> {
        let text = call_id.get(..ID)?;
        Some(Self {
            run: unhex(&text[..8])?,
            slot: unhex(&text[8..16])?,
            number: unhex(&text[16..])?,
        })
    }
}

/// A message of which only the call and the transaction differ.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: Vec<u8>,
    ids: Vec<usize>,
    transactions: Vec<usize>,
}

impl Template {
    fn new(text: &str) -> Self {
        let places = |mark: &str| text.match_indices(mark).map(|(place, _)| place).collect();
        Self {
            ids: places(ID_MARK),
            transactions: places(TRANSACTION_MARK),
            text: text.as_bytes().to_vec(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, id: &[u8; ID], transaction: u16) {
        let start = out.len();
        out.extend_from_slice(&self.text);
        let out = &mut out[start..];
        for place in &self.ids {
            out[*place..place + ID].copy_from_slice(id);
        }
        let transaction = short(transaction);
        for place in &self.transactions {
            out[*place..place + TRANSACTION].copy_from_slice(&transaction);
        }
    }
}

/// The constant texts of one caller address.
#[derive(Clone, Debug)]
pub(super) struct CallerTexts {
    pub(super) invite: Template,
    pub(super) cancel: Template,
    pub(super) register: Template,
    pub(super) options: Template,
    /// The Request-URI of a new call: the ACK of a refusal repeats it (RFC 3261 §17.1.1.3).
    pub(super) uri: Vec<u8>,
    /// The line up to the branch's variable part.
    via: Vec<u8>,
    /// The value of From up to the variable part of the tag.
    from: Vec<u8>,
    contact: Vec<u8>,
    /// The body of an INVITE inside a dialog.
    body: Vec<u8>,
}

/// The constant texts of the callee.
#[derive(Clone, Debug)]
pub(super) struct CalleeTexts {
    via: Vec<u8>,
    contact: Vec<u8>,
    body: Vec<u8>,
}

impl CallerTexts {
    pub(super) fn new(local: SocketAddrV4, uri: &str) -> Self {
        let host = local.ip();
        let body = format!(
            "v=0\r\no=user1 53655765 2353687637 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio 6000 RTP/AVP 9 0 8 18 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let via = format!("Via: SIP/2.0/UDP {local};branch=z9hG4bK");
        let from = format!("caller <sip:+14155550100@{local}>;tag=");
        let contact = format!("Contact: <sip:caller@{local}>\r\n");
        let top = format!(
            "{via}{ID_MARK}{TRANSACTION_MARK}\r\nFrom: {from}{ID_MARK}\r\nTo: <{uri}>\r\nCall-ID: {ID_MARK}@{host}\r\n"
        );
        let invite = format!(
            "INVITE {uri} SIP/2.0\r\n{top}CSeq: 1 INVITE\r\n{contact}Max-Forwards: 70\r\n\
             Subject: Performance Test\r\nX-Internal-Foo: strip-me\r\nX-Keep: AC0123456789\r\n\
             X-Campaign: spring-sale\r\nUser-Agent: carrier-sbc/1.0\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY\r\nSupported: 100rel, timer, replaces\r\n\
             P-Asserted-Identity: <sip:+14155550100@carrier.example>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let plain = |method: Method, extra: &str| {
            let name = method.name();
            Template::new(&format!(
                "{name} {uri} SIP/2.0\r\n{top}CSeq: 1 {name}\r\n{extra}Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            ))
        };
        Self {
            invite: Template::new(&invite),
            cancel: plain(Method::Cancel, ""),
            register: plain(
                Method::Register,
                &format!("{contact}Expires: 3600\r\nUser-Agent: carrier-sbc/1.0\r\n"),
            ),
            options: plain(
                Method::Options,
                &format!("{contact}Accept: application/sdp\r\nUser-Agent: carrier-sbc/1.0\r\n"),
            ),
            uri: uri.as_bytes().to_vec(),
            via: via.into_bytes(),
            from: from.into_bytes(),
            contact: contact.into_bytes(),
            body: body.into_bytes(),
        }
    }

    /// A request inside the dialog, or the ACK of any final response.
    pub(super) fn within(&self, out: &mut Vec<u8>, id: &[u8; ID], request: &Within<'_>) {
        let from = Party {
            via: &self.via,
            contact: &self.contact,
            body: &self.body,
        };
        from.request(out, id, request, |out| {
            out.extend_from_slice(&self.from);
            out.extend_from_slice(id);
        });
    }
}

impl CalleeTexts {
    pub(super) fn new(local: SocketAddrV4) -> Self {
        let host = local.ip();
        Self {
            via: format!("Via: SIP/2.0/UDP {local};branch=z9hG4bK").into_bytes(),
            contact: format!("Contact: <sip:callee@{local}>\r\n").into_bytes(),
            body: format!(
                "v=0\r\no=user1 53655765 2353687637 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
                 m=audio 6002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
            )
            .into_bytes(),
        }
    }

    /// A request inside the dialog. `from` is the value of From with its tag.
    pub(super) fn within(
        &self,
        out: &mut Vec<u8>,
        id: &[u8; ID],
        from: &[u8],
        request: &Within<'_>,
    ) {
        let party = Party {
            via: &self.via,
            contact: &self.contact,
            body: &self.body,
        };
        party.request(out, id, request, |out| out.extend_from_slice(from));
    }

    /// A response to the INVITE that made this `echo`, see [`echo`].
    pub(super) fn response(&self, out: &mut Vec<u8>, status: u16, echo: &[u8]) {
        status_line(out, status);
        out.extend_from_slice(echo);
        // A dialog is only made by these (RFC 3261 §12.1.1); a refusal's Contact would mean something else.
        if status < 300 {
            out.extend_from_slice(&self.contact);
        }
        if status == 200 {
            self.session(out);
        } else {
            out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        }
    }

    /// 200 to anything else, or to an INVITE inside a dialog. `tag` is added to To when it has none.
    pub(super) fn accept(&self, out: &mut Vec<u8>, request: &Seen<'_>, tag: &[u8; ID]) {
        status_line(out, 200);
        echo(out, request, tag, false);
        if request.method == Method::Invite {
            out.extend_from_slice(&self.contact);
            self.session(out);
        } else {
            out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        }
    }

    fn session(&self, out: &mut Vec<u8>) {
        session(out, &self.body);
    }
}

/// A request other than the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within<'a> {
    pub(super) method: Method,
    pub(super) sequence: u32,
    /// Tells the branches of a call apart.
    pub(super) transaction: u16,
    pub(super) uri: &'a [u8],
    /// Whole Route lines.
    pub(super) routes: &'a [u8],
    /// The value of To.
    pub(super) to: &'a [u8],
    /// The value of Call-ID.
    pub(super) call_id: &'a [u8],
}

/// What a side puts into each of its requests.
struct Party<'a> {
    via: &'a [u8],
    contact: &'a [u8],
    body: &'a [u8],
}

impl Party<'_> {
    fn request(
        &self,
        out: &mut Vec<u8>,
        id: &[u8; ID],
        request: &Within<'_>,
        from: impl FnOnce(&mut Vec<u8>),
    ) {
        let method = request.method.name().as_bytes();
        put(
            out,
            &[method, b" ", request.uri, b" SIP/2.0\r\n", self.via, id],
        );
        out.extend_from_slice(&short(request.transaction));
        put(out, &[b"\r\n", request.routes, b"From: "]);
        from(out);
        put(
            out,
            &[
                b"\r\nTo: ",
                request.to,
                b"\r\nCall-ID: ",
                request.call_id,
                b"\r\nCSeq: ",
            ],
        );
        decimal(out, request.sequence);
        put(out, &[b" ", method, b"\r\nMax-Forwards: 70\r\n"]);
        if request.method == Method::Invite {
            out.extend_from_slice(self.contact);
            session(out, self.body);
        } else {
            out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        }
    }
}

/// The lines that a response repeats (RFC 3261 §8.2.6.2): Via, From, To with a tag, Call-ID, CSeq, and
/// Record-Route in those that make a dialog.
pub(super) fn echo(out: &mut Vec<u8>, request: &Seen<'_>, tag: &[u8; ID], routes: bool) {
    for line in request.via.as_slice() {
        out.extend_from_slice(line);
    }
    if routes {
        for line in request.record_route.as_slice() {
            out.extend_from_slice(line);
        }
    }
    put(out, &[b"From: ", request.from, b"\r\nTo: ", request.to]);
    if !has_tag(request.to) {
        out.extend_from_slice(b";tag=");
        out.extend_from_slice(tag);
    }
    put(out, &[b"\r\nCall-ID: ", request.call_id, b"\r\nCSeq: "]);
    decimal(out, request.sequence);
    put(out, &[b" ", request.method.name().as_bytes(), b"\r\n"]);
}

/// Whether a From or To value carries a tag. Ours have no parameter inside a quoted name.
pub(super) fn has_tag(value: &[u8]) -> bool {
    memchr::memmem::find(value, b";tag=").is_some()
}

/// Route lines of the caller's side: the Record-Route lines of a response turned round (RFC 3261 §12.1.2).
pub(super) fn routes_of_response(out: &mut Vec<u8>, lines: &Lines<'_>) {
    for line in lines.as_slice().iter().rev() {
        // More than one URI in a line turn round inside it too.
        let value = value(line);
        if memchr::memchr(b',', value).is_none() {
            route(out, value);
        } else {
            value
                .rsplit(|byte| *byte == b',')
                .for_each(|uri| route(out, uri.trim_ascii()));
        }
    }
}

/// Route lines of the callee's side: the Record-Route lines of the request as they are (§12.1.1).
pub(super) fn routes_of_request(out: &mut Vec<u8>, lines: &Lines<'_>) {
    lines
        .as_slice()
        .iter()
        .for_each(|line| route(out, value(line)));
}

fn route(out: &mut Vec<u8>, value: &[u8]) {
    put(out, &[b"Route: ", value, b"\r\n"]);
}

fn value(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).map_or(0, |colon| colon + 1);
    line[colon..].trim_ascii()
}

fn session(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(b"Content-Type: application/sdp\r\nContent-Length: ");
    decimal(out, body.len() as u32);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

fn status_line(out: &mut Vec<u8>, status: u16) {
    let line: &[u8] = match status {
        180 => b"SIP/2.0 180 Ringing\r\n",
        200 => b"SIP/2.0 200 OK\r\n",
        404 => b"SIP/2.0 404 Not Found\r\n",
        486 => b"SIP/2.0 486 Busy Here\r\n",
        487 => b"SIP/2.0 487 Request Terminated\r\n",
        _ => b"SIP/2.0 503 Service Unavailable\r\n",
    };
    out.extend_from_slice(line);
}

fn put(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

fn decimal(out: &mut Vec<u8>, number: u32) {
    let mut digits = [0; 10];
    let mut first = digits.len();
    let mut rest = number;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

fn short(number: u16) -> [u8; TRANSACTION] {
    let mut text = [0; TRANSACTION];
    hex(number.into(), &mut text);
    text
}

/// The lowest digits of a number, as many as there is room.
fn hex(number: u32, out: &mut [u8]) {
    let mut rest = number;
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
}

fn unhex(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u32::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::seen::{Start, uri};
    use super::*;

    const PEER: &str = "sip:+14158675309@127.0.0.1:5060";

    fn texts() -> CallerTexts {
        CallerTexts::new("127.0.0.1:5080".parse().unwrap(), PEER)
    }

    fn callee() -> CalleeTexts {
        CalleeTexts::new("127.0.0.1:5070".parse().unwrap())
    }

    fn id() -> Id {
        Id {
            run: 0xdead_beef,
            slot: 42,
            number: 7,
        }
    }

    #[test]
    fn an_id_is_read_back_from_a_call_id() {
        let text = id().text();
        assert_eq!(Id::read(&text), Some(id()));
        assert_eq!(Id::read(b"deadbeef0000002a00000007@host"), Some(id()));
        assert_eq!(Id::read(b"deadbeef0000002a0000000"), None);
        assert_eq!(Id::read(b"deadbeef0000002a0000000Z"), None);
    }

    #[test]
    fn the_invite_is_a_kilobyte_of_sip_with_its_places_filled() {
        let mut out = b"before".to_vec();
        texts().invite.write(&mut out, &id().text(), 0x1a);
        let message = &out[6..];
        assert!((950..1100).contains(&message.len()), "{}", message.len());
        let seen = Seen::read(message).unwrap();
        assert_eq!(seen.start, Start::Request(Method::Invite));
        assert_eq!(Id::read(seen.call_id), Some(id()));
        assert_eq!(uri(seen.contact), b"sip:caller@127.0.0.1:5080");
        let text = std::str::from_utf8(message).unwrap();
        assert!(
            text.contains(";branch=z9hG4bKdeadbeef0000002a00000007001a\r\n"),
            "{text}"
        );
        assert!(!text.contains('@'.to_string().repeat(2).as_str()) && !text.contains("@TX"));
        assert_eq!(text.split("\r\n\r\n").next().unwrap().lines().count(), 18);
    }

    #[test]
    fn a_dialog_is_made_and_used_from_both_sides() {
        let id = id().text();
        let mut invite = Vec::new();
        texts().invite.write(&mut invite, &id, 0);
        let through = String::from_utf8(invite).unwrap().replace(
            "From:",
            "Record-Route: <sip:b;lr>\r\nRecord-Route: <sip:a;lr>, <sip:z;lr>\r\nFrom:",
        );
        let invite = Seen::read(through.as_bytes()).unwrap();

        let mut kept = Vec::new();
        echo(&mut kept, &invite, &id, true);
        let mut answer = Vec::new();
        callee().response(&mut answer, 200, &kept);
        let answer = Seen::read(&answer).unwrap();
        assert_eq!(answer.start, Start::Response(200));
        assert!(has_tag(answer.to));

        let mut routes = Vec::new();
        routes_of_response(&mut routes, &answer.record_route);
        let expected = "Route: <sip:z;lr>\r\nRoute: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\n";
        assert_eq!(String::from_utf8(routes.clone()).unwrap(), expected);
        let mut bye = Vec::new();
        let request = Within {
            method: Method::Bye,
            sequence: 4_294_967_295,
            transaction: 3,
            uri: uri(answer.contact),
            routes: &routes,
            to: answer.to,
            call_id: answer.call_id,
        };
        texts().within(&mut bye, &id, &request);
        let text = String::from_utf8(bye).unwrap();
        assert!(
            text.starts_with("BYE sip:callee@127.0.0.1:5070 SIP/2.0\r\nVia: "),
            "{text}"
        );
        assert!(text.contains("\r\nCSeq: 4294967295 BYE\r\n"), "{text}");
        assert!(Seen::read(text.as_bytes()).is_some(), "{text}");

        let mut routes = Vec::new();
        routes_of_request(&mut routes, &invite.record_route);
        let expected = "Route: <sip:b;lr>\r\nRoute: <sip:a;lr>, <sip:z;lr>\r\n";
        assert_eq!(String::from_utf8(routes).unwrap(), expected);
    }

    #[test]
    fn a_refusal_has_no_contact_and_no_body() {
        let id = id().text();
        let mut invite = Vec::new();
        texts().invite.write(&mut invite, &id, 0);
        let mut kept = Vec::new();
        echo(&mut kept, &Seen::read(&invite).unwrap(), &id, true);
        for status in [404, 486, 487, 503] {
            let mut out = Vec::new();
            callee().response(&mut out, status, &kept);
            let seen = Seen::read(&out).unwrap();
            assert_eq!(seen.start, Start::Response(status));
            assert!(seen.contact.is_empty() && has_tag(seen.to));
        }
    }

    #[test]
    fn a_reinvite_is_answered_with_a_session() {
        let id = id().text();
        let mut out = Vec::new();
        let request = Within {
            method: Method::Invite,
            sequence: 2,
            transaction: 2,
            uri: b"sip:callee@127.0.0.1:5070",
            routes: b"",
            to: b"<sip:x@y>;tag=1",
            call_id: b"abc",
        };
        texts().within(&mut out, &id, &request);
        let seen = Seen::read(&out).unwrap();
        assert!(!seen.contact.is_empty());
        let mut answer = Vec::new();
        callee().accept(&mut answer, &seen, &id);
        let seen = Seen::read(&answer).unwrap();
        assert_eq!((seen.sequence, seen.method), (2, Method::Invite));
        assert_eq!(seen.to, b"<sip:x@y>;tag=1");
    }
}
