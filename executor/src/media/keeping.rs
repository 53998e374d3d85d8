//! What the store of recordings is told of a file, by the thread that writes it.

use std::io;

use ::media::{RecordEnd, RecordKeeper};
use tokio::runtime::Handle;

use crate::Sid;
use crate::sound::SoundError;
use crate::sound::recordings::Recordings;

/// Describes one recording in the store before its file is there and after it is complete, so that
/// the user agent waits for no disk.
#[derive(Debug)]
pub(super) struct Keeping {
    store: Recordings,
    sid: Sid,
    /// Which ends are worth keeping.
    kept: fn(&RecordEnd) -> bool,
    /// The user agent's: it deletes what has to go, so that the thread of files goes on.
    runtime: Option<Handle>,
}

impl Keeping {
    /// Of a recording that the store has begun; `kept` says of which end something is left.
    pub(super) fn new(store: &Recordings, sid: Sid, kept: fn(&RecordEnd) -> bool) -> Self {
        Self {
            store: store.clone(),
            sid,
            kept,
            runtime: Handle::try_current().ok(),
        }
    }
}

impl RecordKeeper for Keeping {
    fn begins(&self) -> io::Result<()> {
        self.store.describe(self.sid).map_err(failed)
    }

    fn ended(&self, end: &RecordEnd) -> io::Result<()> {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        let finished = (self.kept)(end).then(|| self.store.finish(self.sid, end.duration));
        if !matches!(finished, Some(Ok(()))) {
            // What could not be finished keeps no place either.
            self.store.discard(self.sid);
        }
        finished.unwrap_or(Ok(())).map_err(failed)
    }
}

fn failed(error: SoundError) -> io::Error {
    io::Error::other(error.detail)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use ::media::RecordReason;

    use super::*;
    use crate::SidKind;
    use crate::sound::recordings::{
        NewRecording, RecordingSource, RecordingTrack, RecordingsConfig,
    };

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("hookswitch-keeping-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn open(&self) -> Recordings {
            let folder = self.0.clone();
            Recordings::open(RecordingsConfig {
                folder,
                ..RecordingsConfig::default()
            })
            .unwrap()
        }

        fn files(&self) -> usize {
            fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn new() -> NewRecording {
        NewRecording {
            account: Sid::new(SidKind::Account, [1; 16]),
            call: Sid::new(SidKind::Call, [1; 16]),
            source: RecordingSource::RecordVerb,
            track: RecordingTrack::Inbound,
            channels: 1,
        }
    }

    fn end(file: PathBuf, reason: RecordReason) -> RecordEnd {
        RecordEnd {
            file,
            duration: Duration::from_secs(1),
            reason,
            heard: true,
        }
    }

    fn unless_failed(end: &RecordEnd) -> bool {
        !matches!(end.reason, RecordReason::Failed(_))
    }

    #[test]
    fn nothing_is_written_before_the_thread_of_files_says_so() {
        let folder = Folder::new("order");
        let store = folder.open();
        let begun = store.begin(new()).unwrap();
        assert_eq!(folder.files(), 0);
        let keeping = Keeping::new(&store, begun.sid, unless_failed);
        keeping.begins().unwrap();
        assert_eq!(folder.files(), 1);
        fs::write(&begun.path, "sound").unwrap();
        keeping
            .ended(&end(begun.path, RecordReason::Stopped))
            .unwrap();
        assert_eq!((folder.files(), store.count()), (2, 1));
        drop(store);
        assert_eq!(folder.open().count(), 1);
    }

    #[test]
    fn what_failed_is_gone_with_its_files() {
        let folder = Folder::new("failed");
        let store = folder.open();
        let begun = store.begin(new()).unwrap();
        let keeping = Keeping::new(&store, begun.sid, unless_failed);
        keeping.begins().unwrap();
        fs::write(&begun.path, "sound").unwrap();
        let reason = RecordReason::Failed("the disk is full".to_owned());
        keeping.ended(&end(begun.path, reason)).unwrap();
        assert_eq!((folder.files(), store.count()), (0, 0));
    }

    #[test]
    fn what_cannot_be_finished_keeps_no_place() {
        let folder = Folder::new("unfinished");
        let store = folder.open();
        let begun = store.begin(new()).unwrap();
        let keeping = Keeping::new(&store, begun.sid, unless_failed);
        keeping.begins().unwrap();
        // Its file is not there.
        let ended = keeping.ended(&end(begun.path, RecordReason::Stopped));
        assert!(ended.is_err());
        assert_eq!((folder.files(), store.count()), (0, 0));
    }

    #[test]
    fn a_recording_that_was_deleted_is_not_described_again() {
        let folder = Folder::new("deleted");
        let store = folder.open();
        let begun = store.begin(new()).unwrap();
        let keeping = Keeping::new(&store, begun.sid, unless_failed);
        assert!(store.discard(begun.sid));
        assert!(keeping.begins().is_err());
        assert!(
            keeping
                .ended(&end(begun.path, RecordReason::Stopped))
                .is_err()
        );
        assert_eq!((folder.files(), store.count()), (0, 0));
    }

    #[test]
    fn a_folder_that_is_gone_is_told() {
        let folder = Folder::new("gone");
        let store = folder.open();
        let begun = store.begin(new()).unwrap();
        let keeping = Keeping::new(&store, begun.sid, unless_failed);
        fs::remove_dir_all(&folder.0).unwrap();
        let error = keeping.begins().unwrap_err().to_string();
        assert!(error.starts_with("the recording cannot be kept"), "{error}");
        fs::create_dir(&folder.0).unwrap();
    }
}
