mod listening;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hear::Sound;
use crate::neighbours::modules;
use crate::{Coding, Log, Process, Scratch, free_port};

/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A source is filled up with silence to this length: a baresip whose file ends hangs up.
const SOURCE_SECONDS: f64 = 90.0;

/// What a handset does with a call that comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Picks {
    /// It rings until [`Handset::accept`].
    WhenTold,
    /// It answers at once.
    AtOnce,
}

/// What a handset has to say.
#[derive(Clone, Debug)]
enum Says {
    Once(Sound),
    Always(u32),
}

/// A baresip to be.
#[derive(Clone, Debug)]
pub struct Setup {
    user: String,
    says: Says,
    coding: Coding,
    picks: Picks,
    outbound: Option<SocketAddr>,
    password: Option<String>,
    is_secret: bool,
    packets: Option<u32>,
    shares: bool,
}

/// A baresip that says what a file holds, keeps what it hears in another, and does what it is told.
///
/// It is on 127.0.0.1, has no sound device, and registers nowhere. What it hears is kept as its decoder made it, packet
/// by packet: what is never sent takes no time in it.
#[derive(Debug)]
pub struct Handset {
    process: Process,
    control: TcpStream,
    events: Arc<Log>,
    address: SocketAddr,
    coding: Coding,
    user: String,
    scratch: Scratch,
}

impl Setup {
    /// A silent one that speaks µ-law and answers at once.
    #[must_use]
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            says: Says::Once(Sound::silence(8000, 0.0)),
            coding: Coding::Pcmu,
            picks: Picks::AtOnce,
            outbound: None,
            password: None,
            is_secret: false,
            packets: None,
            shares: false,
        }
    }

    /// What it says from the begin of a call, and then silence.
    #[must_use]
    pub fn saying(mut self, sound: &Sound) -> Self {
        self.says = Says::Once(sound.clone());
        self
    }

    /// Says this tone all the time.
    #[must_use]
    pub fn humming(mut self, hz: u32) -> Self {
        self.says = Says::Always(hz);
        self
    }

    /// Offers and takes only this.
    #[must_use]
    pub fn coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// What it does with a call.
    #[must_use]
    pub fn picking(mut self, picks: Picks) -> Self {
        self.picks = picks;
        self
    }

    /// Sends all its calls there.
    #[must_use]
    pub fn through(mut self, proxy: SocketAddr) -> Self {
        self.outbound = Some(proxy);
        self
    }

    /// Is a user of `demo.test` with this password, and registers there.
    #[must_use]
    pub fn registered(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Insists on SRTP with keys in the SDP (RFC 4568).
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Sends and wants packets of so many milliseconds.
    #[must_use]
    pub fn packets(mut self, millis: u32) -> Self {
        self.packets = Some(millis);
        self
    }

    /// Offers to have RTCP on the port of RTP (RFC 5761).
    #[must_use]
    pub fn sharing(mut self) -> Self {
        self.shares = true;
        self
    }

    /// Starts it and waits until it takes commands.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    pub fn start(self) -> Handset {
        let scratch = Scratch::new(&format!("handset-{}", self.user));
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let control = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let media = free_port();
        let source = match &self.says {
            Says::Once(sound) => write_source(scratch.path(), "says.wav", sound, self.coding),
            Says::Always(hz) => {
                let sound = Sound::tone(self.coding.file().0, *hz, SOURCE_SECONDS);
                write_source(scratch.path(), "says.wav", &sound, self.coding)
            }
        };
        scratch.write("accounts", self.account(address));
        scratch.write("contacts", "");
        scratch.write(
            "config",
            self.config(scratch.path(), &source, address, control, media),
        );
        let mut command = Command::new("baresip");
        command.arg("-f").arg(scratch.path());
        let process = Process::start(&format!("baresip {}", self.user), &mut command);
        let control = connect(control, &process);
        let events = Arc::<Log>::default();
        let incoming = control.try_clone().expect("a socket can be shared");
        follow(incoming, events.clone());
        Handset {
            process,
            control,
            events,
            address,
            coding: self.coding,
            user: self.user,
            scratch,
        }
    }

    fn account(&self, address: SocketAddr) -> String {
        let mode = match self.picks {
            Picks::WhenTold => "manual",
            Picks::AtOnce => "auto",
        };
        let outbound = self
            .outbound
            .map_or_else(String::new, |to| format!(";outbound=\"sip:{to}\""));
        let secret = if self.is_secret {
            ";mediaenc=srtp-mand"
        } else {
            ""
        };
        let packets = self.packets.map(|millis| format!(";ptime={millis}"));
        let packets = packets.unwrap_or_default();
        let (user, coding) = (&self.user, self.coding.name());
        let who = match &self.password {
            None => format!("<sip:{user}@{address};transport=udp>;regint=0"),
            Some(password) => format!(
                "<sip:{user}@demo.test;transport=udp>;regint=600;auth_user={user};auth_pass={password}"
            ),
        };
        format!("{who};answermode={mode};audio_codecs={coding}{outbound}{secret}{packets}\n")
    }

    fn config(
        &self,
        folder: &Path,
        source: &Path,
        address: SocketAddr,
        control: SocketAddr,
        media: u16,
    ) -> String {
        let (source, folder) = (source.display(), folder.display());
        let shares = if self.shares { "yes" } else { "no" };
        format!(
            "rtcp_mux {shares}\nsip_listen {address}\nnet_interface 127.0.0.1\nrtp_ports {media}-{}\njitter_buffer_delay 0-0\n\
             call_local_timeout 120\ncall_max_calls 4\naudio_source aufile,{source}\naudio_alert aufile,/dev/null\n\
             snd_path {folder}\nctrl_tcp_listen {control}\nmodule_path {}\nmodule {}\nmodule aufile.so\n\
             module sndfile.so\nmodule srtp.so\nmodule_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            media + 3,
            modules(),
            self.coding.module(),
        )
    }
}

