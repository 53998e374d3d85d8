//! What the generator reads of a message: enough to answer it, to match it, and to notice that it is broken.

use memchr::memchr;

/// Header lines of one name that are kept; more make a message malformed.
pub(super) const LINES: usize = 16;

/// Methods that the generator knows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Method {
    Ack,
    Bye,
    Cancel,
    Info,
    Invite,
    Options,
    Register,
}

impl Method {
    pub(super) const ALL: [Self; 7] = [
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Info,
        Self::Invite,
        Self::Options,
        Self::Register,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Info => "INFO",
            Self::Invite => "INVITE",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|method| method.name().as_bytes() == name)
    }
}

/// The first line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    Request(Method),
    Response(u16),
}

/// Whole header lines of one name, with their line ends, in the order in which they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'a> {
    lines: [&'a [u8]; LINES],
    count: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        &self.lines[..self.count]
    }

    fn push(&mut self, line: &'a [u8]) -> Option<()> {
        *self.lines.get_mut(self.count)? = line;
        self.count += 1;
        Some(())
    }
}

/// A message, as slices of the datagram that it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) start: Start,
    pub(super) via: Lines<'a>,
    pub(super) record_route: Lines<'a>,
    /// Values without the blanks around them.
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) sequence: u32,
    /// The method in CSeq.
    pub(super) method: Method,
    pub(super) contact: &'a [u8],
    pub(super) extensions: Extensions,
}

/// The X- headers of a request: what the proxy in the middle was told to do with them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extensions {
    /// `X-Internal-`, which it takes off.
    pub(super) internal: u16,
    /// `X-Keep`, which it leaves.
    pub(super) kept: u16,
    pub(super) other: u16,
}

impl<'a> Seen<'a> {
    /// `None`: not a SIP message with the mandatory headers, or its body is not as long as it says.
    ///
    /// Names must be written in full and no line may be folded: no proxy rewrites what it was sent to either.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut rest = datagram;
        let start = start(trim(line(&mut rest)?))?;
        let none = Lines {
            lines: [&[]; LINES],
            count: 0,
        };
        let (mut via, mut record_route) = (none, none);
        let (mut from, mut to, mut call_id, mut contact): (&[u8], &[u8], &[u8], &[u8]) =
            (&[], &[], &[], &[]);
        let (mut cseq, mut length) = (None, None);
        let mut extensions = Extensions::default();
        loop {
            let line = line(&mut rest)?;
            let Some(colon) = memchr(b':', line) else {
                if line == b"\r\n" {
                    break;
                }
                return None;
            };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            // The length tells most names apart before a byte of them is compared.
            match name.len() {
                2 if name.eq_ignore_ascii_case(b"to") => to = trim(value),
                3 if name.eq_ignore_ascii_case(b"via") => via.push(line)?,
                4 if name.eq_ignore_ascii_case(b"from") => from = trim(value),
                4 if name.eq_ignore_ascii_case(b"cseq") => cseq = self::cseq(trim(value)),
                7 if name.eq_ignore_ascii_case(b"call-id") => call_id = trim(value),
                7 if name.eq_ignore_ascii_case(b"contact") => contact = trim(value),
                12 if name.eq_ignore_ascii_case(b"record-route") => record_route.push(line)?,
                14 if name.eq_ignore_ascii_case(b"content-length") => length = number(trim(value)),
                _ if matches!(name, [b'X' | b'x', b'-', ..]) => extensions.count(name),
                _ => {}
            }
        }
        let (sequence, method) = cseq?;
        let whole = length == u32::try_from(rest.len()).ok();
        let complete = whole && via.count > 0 && !from.is_empty() && !to.is_empty();
        (complete && !call_id.is_empty()).then_some(Self {
            start,
            via,
            record_route,
            from,
            to,
            call_id,
            sequence,
            method,
            contact,
            extensions,
        })
    }
}

impl Extensions {
    fn count(&mut self, name: &[u8]) {
        let starts = |with: &[u8]| {
            name.get(..with.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(with))
        };
        let counter = if starts(b"X-Internal-") {
            &mut self.internal
        } else if starts(b"X-Keep") {
            &mut self.kept
        } else {
            &mut self.other
        };
        *counter = counter.saturating_add(1);
    }
}

