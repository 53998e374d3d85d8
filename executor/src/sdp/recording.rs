//! The descriptions of a recording session (RFC 7866 §7.1, §9.1): one stream that we only send for
//! each recorded track, told apart by their labels.

use std::net::SocketAddr;

use ::media::codec::{Codec, FRAME_MILLIS};
use bytes::Bytes;

use super::crypto::{OwnKey, answers_ours};
use super::description::Stream;
use super::format::Format;
use super::negotiate::{self, Agreed, Choice};
use super::write::{self, Own};
use super::{Description, Direction, Origin};

/// The descriptions of one recording session.
#[derive(Debug)]
pub(crate) struct Recording {
    origin: Origin,
    secure: bool,
    /// What we said last.
    told: Option<Bytes>,
    tracks: Vec<Track>,
}

/// A recorded track.
#[derive(Debug)]
struct Track {
    /// `a=label` (RFC 4574).
    label: &'static str,
    /// Where we send from, as the peer is told.
    rtp: SocketAddr,
    key: OwnKey,
    agreed: Option<Agreed>,
}

impl Recording {
    /// A session without tracks. `secure` makes our offers ask for SRTP.
    pub(crate) fn new(origin: Origin, secure: bool) -> Self {
        Self {
            origin,
            secure,
            told: None,
            tracks: Vec::new(),
        }
    }

    /// Adds a track, with a key of SRTP of its own.
    pub(crate) fn add(&mut self, label: &'static str, rtp: SocketAddr, key: [u8; 30]) {
        self.tracks.push(Track {
            label,
            rtp,
            key: OwnKey(key),
            agreed: None,
        });
    }

    /// What is in force for each track; `None` where the peer does not take it.
    pub(crate) fn agreed(&self) -> impl Iterator<Item = Option<&Agreed>> {
        self.tracks.iter().map(|track| track.agreed.as_ref())
    }

    /// An offer of all tracks (RFC 3264 §5).
    pub(crate) fn offer(&mut self) -> Bytes {
        let proto = if self.secure { "RTP/SAVP" } else { "RTP/AVP" };
        let mut streams = String::new();
        for track in &self.tracks {
            let own = Own {
                proto,
                rtp: track.rtp,
                formats: &FORMATS,
                direction: Direction::Send,
                ptime: FRAME_MILLIS,
                rtcp_mux: false,
                crypto: self.secure.then(|| track.key.offer()),
            };
            write::own_stream(&mut streams, &own);
            write::label(&mut streams, track.label);
        }
        self.say("0 0", &streams)
    }

    /// The peer's answer to our offer; `false`: it takes no track.
    pub(crate) fn answered(&mut self, answer: &Description) -> bool {
        let secure = self.secure;
        for (at, track) in self.tracks.iter_mut().enumerate() {
            let stream = answer.streams.get(at);
            track.agreed = stream.and_then(|stream| {
                let choice = Choice::of(stream, &CODECS)?;
                let fits = match &choice.crypto {
                    Some(line) => secure && answers_ours(line),
                    None => !secure,
                };
                fits.then(|| track.agreed(stream, &choice))
            });
        }
        self.tracks.iter().any(|track| track.agreed.is_some())
    }

    /// Our answer to an offer of the peer's (RFC 7866 §7.2: it may pause and resume a recording): its
    /// streams are ours in our order, others are refused. `None`: it wants none of ours, and all stays
    /// as it was.
    pub(crate) fn answer(&mut self, offer: &Description) -> Option<Bytes> {
        let mut streams = String::new();
        let mut agreed = Vec::new();
        for (at, stream) in offer.streams.iter().enumerate() {
            let choice = Choice::of(stream, &CODECS);
            let choice = choice.filter(|choice| choice.crypto.is_some() == self.secure);
            agreed.push(match self.tracks.get(at).zip(choice) {
                Some((track, choice)) => Some(track.answer(stream, &choice, &mut streams)),
                None => {
                    write::refused(&mut streams, &stream.kind, &stream.proto, &stream.formats);
                    None
                }
            });
        }
        if agreed.iter().all(Option::is_none) {
            return None;
        }
        agreed.resize_with(self.tracks.len().max(agreed.len()), || None);
        for (track, agreed) in self.tracks.iter_mut().zip(agreed) {
            track.agreed = agreed;
        }
        Some(self.say(&offer.time, &streams))
    }

