//! [`Recordings`]: the folder.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use crate::sound::{SoundError, scratch};
use crate::{Sid, SidKind};

use super::entry::{Done, Entry};
use super::index::{Bounds, Index};
use super::{Begun, NewRecording, RecordingsConfig, wav};

/// The recordings of a node. Clones share them.
///
/// In the folder stands for each recording a WAV file, a small file with what is known about it, and,
/// once it was asked for, an MP3 file. Their names are made of identifiers and nothing else. The
/// methods write small files and block for as long as that takes.
#[derive(Clone, Debug)]
pub struct Recordings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: RecordingsConfig,
    index: Mutex<Index>,
    /// What stands before the paths of recordings.
    base: OnceLock<String>,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Description,
    Mp3,
    Wav,
}

impl Recordings {
    /// Opens the folder, and mends what a process that was killed left in it.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, read or written.
    pub fn open(config: RecordingsConfig) -> io::Result<Self> {
        // What callers said is for nobody else on this machine.
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&config.folder)?;
        let mut index = Index::default();
        for file in fs::read_dir(&config.folder)? {
            let path = file?.path();
            if let Some((sid, entry)) = read_entry(&path) {
                index.insert(sid, entry);
            }
        }
        let base = OnceLock::new();
        if let Some(url) = &config.public_url {
            let text = url.as_str().trim_end_matches('/').to_owned();
            base.get_or_init(|| text);
        }
        let recordings = Self(Arc::new(Inner {
            config,
            index: Mutex::new(index),
            base,
        }));
        recordings.sweep();
        Ok(recordings)
    }

    /// Begins a recording: the caller writes its file.
    ///
    /// # Errors
    ///
    /// As many go on as there may be at all, or the disk is full.
    pub fn begin(&self, new: NewRecording) -> Result<Begun, SoundError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|_| SoundError::internal("the system gives no random numbers"))?;
        let sid = Sid::new(SidKind::Recording, random);
        let started = SystemTime::now();
        let entry = Entry {
            of: new,
            started,
            done: None,
        };
        let gone = {
            let mut index = self.index();
            let gone = index.sweep(started, self.bounds(), 1);
            if index.len() < self.0.config.count_max {
                index.insert(sid, entry);
            }
            gone
        };
        self.delete_files(&gone);
        if self.find(sid).is_none() {
            return Err(SoundError::internal("there are too many recordings"));
        }
        if let Err(error) = self.write(sid, entry) {
            self.discard(sid);
            return Err(failed(&error));
        }
        Ok(Begun {
            sid,
            path: self.path(sid, Kind::Wav),
            url: self.url(new.account, sid),
            started,
        })
    }

    /// The file is written: from now on it can be had.
    ///
    /// # Errors
    ///
    /// There is no such recording, or no file.
    pub fn finish(&self, sid: Sid, duration: Duration) -> Result<(), SoundError> {
        let entry = self.find(sid);
        let mut entry = entry.ok_or_else(|| SoundError::internal("there is no such recording"))?;
        let file = fs::metadata(self.path(sid, Kind::Wav));
        let bytes = file.map_err(|error| failed(&error))?.len();
        entry.done = Some(Done { duration, bytes });
        self.write(sid, entry).map_err(|error| failed(&error))?;
        self.index().insert(sid, entry);
        self.sweep();
        Ok(())
    }

    /// Forgets a recording, finished or not, with its files. Whether there was one.
    pub fn discard(&self, sid: Sid) -> bool {
        let known = self.index().remove(sid).is_some();
        if known {
            self.delete_files(&[sid]);
        }
        known
    }

    /// Where a recording can be had; `None` without a web server and a public URL.
    pub fn url(&self, account: Sid, sid: Sid) -> Option<String> {
        let base = self.0.base.get()?;
        Some(format!(
            "{base}/2010-04-01/Accounts/{account}/Recordings/{sid}"
        ))
    }

    /// How many there are, finished or not.
    pub fn count(&self) -> usize {
        self.index().len()
    }

    /// Deletes what is too old or too much.
    pub(super) fn sweep(&self) {
        let gone = self.index().sweep(SystemTime::now(), self.bounds(), 0);
        self.delete_files(&gone);
    }

    /// What is known about a recording.
    pub(super) fn find(&self, sid: Sid) -> Option<Entry> {
        self.index().find(sid)
    }

    /// Where a file of a recording is: a name made of an identifier, below the folder.
    pub(super) fn path(&self, sid: Sid, kind: Kind) -> PathBuf {
        self.0
            .config
            .folder
            .join(format!("{sid}.{}", kind.ending()))
    }

    /// Another file of a recording was written.
    pub(super) fn grew(&self, sid: Sid, bytes: u64) {
        self.index().grow(sid, bytes);
        self.sweep();
    }

    /// The web server has its address: without a public URL, that is what URLs begin with.
    pub(super) fn served_at(&self, address: std::net::SocketAddr) {
        self.0.base.get_or_init(|| format!("http://{address}"));
    }

    pub(super) fn config(&self) -> &RecordingsConfig {
        &self.0.config
    }

    /// Whole or not at all: the name is taken when the content is there.
    fn write(&self, sid: Sid, entry: Entry) -> io::Result<()> {
        let path = self.path(sid, Kind::Description);
        let new = scratch::beside(&path)?;
        fs::write(&new, entry.to_json())?;
        fs::rename(new, path)
    }

    fn delete_files(&self, gone: &[Sid]) {
        for sid in gone {
            for kind in [Kind::Wav, Kind::Mp3, Kind::Description] {
                // What is not there is as good.
                fs::remove_file(self.path(*sid, kind)).ok();
            }
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            bytes_max: self.0.config.bytes_max,
            count_max: self.0.config.count_max,
            age_max: self.0.config.age_max,
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Description => "json",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
        }
    }
}

/// A recording that the folder has. One that was not finished is finished now, from what there is
/// of it; one without sound is deleted.
fn read_entry(path: &Path) -> Option<(Sid, Entry)> {
    if path.extension()? != Kind::Description.ending() {
        return None;
    }
    let sid: Sid = path.file_stem()?.to_str()?.parse().ok()?;
    if sid.kind() != SidKind::Recording || fs::metadata(path).ok()?.len() > JSON_BYTES_MAX {
        return None;
    }
    let size = |kind: Kind| {
        let file = fs::metadata(path.with_extension(kind.ending()));
        file.map_or(0, |file| file.len())
    };
    let bytes = size(Kind::Wav).saturating_add(size(Kind::Mp3));
    let mut entry = Entry::from_json(&fs::read(path).ok()?, bytes)?;
    if entry.done.is_none() {
        let wav = path.with_extension(Kind::Wav.ending());
        let Ok(duration) = wav::mend(&wav) else {
            fs::remove_file(wav).ok();
            fs::remove_file(path).ok();
            return None;
        };
        entry.done = Some(Done { duration, bytes });
        fs::write(path, entry.to_json()).ok()?;
    }
    Some((sid, entry))
}

fn failed(error: &io::Error) -> SoundError {
    SoundError::internal(format!("the recording cannot be kept: {error}"))
}

const JSON_BYTES_MAX: u64 = 16 * 1024;
