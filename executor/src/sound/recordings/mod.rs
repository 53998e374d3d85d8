//! Recordings: a folder of them, and the small web server that hands them out.

mod access;
mod body;
mod entry;
mod folder;
mod index;
mod list;
mod range;
mod respond;
mod route;
mod server;
mod store;
mod wav;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::Sid;

pub use server::RecordingServer;
pub use store::Recordings;

/// Where recordings are, how many, and who gets them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordingsConfig {
    /// The folder; it is made if it is not there. Nothing else should be in it.
    pub folder: PathBuf,
    /// What all of them may take. When a finished recording does not fit, the oldest ones go.
    pub bytes_max: u64,
    /// How many there may be. When one more begins, the oldest finished one goes.
    pub count_max: usize,
    /// How long they are kept.
    pub age_max: Duration,
    /// Where the web server listens; without it there is none.
    pub listen: Option<SocketAddr>,
    /// What stands before `/2010-04-01` in the URLs of recordings; by default the address that the
    /// web server listens on.
    pub public_url: Option<Url>,
    /// Whether a sound is given only for the account's identifier and token (HTTP Basic). The
    /// description of a recording, its deletion, and the list of all always want them.
    pub authenticate: bool,
}

/// A recording that begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewRecording {
    /// Whose it is.
    pub account: Sid,
    /// The call it is of.
    pub call: Sid,
    /// What wanted it.
    pub source: RecordingSource,
    /// What is heard on it.
    pub track: RecordingTrack,
    /// Its channels, 1 or 2.
    pub channels: u8,
}

/// A recording that has begun: write the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    /// Its identifier.
    pub sid: Sid,
    /// The WAV file to be written.
    pub path: PathBuf,
    /// Where it will be had, if there is a web server or a public URL.
    pub url: Option<String>,
    /// When.
    pub started: SystemTime,
}

/// What wanted a recording, in the words of `RecordingSource`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingSource {
    /// `<Conference record>`.
    Conference,
    /// `<Dial record>`.
    DialVerb,
    /// `<Record>`.
    RecordVerb,
}

/// What is heard on a recording, in the words of `RecordingTrack`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingTrack {
    /// Both sides.
    Both,
    /// What the caller says.
    Inbound,
    /// What the caller hears.
    Outbound,
}

impl RecordingSource {
    const ALL: [Self; 3] = [Self::Conference, Self::DialVerb, Self::RecordVerb];

    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conference => "Conference",
            Self::DialVerb => "DialVerb",
            Self::RecordVerb => "RecordVerb",
        }
    }
}

impl RecordingTrack {
    const ALL: [Self; 3] = [Self::Both, Self::Inbound, Self::Outbound];

    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl Default for RecordingsConfig {
    fn default() -> Self {
        Self {
            folder: std::env::temp_dir().join("hookswitch-recordings"),
            bytes_max: 10 * 1024 * 1024 * 1024,
            count_max: 50_000,
            age_max: Duration::from_secs(30 * 24 * 3600),
            listen: None,
            public_url: None,
            authenticate: false,
        }
    }
}
