use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::ports::{free_port, is_heard};
use crate::{Message, Process, Scratch};

/// How long a whole run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A SIPp run to be. `@NAME@` in its scenario is replaced by what [`Sipp::set`] says, else by nothing.
#[derive(Clone, Debug)]
pub struct Sipp {
    scenario: String,
    remote: Option<SocketAddr>,
    local: IpAddr,
    port: u16,
    transport: &'static str,
    user: String,
    calls: u32,
    values: Vec<(String, String)>,
    arguments: Vec<String>,
    under: Vec<String>,
    traced: bool,
}

impl Sipp {
    /// A caller that sends everything to `remote`.
    #[must_use]
    pub fn caller(scenario: &str, remote: SocketAddr) -> Self {
        let mut sipp = Self::callee(scenario);
        sipp.remote = Some(remote);
        if remote.is_ipv6() {
            sipp.local = "::1".parse().expect("an address");
        }
        sipp
    }

    /// A callee that waits.
    #[must_use]
    pub fn callee(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            remote: None,
            local: Ipv4Addr::LOCALHOST.into(),
            port: free_port(),
            transport: "u1",
            user: "alice".to_owned(),
            calls: 1,
            values: Vec::new(),
            arguments: Vec::new(),
            under: Vec::new(),
            traced: true,
        }
    }

    /// Over TCP, one connection for all calls.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.transport = "t1";
        self
    }

    /// From this address.
    #[must_use]
    pub fn from_ip(mut self, ip: IpAddr) -> Self {
        self.local = ip;
        self
    }

    /// At this address.
    #[must_use]
    pub fn listening_at(mut self, address: SocketAddr) -> Self {
        (self.local, self.port) = (address.ip(), address.port());
        self
    }

    /// The Request-URI of the scenario; the same without its headers is To.
    #[must_use]
    pub fn to(self, uri: &str) -> Self {
        self.set("URI", uri)
            .set("TO", uri.split('?').next().unwrap_or(uri))
    }

    /// Replaces `@NAME@`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.values.retain(|(other, _)| other != name);
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Stays for so many milliseconds after its last word, to answer what the other side repeats.
    #[must_use]
    pub fn linger(self, ms: u32) -> Self {
        self.set("LINGER", &format!("<timewait milliseconds=\"{ms}\"/>"))
    }

    /// So many calls, begun at this rate a second.
    #[must_use]
    pub fn calls(mut self, calls: u32, rate: u32) -> Self {
        self.calls = calls;
        self.argument("-r", &rate.to_string())
    }

    /// Keeps no record of the messages: for load.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.traced = false;
        self
    }

    /// Started by this command, which ends in the name of the program that it is to become.
    #[must_use]
    pub fn under(mut self, command: &[String]) -> Self {
        self.under = command.to_vec();
        self
    }

    /// One more option of SIPp.
    #[must_use]
    pub fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.push(name.to_owned());
        if !value.is_empty() {
            self.arguments.push(value.to_owned());
        }
        self
    }

    /// Where it speaks from, and listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.local, self.port).into()
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// When a call fails.
    pub fn run(self) -> Report {
        self.start().finish()
    }

    /// Starts it; a callee is ready to be called.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(self) -> Running {
        let scratch = Scratch::new("sipp");
        let scenario = scratch.write("scenario.xml", self.filled());
        let trace = scratch.path().join("messages.log");
        let errors = scratch.path().join("errors.log");
        let mut words = self.under.iter().map(String::as_str).chain(["sipp"]);
        let mut command = Command::new(words.next().unwrap_or("sipp"));
        command
            .args(words)
            .current_dir(scratch.path())
            .args(self.remote.map(|remote| remote.to_string()));
        command
            .arg("-sf")
            .arg(&scenario)
            .args(self.options().split(' '))
            .args(&self.arguments);
        command.arg("-trace_err").arg("-error_file").arg(&errors);
        if self.traced {
            command
                .args(["-trace_msg", "-message_overwrite", "false", "-message_file"])
                .arg(&trace);
        }
        let process = Process::start(&format!("sipp {}", self.scenario), &mut command);
        let running = Running {
            process,
            address: self.address(),
            trace,
            errors,
            name: self.scenario,
            _scratch: scratch,
        };
        if self.remote.is_none() {
            running.listening(self.port);
        }
        running
    }

    fn options(&self) -> String {
        let Self {
            transport,
            port,
            user,
            calls,
            ..
        } = self;
        let ip = plain(self.local);
        let (media, control) = (free_port(), free_port());
        let seconds = PATIENCE.as_secs();
        format!(
            "-t {transport} -i {ip} -p {port} -bind_local -mi {ip} -mp {media} -cp {control} -m {calls} \
             -s {user} -nostdin -skip_rlimit -timeout {seconds}s -timeout_error"
        )
    }

    /// The scenario as SIPp reads it.
    fn filled(&self) -> String {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let read = |name: &str| {
            let path = home.join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let mut filled = String::new();
        for line in read(&format!("{}.xml", self.scenario)).lines() {
            match line
                .strip_prefix("@include ")
                .and_then(|rest| rest.strip_suffix('@'))
            {
                Some(rest) => self.include(rest, &read, &mut filled),
                None => push_line(line, &self.values, &mut filled),
            }
        }
        filled
    }

    /// A part with values of its own: `answer TAG=;tag=1 STATUS=200~OK`.
    fn include(&self, line: &str, read: &impl Fn(&str) -> String, filled: &mut String) {
        let mut words = line.split(' ');
        let part = words.next().unwrap_or("");
        let mut values = Vec::new();
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let value = fill(&value.replace('%', "@"), &self.values).replace('~', " ");
            values.push((name.to_owned(), value));
        }
        values.extend(self.values.iter().cloned());
        for line in read(&format!("parts/{part}.txt")).lines() {
            push_line(line, &values, filled);
        }
    }
}

