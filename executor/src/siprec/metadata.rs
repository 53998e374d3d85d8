//! The metadata of a recording session (RFC 7865): who speaks, and in which stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sip::{NameAddr, Scheme, Uri};

use crate::Sid;

use super::xml::Writer;

/// A snapshot that says all: `<datamode>complete`.
#[derive(Clone, Debug)]
pub(crate) struct Metadata<'a> {
    /// Identifies the call among all that are recorded (RFC 7865 §6.3).
    pub(crate) session_id: [u8; 16],
    /// When the recording was asked for, in the format of `xs:dateTime`.
    pub(crate) began: &'a str,
    /// The two who talk: the other end of the leg, and ours.
    pub(crate) participants: [Participant; 2],
    /// The streams in the order of the session description.
    pub(crate) streams: &'a [RecordedStream],
    /// `SiprecSid`, `CallSid` and `AccountSid`.
    pub(crate) sids: [Sid; 3],
    /// The `<Parameter>`s of the `<Siprec>`.
    pub(crate) parameters: &'a [(String, String)],
}

/// Somebody who talks.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) id: [u8; 16],
    /// The URI.
    pub(crate) aor: String,
    /// The name beside it.
    pub(crate) name: Option<String>,
}

/// A recorded stream.
#[derive(Clone, Debug)]
pub(crate) struct RecordedStream {
    pub(crate) id: [u8; 16],
    /// `a=label` of its description (RFC 4574).
    pub(crate) label: &'static str,
    /// Which of the participants speaks in it; the other one hears it.
    pub(crate) speaker: usize,
}

impl Participant {
    /// Whom a From or To value names. Of the URI only the address is told: its parameters and headers
    /// are for others.
    pub(crate) fn of(id: [u8; 16], value: &[u8]) -> Self {
        let value = sip::unfold(value);
        let parsed = NameAddr::parse(&value).ok();
        let aor = parsed.and_then(|parsed| aor(parsed.uri));
        Self {
            id,
            aor: aor.unwrap_or_else(|| ANONYMOUS.to_owned()),
            name: parsed.and_then(|parsed| name(parsed.display?)),
        }
    }
}

impl Metadata<'_> {
    /// The document.
    pub(crate) fn to_xml(&self) -> String {
        let session_id = id(self.session_id);
        let mut xml = Writer::new();
        xml.begin("recording", &[("xmlns", RECORDING)]);
        xml.text("datamode", &[], "complete");
        xml.begin("session", &[("session_id", &session_id)]);
        self.extensions(&mut xml);
        xml.end();
        for participant in &self.participants {
            xml.begin("participant", &[("participant_id", &id(participant.id))]);
            xml.begin("nameID", &[("aor", &participant.aor)]);
            if let Some(name) = &participant.name {
                xml.text("name", &[], name);
            }
            xml.end();
            xml.end();
        }
        for stream in self.streams {
            let ids = [("stream_id", &*id(stream.id)), ("session_id", &session_id)];
            xml.begin("stream", &ids);
            xml.text("label", &[], stream.label);
            xml.end();
        }
        xml.begin("sessionrecordingassoc", &[("session_id", &session_id)]);
        xml.text("associate-time", &[], self.began);
        xml.end();
        for participant in &self.participants {
            let ids = [
                ("participant_id", &*id(participant.id)),
                ("session_id", &session_id),
            ];
            xml.begin("participantsessionassoc", &ids);
            xml.text("associate-time", &[], self.began);
            xml.end();
        }
        for (at, participant) in self.participants.iter().enumerate() {
            xml.begin(
                "participantstreamassoc",
                &[("participant_id", &id(participant.id))],
            );
            for stream in self.streams.iter().filter(|stream| stream.speaker == at) {
                xml.text("send", &[], &id(stream.id));
            }
            for stream in self.streams.iter().filter(|stream| stream.speaker != at) {
                xml.text("recv", &[], &id(stream.id));
            }
            xml.end();
        }
        xml.finish()
    }

    /// What RFC 7865 has no place for goes into the session under a namespace of its own (§5.1.2).
    fn extensions(&self, xml: &mut Writer) {
        let [siprec, call, account] = self.sids.map(|sid| sid.to_string());
        let sids = [
            ("xmlns", EXTENSION),
            ("SiprecSid", &siprec),
            ("CallSid", &call),
            ("AccountSid", &account),
        ];
        xml.empty("Call", &sids);
        if self.parameters.is_empty() {
            return;
        }
        xml.begin("ExtensionParameters", &[("xmlns", EXTENSION)]);
        for (name, value) in self.parameters {
            xml.text("Parameter", &[("name", name)], value);
        }
        xml.end();
    }
}