fn write_source(folder: &Path, name: &str, sound: &Sound, coding: Coding) -> PathBuf {
    let (rate, channels) = coding.file();
    let path = folder.join(name);
    let sound = sound.at_rate(rate).padded(SOURCE_SECONDS);
    fs::write(&path, sound.wav(channels)).unwrap_or_else(|error| panic!("{name}: {error}"));
    path
}

fn connect(to: SocketAddr, process: &Process) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect_timeout(&to, Duration::from_secs(1)) {
            Ok(stream) => return stream,
            Err(error) => assert!(
                Instant::now() < until,
                "no baresip ({error}), is `make deps` done? {}",
                process.output()
            ),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Reads netstrings, and keeps what is in each as a line.
fn follow(mut from: TcpStream, into: Arc<Log>) {
    thread::spawn(move || {
        let mut waiting = Vec::new();
        let mut chunk = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            waiting.extend_from_slice(&chunk[..count]);
            while let Some((text, used)) = netstring(&waiting) {
                into.push(&format!("{}\n", text.replace('\n', " ")));
                waiting.drain(..used);
            }
        }
    });
}

fn netstring(bytes: &[u8]) -> Option<(String, usize)> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let text = bytes.get(colon + 1..colon + 1 + length)?;
    let used = colon + length + 2;
    (bytes.len() >= used).then(|| (String::from_utf8_lossy(text).into_owned(), used))
}

