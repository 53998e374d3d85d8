//! What the message tests share.

use bytes::Bytes;
use sip::frame::{Frame, Framer};
use sip::{HeaderName, Limits, Message, Request, Response};

/// Parses with the default limits.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message, sip::ParseError> {
    sip::parse(Bytes::copy_from_slice(bytes), &Limits::default())
}

pub(crate) fn request(bytes: &[u8]) -> Request {
    match parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}: {}", bytes.escape_ascii()),
    }
}

pub(crate) fn response(bytes: &[u8]) -> Response {
    match parse(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}: {}", bytes.escape_ascii()),
    }
}

/// An INVITE with `extra` header lines, `length` as its Content-Length line, and `rest` behind the
/// empty line.
pub(crate) fn invite(extra: &str, length: &str, rest: &str) -> Vec<u8> {
    format!(
        "INVITE sip:b@example.com SIP/2.0\r\n\
         Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKs1\r\n\
         From: <sip:a@example.org>;tag=1\r\n\
         To: <sip:b@example.com>\r\n\
         Call-ID: s1\r\n\
         CSeq: 1 INVITE\r\n\
         {extra}{length}\r\n{rest}"
    )
    .into_bytes()
}

/// A request that must never be seen when it stands behind a doubtful one.
pub(crate) const SMUGGLED: &str =
    "INVITE sip:x@example.com SIP/2.0\r\nX-Smug: 1\r\nContent-Length: 0\r\n\r\n";

/// What an element does with a datagram, as far as this crate decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on to filters and routing.
    Accept,
    /// It is answered with this status.
    Answer(u16),
    /// It is dropped without an answer.
    Drop,
}

impl Verdict {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let limits = Limits::default();
        let datagram = Bytes::copy_from_slice(bytes);
        match sip::parse(datagram.clone(), &limits) {
            Ok(Message::Request(request)) => match sip::check_request(&request, &limits) {
                Ok(()) => Self::Accept,
                Err(_) => Self::answer(&request, 400),
            },
            Ok(Message::Response(response)) => match sip::check_response(&response, &limits) {
                Ok(()) => Self::Accept,
                Err(_) => Self::Drop,
            },
            Err(error) => match sip::salvage(datagram, &limits) {
                Some(request) => Self::answer(&request, error.status().0),
                None => Self::Drop,
            },
        }
    }

    /// Whatever the request lacks, its answer is a message, with every Via that it had.
    fn answer(request: &Request, status: u16) -> Self {
        let reply = sip::Reply::new(request, status, "Refused")
            .to_tag(b"ours")
            .build();
        let again = response(&reply.to_bytes());
        assert_eq!(again.status(), status);
        assert!(
            again
                .headers
                .all(HeaderName::Via)
                .eq(request.headers.all(HeaderName::Via))
        );
        Self::Answer(status)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Answer(status) => write!(f, "{status}"),
            Self::Drop => f.write_str("drop"),
        }
    }
}

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) frames: Vec<Frame>,
    pub(crate) error: Option<sip::ParseError>,
    /// Whether the start of a message still waits for its rest.
    pub(crate) partial: bool,
}

impl Stream {
    /// Reads `bytes` as they arrive in `parts`.
    pub(crate) fn read<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut framer = Framer::new(Limits::default());
        let mut stream = Self {
            frames: Vec::new(),
            error: None,
            partial: false,
        };
        for part in parts {
            framer.push(part);
            while let Some(frame) = framer.next_frame() {
                match frame {
                    Ok(frame) => stream.frames.push(frame),
                    Err(fault) => {
                        assert!(stream.error.is_none(), "a second error");
                        stream.error = Some(fault.error);
                    }
                }
            }
        }
        stream.partial = framer.is_partial();
        stream
    }

    /// Reads `bytes` whole, byte by byte, and cut once at every place: all give the same.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let whole = Self::read([bytes]);
        assert_eq!(Self::read(bytes.chunks(1)), whole, "byte by byte");
        for cut in 1..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(Self::read([head, tail]), whole, "cut at {cut}");
        }
        whole
    }

    /// What came out in a few words: the number of messages, then the error or `partial`.
    pub(crate) fn summary(&self) -> String {
        let messages = match self.messages().count() {
            0 => None,
            1 => Some("message"),
            2 => Some("two"),
            _ => Some("many"),
        };
        let end = match self.error {
            Some(error) => Some(error.label()),
            None => self.partial.then_some("partial"),
        };
        let words: Vec<&str> = messages.into_iter().chain(end).collect();
        words.join(" ")
    }

    /// The messages among the frames.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Bytes> {
        self.frames.iter().filter_map(|frame| match frame {
            Frame::Message(bytes) => Some(bytes),
            Frame::Ping | Frame::Pong => None,
        })
    }
}
