use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::app::CERTIFICATE;
use crate::{AUTH_TOKEN, Process, Scratch, http};

/// How long an expected request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for one that sound has to be made, heard or written for.
const LONG_PATIENCE: Duration = Duration::from_secs(40);

/// The customer's web server: Python, with the official library.
#[derive(Debug)]
pub struct Webhook {
    process: Process,
    port: u16,
    /// The one with TLS, if it has a certificate.
    tls_port: u16,
    /// The files that it serves.
    files: Option<Scratch>,
}

impl Webhook {
    /// Starts it on a port of its own.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// The same with the documents of this file, the files of this folder, and a server of media streams.
    pub(crate) fn start_with(app: Option<(&Path, Scratch)>) -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python());
        command
            .arg(home.join("python/webhook.py"))
            .args(["--token", AUTH_TOKEN]);
        if let Some((pages, files)) = &app {
            command.arg("--streams").arg("--pages").arg(pages);
            command.arg("--files").arg(files.path());
            let certificate = files.path().join(CERTIFICATE);
            if certificate.is_file() {
                command.arg("--certificate").arg(certificate);
            }
        }
        let process = Process::start("webhook", &mut command);
        let ports = process.stdout.wait(LONG_PATIENCE, |text| {
            let ready: Value = serde_json::from_str(text.lines().next()?).ok()?;
            Some((ready["port"].as_u64()?, ready["tls_port"].as_u64()?))
        });
        let (port, tls_port) = ports
            .unwrap_or_else(|| panic!("no webhook (is `make deps` done?): {}", process.output()));
        Self {
            process,
            port: port as u16,
            tls_port: tls_port as u16,
            files: app.map(|(_, files)| files),
        }
    }

    /// The folder of the application's files.
    ///
    /// # Panics
    ///
    /// When it is not one of an [`App`](crate::App).
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.files.as_ref().expect("an application").path()
    }

    /// What it has told of this kind, besides requests.
    pub(crate) fn told(&self, kind: &str) -> Vec<Value> {
        events(&self.process.stdout.text(), kind).collect()
    }

    /// The URL of a scenario, with its options: `say`, `redirect?n=3&then=busy`.
    #[must_use]
    pub fn url(&self, scenario: &str) -> String {
        format!("http://127.0.0.1:{}/{scenario}", self.port)
    }

    /// The same by TLS, of an application with a certificate.
    #[must_use]
    pub fn secure_url(&self, scenario: &str) -> String {
        format!("https://127.0.0.1:{}/{scenario}", self.tls_port)
    }

    /// All requests that were made before this one.
    #[must_use]
    pub fn hits(&self) -> Vec<Hit> {
        self.is_told();
        events(&self.process.stdout.text(), "request")
            .map(Hit)
            .collect()
    }

    /// Waits until what the server has seen up to now is told, which goes through a pipe.
    fn is_told(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let server = (Ipv4Addr::LOCALHOST, self.port).into();
        // One that is gone tells nothing more.
        if http::get(server, &format!("/told?number={number}")).is_some() {
            let is_it = |event: &Value| event["number"] == number;
            let told = |text: &str| events(text, "told").find(is_it);
            self.process.stdout.wait(PATIENCE, told);
        }
    }

    /// Waits for the request number `count` (from 1) and gives all up to then.
    ///
    /// # Panics
    ///
    /// When it does not come.
    #[must_use]
    pub fn wait(&self, count: usize) -> Vec<Hit> {
        let hits = self.process.stdout.wait(PATIENCE, |text| {
            let hits: Vec<_> = events(text, "request").map(Hit).collect();
            (hits.len() >= count).then_some(hits)
        });
        hits.unwrap_or_else(|| panic!("waited for {count} requests; came: {:#?}", self.hits()))
    }

    /// Waits for a request to this path.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn wait_for(&self, path: &str) -> Hit {
        let find = |text: &str| {
            events(text, "request")
                .map(Hit)
                .find(|hit| hit.path() == path)
        };
        let hit = self.process.stdout.wait(PATIENCE, find);
        hit.unwrap_or_else(|| panic!("waited for {path}; came: {:#?}", self.hits()))
    }

    /// Waits for a request that pleases `is_it`.
    ///
    /// # Panics
    ///
    /// When it does not come.
    #[must_use]
    pub fn wait_until(&self, what: &str, is_it: impl Fn(&Hit) -> bool) -> Hit {
        let find = |text: &str| events(text, "request").map(Hit).find(|hit| is_it(hit));
        let hit = self.process.stdout.wait(LONG_PATIENCE, find);
        hit.unwrap_or_else(|| panic!("waited for {what}; came: {:#?}", self.hits()))
    }

    /// Whether a client left before it was answered.
    #[must_use]
    pub fn is_left(&self, within: Duration) -> bool {
        let gone = |text: &str| events(text, "gone").next();
        self.process.stdout.wait(within, gone).is_some()
    }

    /// No request may have failed the validator. Files are asked for without a signature, as of any web server.
    ///
    /// # Panics
    ///
    /// When one has.
    pub fn all_signed(&self) {
        let hits = self.hits();
        assert!(!hits.is_empty(), "nobody asked");
        for hit in hits.iter().filter(|hit| !hit.path().starts_with("/files/")) {
            assert!(hit.is_valid(), "the validator refuses {hit:#?}");
        }
    }
}

fn events<'a>(text: &'a str, kind: &'a str) -> impl Iterator<Item = Value> + 'a {
    let values = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.filter(move |value| value["event"] == kind)
}

/// What a script of `python/` says.
///
/// # Panics
///
/// When it fails.
#[must_use]
pub fn script(name: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name);
    // Nothing on loopback goes by a proxy of the environment.
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
        .env("NO_PROXY", "*")
        .output()
        .expect("the interpreter starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}{complaint}");
    said
}

/// The interpreter of the suite's virtual environment, or `HOOKSWITCH_PYTHON`.
pub(crate) fn python() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    std::env::var_os("HOOKSWITCH_PYTHON").map_or_else(default, PathBuf::from)
}

/// A request that the webhook got.
#[derive(Clone, Debug)]
pub struct Hit(Value);

impl Hit {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0["method"].as_str().unwrap_or("")
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0["path"].as_str().unwrap_or("")
    }

    /// The URL with the query, as the server saw it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0["url"].as_str().unwrap_or("")
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &str {
        self.0["body"].as_str().unwrap_or("")
    }

    /// The validator's verdict.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.0["valid"] == true
    }

    /// When it came, in seconds of the system's clock.
    #[must_use]
    pub fn at(&self) -> f64 {
        self.0["at"].as_f64().unwrap_or(0.0)
    }

    /// Every value of a parameter: of the form, or of the query of a GET.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let place = if self.method() == "GET" {
            "query"
        } else {
            "form"
        };
        self.pairs(place)
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// A parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// A parameter that has to be there, once.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[must_use]
    pub fn param(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {self:#?}");
        all[0]
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.pairs("query")
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The names of all parameters of the form, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.pairs(if self.method() == "GET" {
            "query"
        } else {
            "form"
        })
        .map(|(key, _)| key)
        .collect()
    }

    /// An HTTP header, by lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.pairs("headers")
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    fn pairs(&self, place: &str) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0[place].as_array().map_or(&[][..], Vec::as_slice);
        pairs
            .iter()
            .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
    }
}

/// Percent-encodes a value for a query.
#[must_use]
pub fn encode(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Undoes [`encode`].
#[must_use]
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
