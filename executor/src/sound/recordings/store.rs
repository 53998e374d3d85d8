//! [`Recordings`]: the folder.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use crate::sound::SoundError;
use crate::{Sid, SidKind};

use super::entry::{Done, Entry};
use super::index::{Bounds, Index};
use super::list::{Place, Query};
use super::{Begun, NewRecording, RecordingsConfig, folder};

/// The recordings of a node. Clones share them.
///
/// In the folder stands for each recording a WAV file, a small file with what is known about it, and,
/// once it was asked for, an MP3 file. Their names are made of identifiers and nothing else.
/// [`describe`](Self::describe) and [`finish`](Self::finish) write small files and block for as long as
/// that takes; within a runtime, what is deleted is deleted by another thread.
#[derive(Clone, Debug)]
pub struct Recordings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: RecordingsConfig,
    index: Mutex<Index>,
    /// Held while a file takes its name, so that only one of two does.
    placing: Mutex<()>,
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
        let index = folder::read(&config.folder)?;
        let base = OnceLock::new();
        if let Some(url) = &config.public_url {
            let text = url.as_str().trim_end_matches('/').to_owned();
            base.get_or_init(|| text);
        }
        let recordings = Self(Arc::new(Inner {
            config,
            index: Mutex::new(index),
            placing: Mutex::new(()),
            base,
        }));
        recordings.sweep();
        Ok(recordings)
    }

    /// Begins a recording, without touching the disk: the caller has it described
    /// ([`describe`](Self::describe)) and writes its file.
    ///
    /// # Errors
    ///
    /// As many go on as there may be at all.
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
        self.delete_soon(gone);
        if self.find(sid).is_none() {
            return Err(SoundError::internal("there are too many recordings"));
        }
        Ok(Begun {
            sid,
            path: self.path(sid, Kind::Wav),
            url: self.url(new.account, sid),
            started,
        })
    }

    /// Writes down what is known about a recording that has begun, so that a start after a crash
    /// finds whose its file is: before the file is there.
    ///
    /// # Errors
    ///
    /// There is no such recording, or the disk is full.
    pub fn describe(&self, sid: Sid) -> Result<(), SoundError> {
        self.write(sid, self.known(sid)?)
            .map_err(|error| failed(&error))?;
        if self.find(sid).is_none() {
            // It was discarded between the two: its files were, before this one was there.
            fs::remove_file(self.path(sid, Kind::Description)).ok();
        }
        Ok(())
    }

    /// The file is written: from now on it can be had.
    ///
    /// # Errors
    ///
    /// There is no such recording, or no file.
    pub fn finish(&self, sid: Sid, duration: Duration) -> Result<(), SoundError> {
        let mut entry = self.known(sid)?;
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
            self.delete_soon(vec![sid]);
        }
        known
    }

    /// The same, with the files gone when it returns.
    pub(super) fn delete(&self, sid: Sid) -> bool {
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

    /// A page of an account's recordings, the newest first, and where the next one begins.
    pub(super) fn page(&self, account: Sid, query: Query) -> (Vec<(Sid, Entry)>, Option<Place>) {
        let mut found: Vec<(Sid, Entry)> = Vec::new();
        let mut place = query.after;
        while found.len() <= query.size {
            // Never long under the lock that a recording has to take to begin.
            let more = self.index().of_account(account, place, AT_ONCE);
            let Some((sid, entry)) = more.last() else {
                break;
            };
            place = Some((entry.started, *sid));
            let wanted = |(_, entry): &(Sid, Entry)| {
                let call = entry.of.call;
                query.call.is_none_or(|wanted| wanted == call)
            };
            found.extend(more.into_iter().filter(wanted));
        }
        let has_more = found.len() > query.size;
        found.truncate(query.size);
        let last = found.last().filter(|_| has_more);
        let next = last.map(|(sid, entry)| (entry.started, *sid));
        (found, next)
    }

    /// Deletes what is too old or too much.
    pub(super) fn sweep(&self) {
        let gone = self.index().sweep(SystemTime::now(), self.bounds(), 0);
        self.delete_soon(gone);
    }

    /// The length of a finished recording, and its WAV file.
    pub(in crate::sound) fn finished(&self, sid: Sid) -> Option<(Duration, PathBuf)> {
        let done = self.find(sid)?.done?;
        Some((done.duration, self.path(sid, Kind::Wav)))
    }

    /// What is known about a recording.
    pub(super) fn find(&self, sid: Sid) -> Option<Entry> {
        self.index().find(sid)
    }

    fn known(&self, sid: Sid) -> Result<Entry, SoundError> {
        let entry = self.find(sid);
        entry.ok_or_else(|| SoundError::internal("there is no such recording"))
    }

    /// Where a file of a recording is: a name made of an identifier, below the folder.
    pub(super) fn path(&self, sid: Sid, kind: Kind) -> PathBuf {
        self.0.config.folder.join(kind.file(sid))
    }

    /// Takes another file of a recording in, which was made beside the others. Of two that were made at a
    /// time the first is kept; that of a recording which was deleted meanwhile is not.
    pub(super) fn adopt(&self, sid: Sid, kind: Kind, new: &Path) -> io::Result<()> {
        let path = self.path(sid, kind);
        {
            let _placing = self
                .0
                .placing
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if path.exists() || self.find(sid).is_none() {
                return fs::remove_file(new);
            }
            let bytes = fs::metadata(new)?.len();
            fs::rename(new, &path)?;
            self.index().grow(sid, bytes);
        }
        if self.find(sid).is_none() {
            // It was deleted between the two: its files were, before this one had its name.
            return fs::remove_file(&path);
        }
        self.sweep();
        Ok(())
    }

    /// The web server has its address: without a public URL, that is what URLs begin with.
    pub(super) fn served_at(&self, address: std::net::SocketAddr) {
        self.0.base.get_or_init(|| format!("http://{address}"));
    }

    pub(super) fn config(&self) -> &RecordingsConfig {
        &self.0.config
    }

    fn write(&self, sid: Sid, entry: Entry) -> io::Result<()> {
        folder::write(&self.path(sid, Kind::Description), entry)
    }

    /// Deletes without making a thread of a runtime wait: a long recording takes its time.
    fn delete_soon(&self, gone: Vec<Sid>) {
        if gone.is_empty() {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                let recordings = self.clone();
                // What a runtime that ends does not come to is found when the folder is opened again.
                runtime.spawn_blocking(move || recordings.delete_files(&gone));
            }
            Err(_) => self.delete_files(&gone),
        }
    }

    fn delete_files(&self, gone: &[Sid]) {
        for sid in gone {
            for kind in Kind::ALL {
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
    const ALL: [Self; 3] = [Self::Wav, Self::Mp3, Self::Description];

    /// The kind of a file by the end of its name.
    pub(super) fn of(ending: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ending() == ending)
    }

    /// The name of a recording's file.
    pub(super) fn file(self, sid: Sid) -> String {
        format!("{sid}.{}", self.ending())
    }

    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Description => "json",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
        }
    }
}