fn aor(uri: &[u8]) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let user = uri.user.map(text);
    let scheme = match uri.scheme {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        Scheme::Tel => return Some(format!("tel:{}", user?)),
        Scheme::Other => return None,
    };
    let user = user.map_or_else(String::new, |user| user + "@");
    let host = match uri.ip() {
        Some(ip) if ip.is_ipv6() => format!("[{ip}]"),
        _ => text(uri.host),
    };
    let port = uri.port.map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}:{user}{host}{port}"))
}

/// A display name without its quotes.
fn name(display: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(display);
    let text = text.trim();
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let name = match quoted {
        None => text.to_owned(),
        Some(quoted) => {
            let mut escaped = false;
            let mut kept = |char: &char| {
                escaped = *char == '\\' && !escaped;
                !escaped
            };
            quoted.chars().filter(|char| kept(char)).collect()
        }
    };
    (!name.is_empty()).then_some(name)
}

/// An identifier as RFC 7865 §6.10 has it: 16 bytes in base64.
fn id(bytes: [u8; 16]) -> String {
    STANDARD.encode(bytes)
}

const RECORDING: &str = "urn:ietf:params:xml:ns:recording:1";
const EXTENSION: &str = "urn:hookswitch:siprec:1";

/// Who does not say who it is (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::SidKind;

    fn streams() -> Vec<RecordedStream> {
        let stream = |number: u8, label, speaker| RecordedStream {
            id: [number; 16],
            label,
            speaker,
        };
        vec![stream(8, "1", 0), stream(9, "2", 1)]
    }

    fn metadata(streams: &[RecordedStream], parameters: &[(String, String)]) -> String {
        let participant = |number: u8, aor: &str, name: Option<&str>| Participant {
            id: [number; 16],
            aor: aor.to_owned(),
            name: name.map(str::to_owned),
        };
        Metadata {
            session_id: [1; 16],
            began: "2026-03-27T10:00:00.000Z",
            participants: [
                participant(4, "sip:a&b@atlanta.example", Some("A <\"B\">")),
                participant(5, "sip:bob@demo.example", None),
            ],
            streams,
            sids: [SidKind::Siprec, SidKind::Call, SidKind::Account]
                .map(|kind| Sid::new(kind, [2; 16])),
            parameters,
        }
        .to_xml()
    }

    fn all<'a>(document: &'a Document<'a>, name: &'static str) -> Vec<Node<'a, 'a>> {
        let named = |node: &Node<'_, '_>| node.has_tag_name((RECORDING, name));
        document.descendants().filter(named).collect()
    }

    fn texts<'a>(node: &Node<'a, 'a>, name: &'static str) -> Vec<&'a str> {
        let named = |node: &Node<'_, '_>| node.has_tag_name((RECORDING, name));
        let children = node.children().filter(named);
        children.filter_map(|node| node.text()).collect()
    }

    #[test]
    fn participants_are_names_and_addresses() {
        let of = |value: &str| {
            let Participant { aor, name, .. } = Participant::of([0; 16], value.as_bytes());
            (aor, name)
        };
        for (value, aor, name) in [
            (
                "\"A \\\"B\\\\\" <sip:al%20ice@a.example:5070;transport=tcp?X-Secret=1>;tag=1",
                "sip:al%20ice@a.example:5070",
                Some("A \"B\\"),
            ),
            ("Bob  <sips:bob@[::1]>", "sips:bob@[::1]", Some("Bob")),
            ("<tel:+15551234;phone-context=x>", "tel:+15551234", None),
            ("\"\" <sip:demo.example>", "sip:demo.example", None),
            ("<mailto:a@b>", ANONYMOUS, None),
            ("\"", ANONYMOUS, None),
        ] {
            assert_eq!(
                of(value),
                (aor.to_owned(), name.map(str::to_owned)),
                "{value}"
            );
        }
    }

    #[test]
    fn each_stream_has_its_speaker_and_its_label() {
        let xml = metadata(&streams(), &[]);
        let document = Document::parse(&xml).unwrap();
        assert!(
            document
                .root_element()
                .has_tag_name((RECORDING, "recording"))
        );
        assert_eq!(texts(&document.root_element(), "datamode"), ["complete"]);
        let participants = all(&document, "participant");
        let ids: Vec<_> = participants
            .iter()
            .map(|node| node.attribute("participant_id").unwrap())
            .collect();
        assert_eq!(ids, [id([4; 16]), id([5; 16])]);
        let names = all(&document, "nameID");
        assert_eq!(names[0].attribute("aor"), Some("sip:a&b@atlanta.example"));
        assert_eq!(texts(&names[0], "name"), ["A <\"B\">"]);
        assert_eq!(texts(&names[1], "name"), [""; 0]);
        let session = all(&document, "session")[0].attribute("session_id");
        for stream in all(&document, "stream") {
            assert_eq!(stream.attribute("session_id"), session);
        }
        let labels: Vec<_> = all(&document, "stream")
            .iter()
            .flat_map(|stream| texts(stream, "label"))
            .collect();
        assert_eq!(labels, ["1", "2"]);
        let [one, two] = [id([8; 16]), id([9; 16])];
        let associations = all(&document, "participantstreamassoc");
        assert_eq!(texts(&associations[0], "send"), [&one]);
        assert_eq!(texts(&associations[0], "recv"), [&two]);
        assert_eq!(texts(&associations[1], "send"), [&two]);
        assert_eq!(texts(&associations[1], "recv"), [&one]);
    }

    #[test]
    fn one_stream_is_sent_by_one_and_heard_by_the_other() {
        let xml = metadata(&streams()[1..], &[]);
        let document = Document::parse(&xml).unwrap();
        let associations = all(&document, "participantstreamassoc");
        assert_eq!(texts(&associations[0], "send"), [""; 0]);
        assert_eq!(texts(&associations[0], "recv"), [id([9; 16])]);
        assert_eq!(texts(&associations[1], "send"), [id([9; 16])]);
    }

    #[test]
    fn what_the_customer_adds_stays_text() {
        let odd = "</Parameter><label>9</label>&amp;\r\n\"";
        let parameters = [("a\"b".to_owned(), odd.to_owned())];
        let xml = metadata(&streams(), &parameters);
        let document = Document::parse(&xml).unwrap();
        assert_eq!(all(&document, "label").len(), 2);
        let named = |name: &'static str| {
            let mut nodes = document.descendants();
            nodes.find(move |node| node.has_tag_name((EXTENSION, name)))
        };
        let parameter = named("Parameter").unwrap();
        assert_eq!(parameter.attribute("name"), Some("a\"b"));
        assert_eq!(parameter.text(), Some(odd));
        let call = named("Call").unwrap();
        assert_eq!(
            call.attribute("SiprecSid"),
            Some(&*format!("SR{}", "02".repeat(16)))
        );
        assert!(!metadata(&streams(), &[]).contains("ExtensionParameters"));
    }
}
