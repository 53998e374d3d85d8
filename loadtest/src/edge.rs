use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use crate::{App, Config, Draft, Log, Peer, Process, Scratch, Webhook, http};

/// The name of the configuration file.
const FILE: &str = "hookswitch.toml";

/// How long the binary has to become ready.
const READY: Duration = Duration::from_secs(40);

/// How long an answer may take that has to come.
const PATIENCE: Duration = Duration::from_secs(15);

/// The binary: `HOOKSWITCH`, or what the build left beside this test.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn hookswitch() -> PathBuf {
    if let Some(path) = std::env::var_os("HOOKSWITCH") {
        return path.into();
    }
    built("hookswitch")
        .expect("no binary beside the tests: `cargo build --workspace --bins` makes it")
}

/// The file of this name in the folder of this program, or in the nearest one above that has it.
pub(crate) fn built(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().expect("a running program has a path");
    let mut folders = own.ancestors().skip(1);
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}

/// A running `hookswitch`. When it is dropped it must not have panicked.
#[derive(Debug)]
pub struct Edge {
    /// What it was started with.
    pub config: Config,
    process: Process,
    scratch: Scratch,
}

impl Edge {
    /// Starts the binary, and waits until all of it listens and an OPTIONS over UDP is answered.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let edge = Self::start_silent(config);
        edge.ready(|edge| edge.answers_within(Duration::from_millis(300)));
        edge
    }

    /// The same for a configuration that says nothing to strangers: waits for `/healthz`.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start_silent(config: Config) -> Self {
        let edge = Self::launch(config);
        edge.ready(|edge| {
            http::get(edge.console(), "/healthz").is_some_and(|answer| answer.status == 200)
        });
        edge
    }

    fn launch(config: Config) -> Self {
        let scratch = Scratch::new("edge");
        let file = scratch.write(FILE, config.text());
        let process = Process::start(
            "hookswitch",
            Command::new(hookswitch()).arg("run").arg("-c").arg(&file),
        );
        Self {
            config,
            process,
            scratch,
        }
    }

    fn ready(&self, is_ready: impl Fn(&Self) -> bool) {
        let until = Instant::now() + READY;
        while !is_ready(self) {
            assert!(Instant::now() < until, "hookswitch did not become ready");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether an OPTIONS to the public UDP listener gets any answer.
    #[must_use]
    pub fn answers_options(&self) -> bool {
        self.answers_within(PATIENCE)
    }

    fn answers_within(&self, within: Duration) -> bool {
        let to = self.public();
        let peer = if to.is_ipv6() {
            Peer::bind_ipv6()
        } else {
            Peer::bind()
        };
        peer.send(
            to,
            Draft::new("OPTIONS", &format!("sip:{to}"), &peer).text(),
        );
        peer.receive(within)
            .is_some_and(|message| message.status().is_some())
    }

    /// The public listeners.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.config.public()
    }

    /// The internal listener.
    #[must_use]
    pub fn inside(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.config.inside).into()
    }

    /// The executor's own socket.
    #[must_use]
    pub fn executor(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.config.executor).into()
    }

    /// The page.
    #[must_use]
    pub fn console(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.config.console).into()
    }

    /// Puts this text in the place of the configuration file and asks for it to be read (SIGHUP).
    pub fn reload(&self, text: &str) {
        self.scratch.write(FILE, text);
        self.process.signal("HUP");
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Waits until the log, on whichever output it is, contains `needle`.
    #[must_use]
    pub fn logs(&self, needle: &str) -> bool {
        let logs: [&Log; 2] = [&self.process.stdout, &self.process.stderr];
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if logs.iter().any(|log| log.text().contains(needle)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The sum of all series of a metric, by the start of its lines in `/metrics`.
    #[must_use]
    pub fn metric(&self, series: &str) -> Option<f64> {
        let answer = http::get(self.console(), "/metrics")?;
        let values = answer.body.lines().filter(|line| line.starts_with(series));
        values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .reduce(|sum, value| sum + value)
    }

    /// Waits until nothing is left of these gauges.
    ///
    /// # Panics
    ///
    /// When something stays.
    pub fn drains(&self, gauges: &[&str]) {
        let until = Instant::now() + 2 * PATIENCE;
        loop {
            let left: Vec<_> = gauges
                .iter()
                .map(|gauge| (*gauge, self.metric(gauge).unwrap_or(-1.0)))
                .collect();
            if left.iter().all(|(_, value)| *value == 0.0) {
                return;
            }
            assert!(Instant::now() < until, "left over: {left:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs the binary once with these arguments.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn command(arguments: &[&str]) -> Output {
        Command::new(hookswitch())
            .args(arguments)
            .output()
            .expect("the binary starts")
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.process.stop();
        let log = self.log();
        assert!(!log.contains("panicked at"), "hookswitch panicked:\n{log}");
    }
}

/// A webhook, and an edge whose domain `demo.test` asks this scenario of it.
#[must_use]
pub fn answering(scenario: &str) -> (Webhook, Edge) {
    let hook = Webhook::start();
    let edge = Edge::start(Config::new().domain("demo.test", &hook.url(scenario)));
    (hook, edge)
}

/// Keys of `[executor]`: recordings are served, and kept beside the files of the application; streams need no TLS.
#[must_use]
pub fn sound_keys(hook: &Webhook) -> String {
    let port = crate::free_port();
    let folder = hook.folder().join("recordings");
    format!(
        "recordings_listen = \"127.0.0.1:{port}\"\nrecordings_dir = {folder:?}\nstreams_plain = true"
    )
}

/// An application, and an edge whose domain `demo.test` asks `/answer` of it.
#[must_use]
pub fn serving(app: App) -> (Webhook, Edge) {
    serving_with(app, |config, _| config)
}

/// The same with changes to the configuration, which may need the address of the application.
#[must_use]
pub fn serving_with(app: App, change: impl FnOnce(Config, &Webhook) -> Config) -> (Webhook, Edge) {
    let hook = app.start();
    let config = Config::new()
        .domain("demo.test", &hook.url("answer"))
        .executor_keys(&sound_keys(&hook));
    let edge = Edge::start(change(config, &hook));
    (hook, edge)
}
