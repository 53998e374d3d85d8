use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::machine::{has, says};
use super::{Failure, Place};
use crate::edge::built;
use crate::{Draft, Peer, Process, Scratch, hookswitch};

/// How long a subject may take until it can be called.
const READY: Duration = Duration::from_secs(10);

/// What can stand between caller and callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// `recvmmsg` and `sendmmsg`, nothing else: the floor.
    BareRelay,
    /// The product, with `loadtest/hookswitch.toml`.
    Hookswitch,
    /// The same, compiled for what it does under load: `make tuned`.
    HookswitchTuned,
    /// Kamailio with the allocator that the package has as default.
    KamailioPackaged,
    /// Kamailio with its quick allocator.
    KamailioTuned,
}

impl Subject {
    /// All, in the order in which they take turns.
    pub const ALL: [Self; 5] = [
        Self::BareRelay,
        Self::Hookswitch,
        Self::HookswitchTuned,
        Self::KamailioTuned,
        Self::KamailioPackaged,
    ];

    /// The builds of the product.
    pub const OWN: [Self; 2] = [Self::Hookswitch, Self::HookswitchTuned];

    /// What the report calls it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::BareRelay => "bare relay",
            Self::Hookswitch => "Hookswitch",
            Self::HookswitchTuned => "Hookswitch, tuned",
            Self::KamailioPackaged => "Kamailio, as packaged",
            Self::KamailioTuned => "Kamailio, tuned",
        }
    }

    /// The word for it on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BareRelay => "bare-relay",
            Self::Hookswitch => "hookswitch",
            Self::HookswitchTuned => "hookswitch-tuned",
            Self::KamailioPackaged => "kamailio-packaged",
            Self::KamailioTuned => "kamailio-tuned",
        }
    }

    /// The subject of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.word() == word)
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_here(self) -> bool {
        match self {
            Self::KamailioPackaged | Self::KamailioTuned => has("kamailio"),
            Self::BareRelay | Self::Hookswitch => true,
            Self::HookswitchTuned => tuned().is_some(),
        }
    }

    /// How a report says that it was started.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::BareRelay => "bare_relay 127.0.0.1:5060 127.0.0.1:5080 127.0.0.1:5070",
            Self::Hookswitch => "hookswitch run -c loadtest/hookswitch.toml",
            Self::HookswitchTuned => "tuned/hookswitch run -c loadtest/hookswitch.toml",
            Self::KamailioPackaged => {
                "kamailio -f loadtest/peers/kamailio.cfg -DD -E -m 2048 -M 32"
            }
            Self::KamailioTuned => {
                "kamailio -f loadtest/peers/kamailio.cfg -DD -E -m 2048 -M 32 -x fm -X fm"
            }
        }
    }

    /// Starts it, alone on its core, and waits until it can be called.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start(self, place: Place) -> Result<Running, Failure> {
        self.start_with(place, &self.configuration()?)
    }

    /// The text of its configuration, for the fixed ports.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn configuration(self) -> Result<String, Failure> {
        match self {
            Self::BareRelay => Ok(String::new()),
            Self::Hookswitch | Self::HookswitchTuned => own_configuration(),
            Self::KamailioPackaged | Self::KamailioTuned => read("peers/kamailio.cfg"),
        }
    }

    /// The same with another configuration, written for the fixed ports.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start_with(self, place: Place, configuration: &str) -> Result<Running, Failure> {
        let running = self.launch(place, configuration)?;
        running.wait_until_ready()?;
        Ok(running)
    }

    /// The same without the wait.
    ///
    /// # Errors
    ///
    /// When a port is taken.
    pub fn launch(self, place: Place, configuration: &str) -> Result<Running, Failure> {
        place.is_free()?;
        let scratch = Scratch::new(self.word());
        let file = scratch.write("configuration", place.fill(configuration));
        let mut command = leashed(Side::Middle);
        match self {
            Self::BareRelay => command
                .arg(beside("bare_relay"))
                .args([place.edge, place.caller, place.callee].map(|it| it.to_string())),
            Self::Hookswitch => command.arg(hookswitch()).args(["run", "-c"]).arg(&file),
            Self::HookswitchTuned => {
                let missing = || Failure("there is no tuned build: make tuned".to_owned());
                let binary = tuned().ok_or_else(missing)?;
                command.arg(binary).args(["run", "-c"]).arg(&file)
            }
            Self::KamailioPackaged | Self::KamailioTuned => {
                command
                    .arg("kamailio")
                    .arg("-f")
                    .arg(&file)
                    .arg("-Y")
                    .arg(scratch.path());
                command.args(["-DD", "-E", "-m", "2048", "-M", "32"]);
                let tuned = ["-x", "fm", "-X", "fm"];
                command.args(tuned.iter().filter(|_| self == Self::KamailioTuned))
            }
        };
        Ok(Running {
            subject: self,
            place,
            process: Process::start(self.word(), &mut command),
            scratch,
        })
    }
}

