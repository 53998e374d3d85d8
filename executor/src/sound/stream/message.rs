//! The messages of a stream, as JSON. All numbers are strings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::{Track, Tracks};
use serde_json::{Map, Value, json};

use super::StreamSpec;

/// Numbers the messages of one stream and writes them.
#[derive(Debug)]
pub(super) struct Writer {
    stream_sid: String,
    sequence: u64,
    inbound_chunks: u64,
    outbound_chunks: u64,
}

impl Writer {
    pub(super) fn new(spec: &StreamSpec) -> Self {
        Self {
            stream_sid: spec.stream_sid.to_string(),
            sequence: 0,
            inbound_chunks: 0,
            outbound_chunks: 0,
        }
    }

    /// The very first message, which has no number.
    pub(super) fn connected() -> String {
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
    }

    pub(super) fn start(&mut self, spec: &StreamSpec) -> String {
        let tracks: &[&str] = match spec.tracks {
            Tracks::Inbound => &["inbound"],
            Tracks::Outbound => &["outbound"],
            Tracks::Both => &["inbound", "outbound"],
        };
        let pairs = spec.parameters.iter();
        let parameters: Map<_, _> = pairs
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        let start = json!({
            "streamSid": self.stream_sid,
            "accountSid": spec.account_sid.to_string(),
            "callSid": spec.call_sid.to_string(),
            "tracks": tracks,
            "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        });
        self.numbered("start", start)
    }

    pub(super) fn media(&mut self, track: Track, timestamp_ms: u64, ulaw: &[u8]) -> String {
        let chunks = match track {
            Track::Inbound => &mut self.inbound_chunks,
            Track::Outbound => &mut self.outbound_chunks,
        };
        *chunks += 1;
        let media = json!({
            "track": match track { Track::Inbound => "inbound", Track::Outbound => "outbound" },
            "chunk": chunks.to_string(),
            "timestamp": timestamp_ms.to_string(),
            "payload": STANDARD.encode(ulaw),
        });
        self.numbered("media", media)
    }

    pub(super) fn digit(&mut self, key: char) -> String {
        let dtmf = json!({"track": "inbound_track", "digit": key.to_string()});
        self.numbered("dtmf", dtmf)
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        self.numbered("mark", json!({"name": name}))
    }

    pub(super) fn stop(&mut self, spec: &StreamSpec) -> String {
        let stop = json!({
            "accountSid": spec.account_sid.to_string(),
            "callSid": spec.call_sid.to_string(),
        });
        self.numbered("stop", stop)
    }

    fn numbered(&mut self, event: &str, content: Value) -> String {
        self.sequence += 1;
        let mut message = json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.stream_sid,
        });
        if let Some(fields) = message.as_object_mut() {
            fields.insert(event.to_owned(), content);
        }
        message.to_string()
    }
}

/// A message of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// Play this µ-law.
    Media(Vec<u8>),
    /// Tell this name when all before it was played.
    Mark(String),
    /// Play nothing of what waits.
    Clear,
}

impl Said {
    /// Reads a message, or says what is wrong with it.
    pub(super) fn parse(text: &str, stream_sid: &str) -> Result<Self, &'static str> {
        let message: Value = serde_json::from_str(text).map_err(|_| "it is no JSON")?;
        let event = message.get("event").and_then(Value::as_str);
        let event = event.ok_or("it has no event")?;
        if message.get("streamSid").and_then(Value::as_str) != Some(stream_sid) {
            return Err("its streamSid is not this stream's");
        }
        let text_of = |name: &str| message.get(event)?.get(name)?.as_str();
        match event {
            "clear" => Ok(Self::Clear),
            "mark" => {
                let name = text_of("name").ok_or("its mark has no name")?;
                if name.len() > MARK_BYTES_MAX {
                    return Err("the name of its mark is too long");
                }
                Ok(Self::Mark(name.to_owned()))
            }
            "media" => {
                let payload = text_of("payload").ok_or("its media has no payload")?;
                let ulaw = STANDARD.decode(payload);
                ulaw.map(Self::Media)
                    .map_err(|_| "its payload is no base64")
            }
            _ => Err("its event is none of media, mark and clear"),
        }
    }
}

