//! What is kept of a request once it is on its way: little more than its 100.
//!
//! ```text
//! SIP/2.0 100 Trying │ Via … From To Call-ID CSeq Timestamp │ Content-Length: 0 │ method │ Call-ID │ Request-URI
//! └──────────────────────────── the 100 ───────────────────────────────────────┘
//! ```
//!
//! Those rows are all that an answer of ours takes from its request (RFC 3261 §8.2.6), so neither the
//! received bytes nor their index wait for the end of a call that rings.

use bytes::Bytes;
use sip::{HeaderName, HeaderSet, Limits, Message, Request};
use smallvec::SmallVec;

/// The rest of a request.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    text: Bytes,
    /// Where the 100 ends.
    trying: u32,
    /// Where the method ends.
    method: u32,
    /// Where the Call-ID ends.
    call_id: u32,
}

impl Kept {
    /// What is kept of `request`, which came with the Request-URI `ruri`, in one allocation.
    pub(crate) fn of(request: &Request, ruri: &[u8]) -> Self {
        let headers = &request.headers;
        let mut vias: SmallVec<[&[u8]; 8]> = SmallVec::new();
        let mut singles = [&[][..]; SINGLES];
        let mut call_id = &[][..];
        for (index, header) in headers.among(ANSWERED) {
            let line = headers.line(index).unwrap_or_default();
            let place = match header.id {
                HeaderName::From => 0,
                HeaderName::To => 1,
                HeaderName::CallId => 2,
                HeaderName::CSeq => 3,
                HeaderName::Timestamp => 4,
                _ => {
                    vias.push(line);
                    continue;
                }
            };
            if singles[place].is_empty() {
                singles[place] = line;
                if header.id == HeaderName::CallId {
                    call_id = header.value;
                }
            }
        }
        let method = request.method_bytes();
        let last = [END, method, call_id, ruri];
        let length = |parts: &[&[u8]]| parts.iter().map(|part| part.len()).sum::<usize>();
        let length = START.len() + length(&vias) + length(&singles) + length(&last);
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(START);
        for parts in [&vias[..], &singles, &last] {
            for part in parts {
                text.extend_from_slice(part);
            }
        }
        // A few times 64 KiB at most: each part is one of a message.
        let call_id_end = text.len() - ruri.len();
        let method_end = call_id_end - call_id.len();
        Self {
            trying: (method_end - method.len()) as u32,
            method: method_end as u32,
            call_id: call_id_end as u32,
            text: text.into(),
        }
    }

    /// The 100 (§17.2.1).
    pub(crate) fn trying(&self) -> Bytes {
        self.text.slice(..self.trying as usize)
    }

    /// The method as written.
    pub(crate) fn method(&self) -> &[u8] {
        self.part(self.trying, self.method)
    }

    /// The Call-ID.
    pub(crate) fn call_id(&self) -> &[u8] {
        self.part(self.method, self.call_id)
    }

    /// The Request-URI as received.
    pub(crate) fn ruri(&self) -> &[u8] {
        self.part(self.call_id, self.text.len() as u32)
    }

    fn part(&self, start: u32, end: u32) -> &[u8] {
        let part = self.text.get(start as usize..end as usize);
        part.unwrap_or_default()
    }

    /// A request that has the same answers.
    pub(crate) fn request(&self) -> Option<Request> {
        let rows = self.text.get(START.len()..self.trying as usize)?;
        let text = [self.method(), b" sip:_ SIP/2.0\r\n", rows].concat();
        // The rows were within the limits when they were received.
        match sip::parse(text.into(), &Limits::WIDEST) {
            Ok(Message::Request(request)) => Some(request),
            _ => None,
        }
    }
}

const START: &[u8] = b"SIP/2.0 100 Trying\r\n";
/// The rows behind Via, of which each is taken once (RFC 3261 §8.2.6).
const SINGLES: usize = 5;
/// All of the rows.
const ANSWERED: HeaderSet = HeaderSet::of(&[
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::Timestamp,
]);
const END: &[u8] = b"Content-Length: 0\r\n\r\n";

#[cfg(test)]
mod tests {
    use sip::Reply;

    use super::*;

    const TEXT: &str = "INVITE sip:b@example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP one.example;branch=z9hG4bK1, SIP/2.0/UDP two.example;branch=z9hG4bK2\r\n\
        Subject: a call\r\n\
        v: SIP/2.0/UDP three.example;branch=z9hG4bK3\r\n\
        t: <sip:b@example.com>\r\n\
        From: \"A\r\n\tB\" <sip:a@example.com>;tag=1\r\n\
        i: 7@one.example\r\n\
        Timestamp: 4.2\r\n\
        CSeq: 9 INVITE\r\n\
        Content-Length: 3\r\n\r\nabc";

    fn request(text: &str) -> Request {
        match sip::parse(Bytes::from(text.to_owned()), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("no request: {other:?}"),
        }
    }

    #[test]
    fn answers_are_those_of_the_request() {
        let request = request(TEXT);
        let kept = Kept::of(&request, b"sip:b@edge.example");
        assert_eq!(
            [kept.method(), kept.call_id(), kept.ruri()].map(String::from_utf8_lossy),
            ["INVITE", "7@one.example", "sip:b@edge.example"]
        );
        assert_eq!(
            kept.trying(),
            Reply::new(&request, 100, "Trying").build().to_bytes()
        );
        let same = kept.request().unwrap();
        for status in [100, 404, 503] {
            let answer = |to| {
                Reply::new(to, status, "Answer")
                    .to_tag(b"x")
                    .build()
                    .to_bytes()
            };
            assert_eq!(answer(&same), answer(&request), "{status}");
        }
    }

    #[test]
    fn methods_of_others() {
        let kept = Kept::of(&request(&TEXT.replace("INVITE", "JUGGLE")), b"");
        assert_eq!(kept.method(), b"JUGGLE");
        assert_eq!(kept.request().unwrap().method_bytes(), b"JUGGLE");
    }
}