    /// Writes a description; its version counts the changes (RFC 3264 §8).
    fn say(&mut self, time: &str, streams: &str) -> Bytes {
        let mut body = self.write(time, streams);
        if self.told.as_ref() != Some(&body) {
            self.origin.version += 1;
            body = self.write(time, streams);
        }
        self.told = Some(body.clone());
        body
    }

    fn write(&self, time: &str, streams: &str) -> Bytes {
        let address = self
            .tracks
            .first()
            .map_or(self.origin.address, |track| track.rtp.ip());
        Bytes::from(write::session(&self.origin, address, time) + streams)
    }
}

impl Track {
    /// Writes our answer to a stream, and says what follows from it.
    fn answer(&self, stream: &Stream, choice: &Choice, text: &mut String) -> Agreed {
        let direction = if stream.direction.receives() {
            Direction::Send
        } else {
            Direction::Inactive
        };
        let own = Own {
            proto: &stream.proto,
            rtp: self.rtp,
            formats: &choice.formats,
            direction,
            ptime: stream.packing.millis(choice.codec),
            rtcp_mux: choice.rtcp_mux,
            crypto: choice.crypto.as_ref().map(|line| self.key.answer(line)),
        };
        write::own_stream(text, &own);
        write::label(text, self.label);
        Agreed {
            rtcp_mux: choice.rtcp_mux,
            ..self.agreed(stream, choice)
        }
    }

    fn agreed(&self, stream: &Stream, choice: &Choice) -> Agreed {
        Agreed {
            srtp: choice.crypto.as_ref().map(|line| self.key.pair(line)),
            // Whatever the peer wants: this session only sends, and it has not offered this.
            sends: false,
            rtcp_mux: false,
            ..negotiate::agreed(stream, choice, &choice.formats)
        }
    }
}

