use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::hear::Sound;
use crate::{Authority, Scratch, Webhook};

/// A verb or a noun, with the names that the official library gives to it and its attributes.
#[derive(Clone, Debug)]
pub struct Verb {
    name: &'static str,
    text: Option<String>,
    attributes: Map<String, Value>,
    children: Vec<Self>,
}

impl Verb {
    /// One without anything.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            text: None,
            attributes: Map::new(),
            children: Vec::new(),
        }
    }

    /// One with a text.
    #[must_use]
    pub fn of(name: &'static str, text: &str) -> Self {
        let mut verb = Self::new(name);
        verb.text = Some(text.to_owned());
        verb
    }

    /// An attribute, by the library's name: `finish_on_key`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Something within it.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    fn json(&self) -> Value {
        json!({
            "verb": self.name,
            "text": self.text,
            "attributes": self.attributes,
            "children": self.children.iter().map(Self::json).collect::<Vec<_>>(),
        })
    }
}

/// The certificate of an application, and its key.
pub(crate) const CERTIFICATE: &str = "certificate.pem";

/// A customer's application: what it answers under which path, and the files that it serves.
#[derive(Debug)]
pub struct App {
    pages: BTreeMap<String, Vec<Value>>,
    folder: Scratch,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// One that answers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pages: BTreeMap::new(),
            folder: Scratch::new("app"),
        }
    }

    /// A document. A path that was given one before gives this one from its next request on.
    #[must_use]
    pub fn page(mut self, path: &str, verbs: impl IntoIterator<Item = Verb>) -> Self {
        let verbs = verbs.into_iter().map(|verb| verb.json()).collect();
        self.pages.entry(path.to_owned()).or_default().push(verbs);
        self
    }

    /// A file under `/files/`.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content);
        self
    }

    /// A WAV file under `/files/`.
    #[must_use]
    pub fn wav(self, name: &str, sound: &Sound) -> Self {
        self.file(name, sound.wav(1))
    }

    /// Speaks TLS on ports of its own as well ([`Webhook::secure_url`], `{https}` and `{wss}` in documents), with a
    /// certificate that this authority has given for `host`.
    #[must_use]
    pub fn vouched_for(self, authority: &Authority, host: &str) -> Self {
        self.folder.write(CERTIFICATE, authority.vouches_for(host));
        self
    }

    /// The folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the web server, and the one for media streams with it.
    #[must_use]
    pub fn start(self) -> Webhook {
        let pages = json!({ "pages": self.pages }).to_string();
        let path = self.folder.write("pages.json", pages);
        Webhook::start_with(Some((&path, self.folder)))
    }
}

/// What came over a media stream.
#[derive(Clone, Debug)]
pub struct Carried {
    /// All messages but those of sound, in order; the first is `handshake`, and the last `gone` once it is over.
    pub messages: Vec<Value>,
    /// When each of them came, in seconds of the system's clock.
    pub times: Vec<f64>,
    /// Whether the validator accepts the signature of the handshake.
    pub is_valid: bool,
}

impl Carried {
    /// When the first of this kind came.
    #[must_use]
    pub fn at(&self, kind: &str) -> Option<f64> {
        let mut all = self.messages.iter().zip(&self.times);
        all.find(|(message, _)| message["event"] == kind)
            .map(|(_, at)| *at)
    }

    /// The messages of this kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        let all = self.messages.iter();
        all.filter(|message| message["event"] == kind).collect()
    }
}

impl Webhook {
    /// What came over the streams to `path`, once a message of this kind is among it.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[must_use]
    pub fn carried(&self, path: &str, kind: &str) -> Carried {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let events: Vec<_> = self
                .told("stream")
                .into_iter()
                .filter(|event| event["path"] == path)
                .collect();
            let carried = Carried {
                is_valid: events.iter().any(|event| event["valid"] == true),
                times: events
                    .iter()
                    .map(|event| event["at"].as_f64().unwrap_or(0.0))
                    .collect(),
                messages: events
                    .iter()
                    .map(|event| event["message"].clone())
                    .collect(),
            };
            if !carried.of(kind).is_empty() {
                return carried;
            }
            assert!(
                Instant::now() < until,
                "no {kind} over {path}: {carried:?}; {:#?}",
                self.hits()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The sound of a track (`inbound`, `outbound`) that came over the stream to `path`, which has to be over.
    #[must_use]
    pub fn streamed(&self, path: &str, track: &str) -> Option<Sound> {
        let told = self.told("heard");
        let event = told
            .iter()
            .find(|event| event["path"] == path && event["track"] == track)?;
        Some(Sound::of_ulaw(
            &STANDARD.decode(event["payload"].as_str()?).ok()?,
        ))
    }
}