/// A line that held nothing but an unused place goes as a whole: an empty line would end the headers.
fn push_line(line: &str, values: &[(String, String)], into: &mut String) {
    let text = fill(line, values);
    if line.is_empty() || !text.is_empty() {
        into.push_str(&text);
        into.push('\n');
    }
}

/// Replaces `@NAME@` and `@NAME:default@`.
fn fill(line: &str, values: &[(String, String)]) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        let place = after.split_once('@').and_then(|(place, next)| {
            let (name, default) = place.split_once(':').unwrap_or((place, ""));
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
            is_name.then_some((name, default, next))
        });
        if let Some((name, default, next)) = place {
            let value = values
                .iter()
                .find(|(key, _)| key == name)
                .map_or(default, |(_, value)| value.as_str());
            text.push_str(value);
            rest = next;
        } else {
            text.push('@');
            rest = after;
        }
    }
    text + rest
}

/// SIPp wants IPv6 addresses in brackets.
fn plain(ip: IpAddr) -> String {
    if ip.is_ipv6() {
        format!("[{ip}]")
    } else {
        ip.to_string()
    }
}

/// A SIPp that runs.
#[derive(Debug)]
pub struct Running {
    process: Process,
    address: SocketAddr,
    trace: PathBuf,
    errors: PathBuf,
    name: String,
    _scratch: Scratch,
}

/// What a run has come to.
#[derive(Debug)]
pub struct Report {
    /// The messages that it received, in order.
    pub received: Vec<Message>,
    /// The messages that it sent, in order.
    pub sent: Vec<Message>,
}

impl Report {
    /// The first received message that fits.
    ///
    /// # Panics
    ///
    /// When none does.
    #[must_use]
    pub fn find(&self, what: &str, fits: impl Fn(&Message) -> bool) -> &Message {
        let found = self.received.iter().find(|message| fits(message));
        found.unwrap_or_else(|| panic!("no {what} in {:#?}", self.received))
    }

    /// The first received request of this method.
    #[must_use]
    pub fn request(&self, method: &str) -> &Message {
        self.find(method, |message| message.method() == Some(method))
    }

    /// The statuses of all responses to this method, in order. One that comes again, since somebody was late, counts once.
    #[must_use]
    pub fn statuses(&self, method: &str) -> Vec<u16> {
        let mut seen = HashSet::new();
        let answers = self
            .received
            .iter()
            .filter(|message| message.cseq_method() == method);
        let first = answers.filter(|message| {
            let transaction = (message.header("Via"), message.header("Call-ID"));
            seen.insert((message.start.as_str(), message.header("CSeq"), transaction))
        });
        first.filter_map(Message::status).collect()
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What crossed so far.
    #[must_use]
    pub fn so_far(&self) -> Report {
        let text = fs::read(&self.trace).unwrap_or_default();
        read_trace(&String::from_utf8_lossy(&text))
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits for the end of the run.
    ///
    /// # Panics
    ///
    /// When a call failed.
    pub fn finish(mut self) -> Report {
        let status = self.process.wait(PATIENCE + Duration::from_secs(5));
        let report = self.so_far();
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        let success = status.is_some_and(|status| status.success());
        assert!(
            success,
            "{}: {status:?}\n{errors}\nreceived {:#?}\nsent {:#?}",
            self.name, report.received, report.sent
        );
        report
    }

    fn listening(&self, port: u16) {
        let until = Instant::now() + Duration::from_secs(20);
        while !is_heard(port) {
            assert!(
                Instant::now() < until,
                "{} does not listen: {}",
                self.name,
                self.process.output()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Takes a message trace apart: a line of dashes, a line that names direction and size, an empty line, the message.
fn read_trace(text: &str) -> Report {
    let mut report = Report {
        received: Vec::new(),
        sent: Vec::new(),
    };
    for block in text
        .split("----------------------------------------------- ")
        .skip(1)
    {
        let Some((_, rest)) = block.split_once('\n') else {
            continue;
        };
        let Some((about, message)) = rest.split_once('\n') else {
            continue;
        };
        let Some(message) = Message::read(message.trim_start_matches('\n').as_bytes()) else {
            continue;
        };
        let list = if about.contains("received") {
            &mut report.received
        } else {
            &mut report.sent
        };
        list.push(message);
    }
    report
}