/// A subject that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Which one.
    pub subject: Subject,
    /// Where.
    pub place: Place,
    /// Its process; children of it count.
    pub process: Process,
    scratch: Scratch,
}

impl Running {
    /// Puts this configuration, written for the fixed ports, in the place of its own and asks for it to be read;
    /// returns when it asked.
    pub fn reload(&self, configuration: &str) -> Instant {
        self.scratch
            .write("configuration", self.place.fill(configuration));
        let asked = Instant::now();
        self.process.signal("HUP");
        asked
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        let until = Instant::now() + READY;
        while !self.is_ready() {
            if Instant::now() > until {
                let output = self.process.output();
                return Err(Failure(format!(
                    "{} does not come up: {output}",
                    self.subject.label()
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        if self.subject == Subject::BareRelay {
            return self.process.stdout.text().contains("listening");
        }
        let peer = Peer::bind();
        let ask = Draft::new("OPTIONS", &format!("sip:{}", self.place.edge), &peer);
        peer.send(self.place.edge, ask.text());
        peer.receive(Duration::from_millis(300)).is_some()
    }
}

impl Drop for Running {
    /// A Kamailio that is told to end while it still begins leaves children behind.
    fn drop(&mut self) {
        self.process.stop();
        let group = format!("kill -KILL -- -{} 2>/dev/null", self.process.id());
        Command::new("sh").arg("-c").arg(group).status().ok();
    }
}

/// Who has which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The generator, or the SIPps: the first core that this process may use.
    Ends,
    /// The process under test: the last one.
    Middle,
}

/// A command to be: on its core, in a process group of its own, and sent SIGTERM when this process ends in whichever
/// way.
pub(super) fn leashed(side: Side) -> Command {
    let words = leash(side);
    let mut words = words.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words).process_group(0);
    command
}

/// The words before such a command.
pub(super) fn leash(side: Side) -> Vec<String> {
    let cores = own_cores();
    let core = match side {
        Side::Ends => cores.first(),
        Side::Middle => cores.last(),
    };
    let core = core.copied().unwrap_or(0).to_string();
    ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", &core]
        .map(str::to_owned)
        .to_vec()
}

/// The cores that this process may use: `Cpus_allowed_list`, such as `0-3,8`.
fn own_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    let ranges = list.unwrap_or("").split(',').filter_map(range);
    ranges.flatten().collect()
}

/// A binary of this build.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub(super) fn beside(name: &str) -> PathBuf {
    built(name).unwrap_or_else(|| {
        panic!("no {name} beside this program: `cargo build --workspace --bins` makes it")
    })
}

/// What `make tuned` leaves in the folder of builds.
fn tuned() -> Option<PathBuf> {
    built("tuned/hookswitch")
}

/// The text of `loadtest/hookswitch.toml`.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn own_configuration() -> Result<String, Failure> {
    read("hookswitch.toml")
}

/// The versions of all that takes part.
#[must_use]
pub(super) fn versions() -> Vec<(String, String)> {
    let binary = hookswitch().display().to_string();
    let describe = says("git", &["describe", "--always", "--dirty", "--tags"], "");
    let versions = [
        (
            "hookswitch",
            format!("{} ({describe})", says(&binary, &["--version"], "")),
        ),
        ("kamailio", says("kamailio", &["-v"], "version")),
        ("sipp", says("sipp", &["-v"], "SIPp v")),
        ("rustc", says("rustc", &["--version"], "rustc")),
    ];
    let known = versions
        .into_iter()
        .filter(|(_, version)| !version.is_empty());
    known
        .map(|(name, version)| (name.to_owned(), version))
        .collect()
}

fn read(name: &str) -> Result<String, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).map_err(|error| Failure(format!("{}: {error}", path.display())))
}