const MARK_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Sid, SidKind};

    fn spec(tracks: Tracks) -> StreamSpec {
        StreamSpec {
            url: "wss://example.com/".parse().unwrap(),
            stream_sid: Sid::new(SidKind::Stream, [0xaa; 16]),
            account_sid: Sid::new(SidKind::Account, [0xbb; 16]),
            call_sid: Sid::new(SidKind::Call, [0xcc; 16]),
            auth_token: Secret::new("12345"),
            tracks,
            parameters: vec![("name".to_owned(), "\"value\"".to_owned())],
            bidirectional: true,
        }
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn messages_are_those_of_the_reference() {
        let (spec, sid) = (spec(Tracks::Both), format!("MZ{}", "aa".repeat(16)));
        let (account, call) = (
            format!("AC{}", "bb".repeat(16)),
            format!("CA{}", "cc".repeat(16)),
        );
        let mut writer = Writer::new(&spec);
        assert_eq!(
            value(&Writer::connected()),
            json!({"event":"connected","protocol":"Call","version":"1.0.0"})
        );
        assert_eq!(
            value(&writer.start(&spec)),
            json!({"event":"start","sequenceNumber":"1","streamSid":sid,"start":{
                "streamSid":sid,"accountSid":account,"callSid":call,
                "tracks":["inbound","outbound"],"customParameters":{"name":"\"value\""},
                "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}})
        );
        assert_eq!(
            value(&writer.media(Track::Inbound, 20, &[0xff, 0x7f])),
            json!({"event":"media","sequenceNumber":"2","streamSid":sid,"media":{
                "track":"inbound","chunk":"1","timestamp":"20","payload":"/38="}})
        );
        let outbound = value(&writer.media(Track::Outbound, 20, &[]));
        assert_eq!(outbound["media"]["chunk"], "1");
        assert_eq!(
            value(&writer.media(Track::Inbound, 40, &[]))["media"]["chunk"],
            "2"
        );
        assert_eq!(
            value(&writer.digit('#')),
            json!({"event":"dtmf","sequenceNumber":"5","streamSid":sid,"dtmf":{
                "track":"inbound_track","digit":"#"}})
        );
        assert_eq!(
            value(&writer.mark("m")),
            json!({"event":"mark","sequenceNumber":"6","streamSid":sid,"mark":{"name":"m"}})
        );
        assert_eq!(
            value(&writer.stop(&spec)),
            json!({"event":"stop","sequenceNumber":"7","streamSid":sid,"stop":{
                "accountSid":account,"callSid":call}})
        );
    }

    #[test]
    fn what_a_server_says() {
        let parse = |text: &str| Said::parse(text, "MZ1");
        let media = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/38="}}"#;
        assert_eq!(parse(media), Ok(Said::Media(vec![0xff, 0x7f])));
        let mark = r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"m"},"more":1}"#;
        assert_eq!(parse(mark), Ok(Said::Mark("m".to_owned())));
        let clear = r#"{"event":"clear","streamSid":"MZ1"}"#;
        assert_eq!(parse(clear), Ok(Said::Clear));
        for odd in [
            "",
            "[]",
            "{",
            "null",
            r#"{"event":5,"streamSid":"MZ1"}"#,
            r#"{"event":"clear"}"#,
            r#"{"event":"clear","streamSid":"MZ2"}"#,
            r#"{"event":"start","streamSid":"MZ1","start":{}}"#,
            r#"{"event":"mark","streamSid":"MZ1"}"#,
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"***"}}"#,
            r#"{"event":"media","streamSid":"MZ1","media":"payload"}"#,
        ] {
            assert!(parse(odd).is_err(), "{odd}");
        }
        let long = format!(
            r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{}"}}}}"#,
            "m".repeat(MARK_BYTES_MAX + 1)
        );
        assert!(parse(&long).is_err());
        // Deeper than any message: the parser has its own bound.
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