impl Handset {
    /// Where it can be called.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.user, self.address)
    }

    /// Its SIP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls somebody.
    pub fn dial(&self, uri: &str) {
        self.command("dial", uri);
    }

    /// Calls somebody, and waits for the answer.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn calls(&self, uri: &str) {
        self.dial(uri);
        self.is_through();
    }

    /// Answers the call that rings.
    pub fn accept(&self) {
        self.command("accept", "");
    }

    /// Ends the call.
    pub fn hang_up(&self) {
        self.command("hangup", "");
    }

    /// Puts the other side on hold (a re-INVITE). From then on nothing more is kept of what it hears: this baresip takes
    /// its filters off and never puts them on again.
    pub fn hold(&self) {
        self.command("hold", "");
    }

    /// Ends the hold.
    pub fn resume(&self) {
        self.command("resume", "");
    }

    /// Asks the other side to call somebody else (REFER).
    pub fn transfer(&self, uri: &str) {
        self.command("transfer", uri);
    }

    /// Presses keys, one after the other, as telephone events (RFC 4733).
    ///
    /// # Panics
    ///
    /// When baresip does not press one.
    pub fn keys(&self, keys: &str) {
        for key in keys.chars() {
            let token = self.command("sndcode", &key.to_string());
            let is_it = |event: &Value| event["token"] == token;
            let pressed = |text: &str| parsed(text).find(is_it);
            let pressed = self.events.wait(PATIENCE, pressed);
            assert!(pressed.is_some(), "{key} is not pressed");
            // Its packets leave in the time after that; the next key has packets of its own.
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Waits until so many keys have come as telephone events, and gives all that have.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[must_use]
    pub fn pressed(&self, count: usize) -> String {
        let keys = |text: &str| -> String {
            let events = events(text, "CALL_DTMF_START");
            let keys = events.iter().filter_map(|event| event["param"].as_str());
            keys.collect()
        };
        let enough = |text: &str| (keys(text).len() >= count).then_some(());
        let came = self.events.wait(PATIENCE, enough);
        let text = self.events.text();
        assert!(came.is_some(), "{count} keys; came:\n{text}");
        keys(&text)
    }

    /// Says something else from now on: this, and then silence.
    pub fn say(&self, sound: &Sound) {
        let path = write_source(self.scratch.path(), "next.wav", sound, self.coding);
        self.command("ausrc", &format!("aufile,{}", path.display()));
    }

    /// Gives the token that the response to it will have.
    fn command(&self, command: &str, params: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let token = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let text = json!({"command": command, "params": params, "token": token}).to_string();
        let line = format!("{}:{text},", text.len());
        let sent = (&self.control).write_all(line.as_bytes());
        assert!(
            sent.is_ok(),
            "{} is gone: {}",
            self.user,
            self.process.output()
        );
        token
    }

    /// The events of this type so far.
    #[must_use]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        events(&self.events.text(), kind)
    }

    /// Waits for an event: `CALL_INCOMING`, `CALL_RINGING`, `CALL_PROGRESS`, `CALL_ESTABLISHED`, `CALL_CLOSED`, ….
    #[must_use]
    pub fn has(&self, kind: &str, within: Duration) -> Option<Value> {
        self.events
            .wait(within, |text| events(text, kind).into_iter().next())
    }

    /// Waits for an event that has to come.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn wait(&self, kind: &str) -> Value {
        self.has(kind, PATIENCE).unwrap_or_else(|| {
            panic!(
                "{} waited for {kind}; came:\n{}",
                self.user,
                self.events.text()
            )
        })
    }

    /// Waits until the call is answered.
    pub fn is_through(&self) {
        self.wait("CALL_ESTABLISHED");
    }

    /// Waits until the other side, or a failure, has ended the call, and gives what it has heard in it.
    pub fn is_over(&self) -> Sound {
        self.wait("CALL_CLOSED");
        self.heard()
    }

    /// What baresip has printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "---- {} heard {:?}; events:\n{}",
                self.user,
                self.heard(),
                self.events.text()
            );
        }
        self.control.shutdown(Shutdown::Both).ok();
    }
}

fn parsed(text: &str) -> impl Iterator<Item = Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
}

fn events(text: &str, kind: &str) -> Vec<Value> {
    parsed(text)
        .filter(|event| event["event"] == true && event["type"] == kind)
        .collect()
}
