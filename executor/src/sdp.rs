//! Session descriptions: reading them, answering them, and passing them on (RFC 8866, RFC 3264).
//!
//! The executor speaks PCMU, PCMA and telephone-event. What two legs of a bridge say to each other
//! is passed on as it stands, only under an origin line of our own (RFC 3264 §5, §8: within one
//! dialog the session id stays and the version counts up).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// A description as far as it matters to a user agent.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    time: String,
    streams: Vec<Stream>,
}

/// One `m=` section.
#[derive(Clone, Debug)]
struct Stream {
    kind: String,
    port: u16,
    proto: String,
    formats: Vec<String>,
    /// `rtpmap`: payload type and encoding.
    maps: Vec<(String, String)>,
    address: Option<IpAddr>,
    direction: Direction,
}

/// Which way the media of a stream flow, as its writer sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Both,
    Inactive,
    Receive,
    Send,
}

/// What our side of a session is called: the `o=` line.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) id: u64,
    pub(crate) version: u64,
    pub(crate) address: IpAddr,
}

/// What both sides agreed on, for the media of one leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Agreed {
    /// Where the peer wants its media, unless it wants none.
    pub(crate) remote: Option<SocketAddr>,
    /// Payload type of the voice codec.
    pub(crate) voice: u8,
    /// Payload type of telephone-event, if the peer has it.
    pub(crate) events: Option<u8>,
}

/// A body that is no session description that we can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable;

impl Description {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| Unreadable)?;
        let mut lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some("v=0") {
            return Err(Unreadable);
        }
        let mut time = None;
        let mut address = None;
        let mut direction = Direction::Both;
        let mut streams: Vec<Stream> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (kind, value) = line.split_once('=').ok_or(Unreadable)?;
            if kind == "m" {
                if streams.len() >= STREAMS_MAX {
                    return Err(Unreadable);
                }
                streams.push(Stream::parse(value, address, direction)?);
                continue;
            }
            match (kind, streams.last_mut()) {
                ("c", None) => address = connection(value)?,
                ("c", Some(stream)) => stream.address = connection(value)?,
                ("a", None) => direction = Direction::of(value).unwrap_or(direction),
                ("a", Some(stream)) => stream.attribute(value),
                ("t", None) if time.is_none() => time = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(Self {
            time: time.unwrap_or_else(|| "0 0".to_owned()),
            streams,
        })
    }

    /// The stream that we take part in, and what both sides can do on it.
    fn choose(&self) -> Option<(usize, Choice)> {
        self.streams
            .iter()
            .enumerate()
            .find_map(|(at, stream)| Some((at, stream.choose()?)))
    }

    /// What the peer and we have in common; `None`: no codec.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        let (at, choice) = self.choose()?;
        let stream = self.streams.get(at)?;
        let listens = matches!(stream.direction, Direction::Both | Direction::Receive);
        let remote = stream.address.filter(|ip| listens && !ip.is_unspecified());
        Some(Agreed {
            remote: remote.map(|ip| SocketAddr::new(ip, stream.port)),
            voice: choice.voice.first()?.0,
            events: choice.events,
        })
    }

    /// Our answer to this offer, with media at `rtp` (RFC 3264 §6): one stream is taken, the codecs
    /// in the offer's order, the others are refused. `None`: there is no common codec.
    pub(crate) fn answer(&self, origin: &Origin, rtp: SocketAddr) -> Option<Bytes> {
        let (chosen, choice) = self.choose()?;
        let mut text = session_part(origin, &self.time);
        for (at, stream) in self.streams.iter().enumerate() {
            if at == chosen {
                push_stream(&mut text, stream, &choice, rtp);
            } else {
                let formats = stream.formats.join(" ");
                push(
                    &mut text,
                    format_args!("m={} 0 {} {formats}", stream.kind, stream.proto),
                );
            }
        }
        Some(Bytes::from(text))
    }
}

/// What [`Stream::choose`] found: payload types with their encodings in the offer's order.
struct Choice {
    voice: Vec<(u8, &'static str)>,
    events: Option<u8>,
    order: Vec<u8>,
}

impl Stream {
    fn parse(
        line: &str,
        address: Option<IpAddr>,
        direction: Direction,
    ) -> Result<Self, Unreadable> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().ok_or(Unreadable)?;
        let port = words.next().ok_or(Unreadable)?;
        let proto = words.next().ok_or(Unreadable)?;
        let formats: Vec<_> = words.map(str::to_owned).collect();
        if formats.is_empty() || formats.len() > FORMATS_MAX {
            return Err(Unreadable);
        }
        // "port/number of ports": the first one counts.
        let port = port
            .split('/')
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or(Unreadable)?;
        let (kind, proto) = (kind.to_owned(), proto.to_owned());
        Ok(Self {
            kind,
            port,
            proto,
            formats,
            maps: Vec::new(),
            address,
            direction,
        })
    }

