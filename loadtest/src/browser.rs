use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Process, Scratch, free_port, http};

/// Options for a Chromium that talks to nobody but the page.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
];

/// A headless Chromium, driven over the WebDriver protocol.
#[derive(Debug)]
pub struct Browser {
    driver: SocketAddr,
    session: String,
    _process: Process,
    _scratch: Scratch,
}

impl Browser {
    /// Starts one with an empty profile.
    ///
    /// # Panics
    ///
    /// When there is no ChromeDriver or no Chromium.
    #[must_use]
    pub fn open() -> Self {
        let scratch = Scratch::new("browser");
        let driver = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new("chromedriver");
        command
            .arg(format!("--port={}", driver.port()))
            .env("HOME", scratch.path());
        let process = Process::start("chromedriver", &mut command);
        let ready = process
            .stdout
            .contains("started successfully", Duration::from_secs(20));
        assert!(ready, "no ChromeDriver: {}", process.output());
        let profile = format!("--user-data-dir={}", scratch.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wish = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } } });
        let answer = http::post(driver, "/session", &wish.to_string()).expect("the driver answers");
        let value: Value = serde_json::from_str(&answer.body).expect("the driver speaks JSON");
        let session = value["value"]["sessionId"].as_str();
        let session = session
            .unwrap_or_else(|| panic!("no Chromium: {}", answer.body))
            .to_owned();
        Self {
            driver,
            session,
            _process: process,
            _scratch: scratch,
        }
    }

    /// Opens a page and waits until it is loaded.
    pub fn visit(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs a function body in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text that a reader of the page sees.
    #[must_use]
    pub fn text(&self) -> String {
        self.run("return document.body.innerText")
            .as_str()
            .unwrap_or("")
            .to_owned()
    }

    /// Waits until the reader sees this.
    ///
    /// # Panics
    ///
    /// When it does not appear.
    pub fn sees(&self, needle: &str, within: Duration) {
        let until = Instant::now() + within;
        while !self.text().contains(needle) {
            assert!(
                Instant::now() < until,
                "the page does not show {needle:?}:\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until an element that fits the selector contains this text.
    ///
    /// # Panics
    ///
    /// When none does in time.
    pub fn shows(&self, selector: &str, needle: &str, within: Duration) {
        let script = format!(
            "return Array.from(document.querySelectorAll({selector:?}), element => element.textContent).join('\\n')"
        );
        let until = Instant::now() + within;
        loop {
            let text = self.run(&script);
            if text.as_str().is_some_and(|text| text.contains(needle)) {
                return;
            }
            assert!(
                Instant::now() < until,
                "{selector} does not show {needle:?}: {text}\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a script returns this.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    pub fn until(&self, script: &str, value: &str, within: Duration) {
        let until = Instant::now() + within;
        while self.run(script) != value {
            assert!(
                Instant::now() < until,
                "{script} gives {}",
                self.run(script)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Puts a picture of the page into the folder that `HOOKSWITCH_SCREENSHOTS` names, if it names one.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn keep_screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("HOOKSWITCH_SCREENSHOTS") else {
            return;
        };
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(&path, decode(&self.screenshot()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A picture of the page, as PNG in base64.
    #[must_use]
    pub fn screenshot(&self) -> String {
        let path = format!("/session/{}/screenshot", self.session);
        let answer = http::get(self.driver, &path).expect("the driver answers");
        let value: Value = serde_json::from_str(&answer.body).expect("the driver speaks JSON");
        value["value"].as_str().unwrap_or("").to_owned()
    }

    fn command(&self, command: &str, argument: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        let answer =
            http::post(self.driver, &path, &argument.to_string()).expect("the driver answers");
        assert_eq!(answer.status, 200, "{command}: {}", answer.body);
        let value: Value = serde_json::from_str(&answer.body).expect("the driver speaks JSON");
        value["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its Chromium with the session.
        if http::exchange(
            self.driver,
            "DELETE",
            &format!("/session/{}", self.session),
            "",
        )
        .is_none()
        {
            eprintln!("the browser's session did not end by itself");
        }
    }
}

/// Base64 (RFC 4648 §4), with line ends and padding passed over.
fn decode(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for value in text
        .bytes()
        .filter_map(|byte| ALPHABET.iter().position(|letter| *letter == byte))
    {
        word = word << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}