/// The URI of a Contact or of a route: what stands between the angle brackets, or all up to a parameter.
pub(super) fn uri(value: &[u8]) -> &[u8] {
    match (memchr(b'<', value), memchr(b'>', value)) {
        (Some(start), Some(end)) if start < end => &value[start + 1..end],
        _ => trim(&value[..memchr(b';', value).unwrap_or(value.len())]),
    }
}

/// Takes a line with its end off the front.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr(b'\n', rest)? + 1;
    let (line, after) = rest.split_at(end);
    *rest = after;
    Some(line)
}

fn start(line: &[u8]) -> Option<Start> {
    if let Some(status) = line.strip_prefix(b"SIP/2.0 ") {
        let status = number(status.get(..3)?)?;
        return (100..700)
            .contains(&status)
            .then_some(Start::Response(status as u16));
    }
    let request = line.strip_suffix(b" SIP/2.0")?;
    Method::of(&request[..memchr(b' ', request)?]).map(Start::Request)
}

fn cseq(value: &[u8]) -> Option<(u32, Method)> {
    let blank = memchr(b' ', value)?;
    Some((number(&value[..blank])?, Method::of(trim(&value[blank..]))?))
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

pub(super) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK1\r\n\
        Record-Route: <sip:127.0.0.1:5060;lr;r=b>\r\nRecord-Route: <sip:10.0.0.1;lr;r=a>\r\n\
        FROM: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID:  abc \r\nCSeq: 17 INVITE\r\n\
        Contact: \"x\" <sip:c@127.0.0.1:5070;x=y>;q=1\r\nX-Internal-Foo: 1\r\nX-Keep: 2\r\nX-Trunk: 3\r\n\
        Content-Length: 3\r\n\r\nv=0";

    #[test]
    fn what_is_needed_is_found() {
        let seen = Seen::read(ANSWER.as_bytes()).unwrap();
        assert_eq!(seen.start, Start::Response(200));
        assert_eq!((seen.sequence, seen.method), (17, Method::Invite));
        assert_eq!(seen.call_id, b"abc");
        assert_eq!(seen.to, b"<sip:c@d>;tag=2");
        assert_eq!(uri(seen.contact), b"sip:c@127.0.0.1:5070;x=y");
        assert_eq!(seen.record_route.as_slice().len(), 2);
        assert_eq!(seen.via.as_slice().len(), 1);
        let Extensions {
            internal,
            kept,
            other,
        } = seen.extensions;
        assert_eq!((internal, kept, other), (1, 1, 1));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let broken = [
            ANSWER.replace("200 OK", "20"),
            ANSWER.replace("Content-Length: 3", "Content-Length: 4"),
            ANSWER.replace("Content-Length: 3\r\n", ""),
            ANSWER.replace("CSeq: 17 INVITE", "CSeq: 17"),
            ANSWER.replace("CSeq: 17 INVITE", "CSeq: 99999999999 INVITE"),
            ANSWER.replace("Call-ID", "Call-IX"),
            ANSWER.replace("Via", "Vib"),
            ANSWER.replace("Contact: \"x\" <sip:c@127.0.0.1:5070;x=y>;q=1", "Contact"),
            ANSWER.replace("SIP/2.0 200 OK", "FOO sip:a SIP/2.0"),
            "Via: x\r\n".repeat(LINES + 1) + ANSWER,
        ];
        for message in broken {
            assert!(Seen::read(message.as_bytes()).is_none(), "{message}");
        }
        for cut in 0..ANSWER.len() {
            assert!(Seen::read(&ANSWER.as_bytes()[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_uri_with_and_without_brackets() {
        assert_eq!(uri(b"<sip:a@b;lr>;x"), b"sip:a@b;lr");
        assert_eq!(uri(b"sip:a@b ;x"), b"sip:a@b");
        assert_eq!(uri(b"><"), b"><");
    }
}