fn failed(error: &io::Error) -> SoundError {
    SoundError::internal(format!("the recording cannot be kept: {error}"))
}

/// Recordings that are looked at under one lock.
const AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::index::tests::entry;
    use super::*;

    #[test]
    fn of_two_files_that_are_made_at_a_time_one_is_kept_and_counted() {
        let name = format!("hookswitch-adopt-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let config = RecordingsConfig {
            folder: folder.clone(),
            ..RecordingsConfig::default()
        };
        let recordings = Recordings::open(config).unwrap();
        let sid = recordings.begin(entry(0, None).of).unwrap().sid;
        fs::write(recordings.path(sid, Kind::Wav), "12345").unwrap();
        recordings.finish(sid, Duration::from_secs(1)).unwrap();
        let bytes = || recordings.find(sid).unwrap().done.unwrap().bytes;
        assert_eq!(bytes(), 5);
        let mp3 = recordings.path(sid, Kind::Mp3);
        for content in ["first", "second"] {
            let new = crate::sound::scratch::beside(&mp3).unwrap();
            fs::write(&new, content).unwrap();
            recordings.adopt(sid, Kind::Mp3, &new).unwrap();
            assert_eq!((bytes(), new.exists()), (10, false), "{content}");
        }
        assert_eq!(fs::read_to_string(&mp3).unwrap(), "first");
        assert!(recordings.delete(sid));
        let new = crate::sound::scratch::beside(&mp3).unwrap();
        fs::write(&new, "late").unwrap();
        recordings.adopt(sid, Kind::Mp3, &new).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}