    fn attribute(&mut self, value: &str) {
        if let Some(direction) = Direction::of(value) {
            self.direction = direction;
        } else if let Some(map) = value.strip_prefix("rtpmap:")
            && let Some((payload, encoding)) = map.split_once(' ')
            && self.maps.len() < FORMATS_MAX
        {
            self.maps
                .push((payload.to_owned(), encoding.trim().to_ascii_lowercase()));
        }
    }

    /// The encoding of a payload type: its map, or the static one (RFC 3551 §6).
    fn encoding(&self, format: &str) -> Option<&str> {
        let mapped = self.maps.iter().find(|(payload, _)| payload == format);
        match (mapped, format) {
            (Some((_, encoding)), _) => Some(encoding),
            (None, "0") => Some("pcmu/8000"),
            (None, "8") => Some("pcma/8000"),
            _ => None,
        }
    }

    fn choose(&self) -> Option<Choice> {
        let plain = ["RTP/AVP", "RTP/AVPF"]
            .iter()
            .any(|p| self.proto.eq_ignore_ascii_case(p));
        if self.kind != "audio" || self.port == 0 || !plain {
            return None;
        }
        let mut choice = Choice {
            voice: Vec::new(),
            events: None,
            order: Vec::new(),
        };
        for format in &self.formats {
            let Some(payload) = format.parse::<u8>().ok().filter(|payload| *payload < 128) else {
                continue;
            };
            match self
                .encoding(format)
                .map(|encoding| encoding.trim_end_matches("/1"))
            {
                Some("pcmu/8000") => choice.voice.push((payload, "PCMU")),
                Some("pcma/8000") => choice.voice.push((payload, "PCMA")),
                Some("telephone-event/8000") if choice.events.is_none() => {
                    choice.events = Some(payload);
                }
                _ => continue,
            }
            choice.order.push(payload);
        }
        (!choice.voice.is_empty()).then_some(choice)
    }
}

impl Direction {
    fn of(attribute: &str) -> Option<Self> {
        Some(match attribute {
            "sendrecv" => Self::Both,
            "sendonly" => Self::Send,
            "recvonly" => Self::Receive,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// RFC 3264 §6.1.
    fn mirrored(self) -> &'static str {
        match self {
            Self::Both => "sendrecv",
            Self::Send => "recvonly",
            Self::Receive => "sendonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Our own offer: what we can do, with media at `rtp` (RFC 3264 §5).
pub(crate) fn offer(origin: &Origin, rtp: SocketAddr) -> Bytes {
    let mut text = session_part(origin, "0 0");
    let stream = Stream {
        kind: "audio".to_owned(),
        port: 0,
        proto: "RTP/AVP".to_owned(),
        formats: Vec::new(),
        maps: Vec::new(),
        address: None,
        direction: Direction::Both,
    };
    let choice = Choice {
        voice: vec![(0, "PCMU"), (8, "PCMA")],
        events: Some(EVENTS_PAYLOAD),
        order: vec![0, 8, EVENTS_PAYLOAD],
    };
    push_stream(&mut text, &stream, &choice, rtp);
    Bytes::from(text)
}

/// `body` under another origin: what one leg said, told to the other one.
pub(crate) fn with_origin(body: &[u8], origin: &Origin) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 32);
    let mut written = false;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"o=") {
            if !written {
                out.extend_from_slice(origin_line(origin).as_bytes());
                written = true;
            }
        } else {
            out.extend_from_slice(line);
        }
    }
    Bytes::from(out)
}

/// Whether two descriptions lead the media the same way, so that a peer that knows one need not be
/// told the other: same addresses, ports and directions, and no voice codec in `new` that `old`
/// lacks.
pub(crate) fn same_way(old: &[u8], new: &[u8]) -> bool {
    let (Ok(old), Ok(new)) = (Description::parse(old), Description::parse(new)) else {
        return false;
    };
    let same = |(a, b): (&Stream, &Stream)| {
        a.kind == b.kind
            && a.port == b.port
            && (a.port == 0 || (a.address == b.address && a.direction == b.direction))
            && b.formats.iter().all(|format| a.formats.contains(format))
    };
    old.streams.len() == new.streams.len() && old.streams.iter().zip(&new.streams).all(same)
}

fn session_part(origin: &Origin, time: &str) -> String {
    let mut text = String::with_capacity(256);
    push(&mut text, format_args!("v=0"));
    text.push_str(&origin_line(origin));
    push(&mut text, format_args!("s=-"));
    push(&mut text, format_args!("c={}", network(origin.address)));
    push(&mut text, format_args!("t={time}"));
    text
}

fn push_stream(text: &mut String, stream: &Stream, choice: &Choice, rtp: SocketAddr) {
    let formats: Vec<_> = choice.order.iter().map(u8::to_string).collect();
    let formats = formats.join(" ");
    push(
        text,
        format_args!(
            "m={} {} {} {formats}",
            stream.kind,
            rtp.port(),
            stream.proto
        ),
    );
    for &payload in &choice.order {
        if let Some((_, name)) = choice.voice.iter().find(|(voice, _)| *voice == payload) {
            push(text, format_args!("a=rtpmap:{payload} {name}/8000"));
        } else {
            push(
                text,
                format_args!("a=rtpmap:{payload} telephone-event/8000"),
            );
            push(text, format_args!("a=fmtp:{payload} 0-16"));
        }
    }
    push(text, format_args!("a=ptime:20"));
    push(text, format_args!("a={}", stream.direction.mirrored()));
}

fn origin_line(origin: &Origin) -> String {
    let Origin {
        id,
        version,
        address,
    } = origin;
    format!("o=hookswitch {id} {version} {}\r\n", network(*address))
}

fn network(address: IpAddr) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!("IN {family} {address}")
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    text.write_fmt(line).ok();
    text.push_str("\r\n");
}