/// What recording servers are offered: what every one of them has.
const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];
const FORMATS: [(u8, Format); 2] = [
    (0, Format::Voice(Codec::Pcmu)),
    (8, Format::Voice(Codec::Pcma)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(secure: bool) -> Recording {
        let origin = Origin {
            id: 7,
            version: 0,
            address: "192.0.2.1".parse().unwrap(),
        };
        let mut recording = Recording::new(origin, secure);
        recording.add("1", "192.0.2.1:4000".parse().unwrap(), [1; 30]);
        recording.add("2", "192.0.2.1:4002".parse().unwrap(), [2; 30]);
        recording
    }

    fn read(text: &str) -> Description {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{text}");
        Description::parse(text.as_bytes()).unwrap()
    }

    fn text(body: &Bytes) -> &str {
        std::str::from_utf8(body).unwrap()
    }

    /// Codec and port of each track.
    fn agreed(recording: &Recording) -> Vec<Option<(Codec, Option<u16>)>> {
        let agreed = recording.agreed();
        agreed
            .map(|track| track.map(|it| (it.codec, it.remote.map(|it| it.port()))))
            .collect()
    }

    #[test]
    fn an_offer_has_a_labelled_stream_for_each_track() {
        let mut recording = recording(false);
        let offer = recording.offer();
        assert_eq!(
            text(&offer),
            "v=0\r\no=hookswitch 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=ptime:20\r\na=sendonly\r\na=label:1\r\n\
             m=audio 4002 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=ptime:20\r\na=sendonly\r\na=label:2\r\n"
        );
        assert_eq!(recording.offer(), offer, "said again, it is the same");
    }

    #[test]
    fn the_answer_decides_codec_and_address_of_each_track() {
        let mut recording = recording(false);
        recording.offer();
        let answer = "m=audio 7000 RTP/AVP 8\na=recvonly\nm=audio 7002 RTP/AVP 0 8\na=recvonly\n";
        assert!(recording.answered(&read(answer)));
        let both = [
            Some((Codec::Pcma, Some(7000))),
            Some((Codec::Pcmu, Some(7002))),
        ];
        assert_eq!(agreed(&recording), both);
        let answer = "m=audio 0 RTP/AVP 0\nm=audio 7002 RTP/AVP 0\na=inactive\n";
        assert!(recording.answered(&read(answer)));
        assert_eq!(agreed(&recording), [None, Some((Codec::Pcmu, None))]);
        for useless in [
            "m=audio 0 RTP/AVP 0\nm=audio 0 RTP/AVP 0\n",
            "m=audio 7000 RTP/AVP 18\nm=video 7002 RTP/AVP 0\n",
            "m=audio 7000 RTP/SAVP 0\n",
            "",
        ] {
            assert!(!recording.answered(&read(useless)), "{useless}");
            assert_eq!(agreed(&recording), [None, None]);
        }
    }

    #[test]
    fn the_server_pauses_and_resumes() {
        let mut recording = recording(false);
        recording.offer();
        let hold = "m=audio 7000 RTP/AVP 0\na=inactive\nm=audio 7002 RTP/AVP 8\na=recvonly\n\
                    m=audio 7004 RTP/AVP 0\na=recvonly\n";
        let answer = recording.answer(&read(hold)).unwrap();
        let answer = text(&answer);
        let (_, streams) = answer.split_once("m=audio").unwrap();
        let streams: Vec<_> = streams.split("m=audio").collect();
        assert!(streams[0].starts_with(" 4000 RTP/AVP 0\r\n"), "{answer}");
        assert!(
            streams[0].contains("a=inactive\r\na=label:1\r\n"),
            "{answer}"
        );
        assert!(streams[1].starts_with(" 4002 RTP/AVP 8\r\n"), "{answer}");
        assert!(
            streams[1].contains("a=sendonly\r\na=label:2\r\n"),
            "{answer}"
        );
        assert_eq!(streams[2], " 0 RTP/AVP 0\r\n");
        let held = [Some((Codec::Pcmu, None)), Some((Codec::Pcma, Some(7002)))];
        assert_eq!(agreed(&recording), held);
        assert_eq!(recording.answer(&read("m=video 7000 RTP/AVP 96\n")), None);
        assert_eq!(
            agreed(&recording),
            held,
            "what is of no use changes nothing"
        );
        let one = "m=audio 7000 RTP/AVP 0\na=recvonly\n";
        assert!(recording.answer(&read(one)).is_some());
        assert_eq!(agreed(&recording), [Some((Codec::Pcmu, Some(7000))), None]);
    }

    #[test]
    fn srtp_has_a_key_for_each_track() {
        let mut recording = recording(true);
        let offer = recording.offer();
        let keys: Vec<_> = text(&offer)
            .lines()
            .filter(|line| line.starts_with("a=crypto:1 "))
            .collect();
        assert_eq!(keys.len(), 2, "{offer:?}");
        assert_ne!(keys[0], keys[1]);
        let key = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}\n");
        let answer = format!(
            "m=audio 7000 RTP/SAVP 0\n{line}a=recvonly\nm=audio 7002 RTP/AVP 0\na=recvonly\n"
        );
        assert!(recording.answered(&read(&answer)));
        assert_eq!(agreed(&recording), [Some((Codec::Pcmu, Some(7000))), None]);
        let pairs: Vec<_> = recording
            .agreed()
            .map(|it| it.and_then(|it| it.srtp.clone()))
            .collect();
        assert!(pairs[0].is_some());
    }
}
