use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Process, Scratch, free_port};

/// A command with its output, for tools that run once.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
pub fn tool(name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(name).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{name} ({error}): is `make deps` done?"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A Kamailio that record-routes and relays what is new to one next hop.
#[derive(Debug)]
pub struct Kamailio {
    process: Process,
    address: SocketAddr,
    _scratch: Scratch,
}

impl Kamailio {
    /// Starts it in front of `next`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn before(next: SocketAddr) -> Self {
        Self::start(next, "MD5", "")
    }

    /// As [`Self::before`], and asks for credentials in the realm `carrier.test` with this password and algorithm, for
    /// each INVITE and each BYE.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn guarding(next: SocketAddr, password: &str, algorithm: &str) -> Self {
        let asks = format!(
            "if (is_method(\"INVITE|BYE\")) {{ \
             if (!pv_proxy_authenticate(\"carrier.test\", \"{password}\", \"0\")) {{ \
             proxy_challenge(\"carrier.test\", \"1\"); exit; }} consume_credentials(); }}"
        );
        Self::start(next, algorithm, &asks)
    }

    fn start(next: SocketAddr, algorithm: &str, asks: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let scratch = Scratch::new("kamailio");
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("kamailio/neighbour.cfg");
        let text =
            std::fs::read_to_string(&template).expect("the configuration is part of the crate");
        let text = text
            .replace("@LISTEN@", &address.to_string())
            .replace("@NEXT@", &next.to_string())
            .replace("@ALGORITHM@", algorithm)
            .replace("@ASKS@", asks);
        let file = scratch.write("kamailio.cfg", text);
        let mut command = Command::new("kamailio");
        command
            .arg("-f")
            .arg(file)
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-Y"])
            .arg(scratch.path());
        let process = Process::start("kamailio", &mut command);
        let kamailio = Self {
            process,
            address,
            _scratch: scratch,
        };
        kamailio.wait_until_ready();
        kamailio
    }

    fn wait_until_ready(&self) {
        let started = std::time::Instant::now();
        while !crate::ports::is_heard(self.address.port()) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no Kamailio: {}",
                self.process.output()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A baresip without a sound device.
#[derive(Debug)]
pub struct Phone {
    process: Process,
    _scratch: Scratch,
}

impl Phone {
    /// Dials `uri` and stays for at most so long.
    #[must_use]
    pub fn dial(uri: &str, seconds: u32) -> Self {
        let port = free_port();
        let account = format!("<sip:phone@127.0.0.1:{port};transport=udp>;regint=0");
        Self::start(&account, port, seconds, &format!("d {uri}"))
    }

    /// Registers `user@demo.test` at `edge`, by `transport`, and stays for at most so long. It answers calls by itself,
    /// or lets them ring; `command` is what it does first.
    #[must_use]
    pub fn register(
        (user, password): (&str, &str),
        (edge, transport): (SocketAddr, &str),
        answers: bool,
        seconds: u32,
        command: &str,
    ) -> Self {
        let mode = if answers { "auto" } else { "manual" };
        let account = format!(
            "<sip:{user}@demo.test;transport={transport}>;auth_user={user};auth_pass={password};\
             outbound=\"sip:{edge};transport={transport}\";regint=600;answermode={mode}"
        );
        Self::start(&account, free_port(), seconds, command)
    }

    fn start(account: &str, port: u16, seconds: u32, command: &str) -> Self {
        let (scratch, media) = (Scratch::new("baresip"), free_port());
        scratch.write("accounts", format!("{account}\n"));
        scratch.write("contacts", "");
        scratch.write(
            "config",
            format!(
                "sip_listen 127.0.0.1:{port}\nrtp_ports {media}-{}\nmodule_path {}\nmodule g711.so\nmodule aufile.so\n\
                 module_app account.so\nmodule_app menu.so\naudio_source aufile,{}\naudio_player aufile,{}\n\
                 audio_alert aufile,/dev/null\n",
                media + 3,
                modules(),
                scratch.write("spoken.wav", tone()).display(),
                scratch.path().join("heard.wav").display()
            ),
        );
        let mut process = Command::new("baresip");
        process.arg("-f").arg(scratch.path());
        process.args(["-v", "-t", &seconds.to_string()]);
        if !command.is_empty() {
            process.args(["-e", command]);
        }
        Self {
            process: Process::start("baresip", &mut process),
            _scratch: scratch,
        }
    }

    /// Waits until it has printed this.
    #[must_use]
    pub fn says(&self, needle: &str, within: Duration) -> bool {
        let until = std::time::Instant::now() + within;
        while std::time::Instant::now() < until {
            if self.process.output().contains(needle) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// All that it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Half a minute of a quiet tone: WAV, 8 kHz, 16 bit, mono.
fn tone() -> Vec<u8> {
    let samples = (0..240_000_i32).flat_map(|n| (((n % 20) - 10) as i16 * 400).to_le_bytes());
    let data: Vec<u8> = samples.collect();
    let length = data.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(
        b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data",
    );
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    file
}

/// Where Debian has put baresip's modules.
pub(crate) fn modules() -> &'static str {
    let places = [
        "/usr/lib/baresip/modules",
        "/usr/lib/x86_64-linux-gnu/baresip/modules",
    ];
    places
        .into_iter()
        .find(|place| Path::new(place).is_dir())
        .unwrap_or(places[0])
}