/// The address of a `c=` line; `None` where it is a name, which we do not look up.
fn connection(value: &str) -> Result<Option<IpAddr>, Unreadable> {
    let mut words = value.split_ascii_whitespace();
    let (Some("IN"), Some("IP4" | "IP6"), Some(address)) =
        (words.next(), words.next(), words.next())
    else {
        return Err(Unreadable);
    };
    Ok(address
        .split('/')
        .next()
        .and_then(|address| address.parse().ok()))
}

/// Streams in one description at most.
const STREAMS_MAX: usize = 16;

/// Formats and maps in one stream at most.
const FORMATS_MAX: usize = 64;

/// The payload type of telephone-event in our own offers.
const EVENTS_PAYLOAD: u8 = 101;

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
        t=0 0\r\nm=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 18 8 0 96\r\n\
        a=rtpmap:8 PCMA/8000/1\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n";

    fn origin() -> Origin {
        Origin {
            id: 7,
            version: 3,
            address: "127.0.0.1".parse().unwrap(),
        }
    }

    fn answer(offer: &str) -> Option<String> {
        let offer = Description::parse(offer.as_bytes()).unwrap();
        let body = offer.answer(&origin(), "127.0.0.1:20000".parse().unwrap())?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn an_answer_keeps_the_order_and_refuses_other_streams() {
        assert_eq!(
            answer(OFFER).unwrap(),
            "v=0\r\no=hookswitch 7 3 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 8 0 96\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n\
             a=ptime:20\r\na=recvonly\r\n"
        );
    }

    #[test]
    fn what_was_agreed() {
        let agreed = Description::parse(OFFER.as_bytes())
            .unwrap()
            .agreed()
            .unwrap();
        assert_eq!(
            agreed,
            Agreed {
                remote: None,
                voice: 8,
                events: Some(96)
            }
        );
        let both = OFFER.replace("a=sendonly\r\n", "");
        let agreed = Description::parse(both.as_bytes())
            .unwrap()
            .agreed()
            .unwrap();
        assert_eq!(agreed.remote, Some("192.0.2.1:4000".parse().unwrap()));
    }

    #[test]
    fn no_common_codec() {
        for audio in [
            "m=audio 4000 RTP/AVP 18",
            "m=audio 0 RTP/AVP 0",
            "m=audio 4000 RTP/SAVP 0",
            "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 telephone-event/8000",
            "m=image 4000 udptl t38",
        ] {
            let text = format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{audio}\r\n");
            assert_eq!(answer(&text), None, "{audio}");
        }
    }

    #[test]
    fn unreadable() {
        for bad in [
            "",
            "hello",
            "v=1\r\n",
            "v=0\r\nm=audio\r\n",
            "v=0\r\nm=audio x RTP/AVP 0\r\n",
        ] {
            assert!(Description::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Description::parse(b"v=0\r\n\xff=").is_err());
    }

    #[test]
    fn our_offer_is_answerable_by_ourselves() {
        let ours = offer(&origin(), "127.0.0.1:20000".parse().unwrap());
        let read = Description::parse(&ours).unwrap();
        assert_eq!(read.agreed().unwrap().events, Some(101));
        assert!(
            read.answer(&origin(), "127.0.0.1:20002".parse().unwrap())
                .is_some()
        );
    }

    #[test]
    fn passing_on_changes_the_origin_only() {
        let passed = with_origin(OFFER.as_bytes(), &origin());
        let text = String::from_utf8(passed.to_vec()).unwrap();
        assert_eq!(
            text,
            OFFER.replace(
                "o=alice 1 1 IN IP4 192.0.2.1",
                "o=hookswitch 7 3 IN IP4 127.0.0.1"
            )
        );
        assert!(same_way(OFFER.as_bytes(), &passed));
        assert!(!same_way(
            OFFER.as_bytes(),
            OFFER.replace("4000", "4002").as_bytes()
        ));
        assert!(!same_way(
            OFFER.as_bytes(),
            OFFER.replace("sendonly", "sendrecv").as_bytes()
        ));
    }
}
