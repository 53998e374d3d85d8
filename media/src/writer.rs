//! The thread that writes recordings, so that a slow disk delays no packet.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::counters::Cells;
use crate::encode::WavWriter;
use crate::teller::Teller;
use crate::{Event, RecordEnd, RecordId, RecordKeeper, RecordReason};

/// The way to the thread.
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
    next: AtomicU64,
}

/// Tells files apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FileKey(u64);

/// What the thread is to do.
pub(crate) enum Job {
    /// Complete a file and tell of it.
    Close(FileKey, Ending),
    /// A worker has ended; after the last, so does the thread.
    Leave,
    /// Begin a file.
    Open(FileKey, Opening),
    /// Append to it.
    Write(FileKey, Vec<i16>),
}

/// A file to be written.
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) channels: u16,
    pub(crate) id: RecordId,
    pub(crate) teller: Teller,
    pub(crate) keeper: Option<Arc<dyn RecordKeeper>>,
}

/// How a recording ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ending {
    pub(crate) duration: Duration,
    pub(crate) reason: RecordReason,
    pub(crate) heard: bool,
}

impl Writer {
    /// Starts the thread, which ends when so many workers have left.
    pub(crate) fn start(workers: usize) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, list) = mpsc::sync_channel(JOBS_MAX);
        let thread = thread::Builder::new()
            .name("media-files".to_owned())
            .spawn(move || run(&list, workers))?;
        let next = AtomicU64::new(1);
        Ok((Self { jobs, next }, thread))
    }

    pub(crate) fn key(&self) -> FileKey {
        FileKey(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Jobs of one worker that wait for a place in the thread's queue.
#[derive(Default)]
pub(crate) struct Outbox {
    jobs: VecDeque<Job>,
    samples: usize,
    lost: usize,
}

impl Outbox {
    /// Takes a job; `false` if its samples are lost, since too many wait.
    pub(crate) fn push(&mut self, job: Job) -> bool {
        let samples = size(&job);
        if samples > 0 && self.samples + samples > SAMPLES_MAX {
            self.lost += samples;
            return false;
        }
        self.samples += samples;
        self.jobs.push_back(job);
        true
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Hands over as much as there is room for.
    pub(crate) fn flush(&mut self, writer: &Writer, counters: &Cells) {
        if self.lost > 0 {
            tracing::warn!(
                samples = self.lost,
                "the disk is too slow for the recordings"
            );
            counters.recorded_lost(self.lost as u64 / (u64::from(RECORD_RATE) / 1000));
            self.lost = 0;
        }
        while let Some(job) = self.jobs.pop_front() {
            let samples = size(&job);
            match writer.jobs.try_send(job) {
                Ok(()) => self.samples -= samples,
                Err(TrySendError::Full(job)) => {
                    self.jobs.push_front(job);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => self.samples -= samples,
            }
        }
    }

    /// Hands over all, however long it takes, and says that this worker has ended.
    pub(crate) fn leave(&mut self, writer: &Writer) {
        self.jobs.push_back(Job::Leave);
        for job in self.jobs.drain(..) {
            if writer.jobs.send(job).is_err() {
                tracing::error!("the thread that writes recordings is gone");
                return;
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn jobs(&mut self) -> impl Iterator<Item = Job> {
        self.samples = 0;
        self.jobs.drain(..)
    }
}

fn size(job: &Job) -> usize {
    match job {
        Job::Write(_, samples) => samples.len(),
        _ => 0,
    }
}

fn run(jobs: &Receiver<Job>, workers: usize) {
    let mut files = HashMap::new();
    let mut left = 0;
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open(key, opening) => {
                files.extend(Recording::open(opening).map(|recording| (key, recording)));
            }
            Job::Write(key, samples) => {
                if let Some(recording) = files.get_mut(&key) {
                    recording.write(&samples);
                }
            }
            Job::Close(key, ending) => {
                if let Some(recording) = files.remove(&key) {
                    recording.close(ending);
                }
            }
            Job::Leave => {
                left += 1;
                if left >= workers {
                    return;
                }
            }
        }
    }
}

/// A file that is being written, until it cannot be.
struct Recording {
    opening: Opening,
    file: Result<WavWriter, io::Error>,
}

impl Recording {
    /// `None`: there is no file, which was told.
    fn open(opening: Opening) -> Option<Self> {
        let begun = opening
            .keeper
            .as_ref()
            .map_or(Ok(()), |keeper| keeper.begins());
        let file = begun
            .and_then(|()| File::create(&opening.path))
            .and_then(|file| WavWriter::create(file, RECORD_RATE, opening.channels));
        match file {
            Ok(file) => Some(Self {
                opening,
                file: Ok(file),
            }),
            Err(error) => {
                opening.over(Ending {
                    duration: Duration::ZERO,
                    reason: opening.failed(&error),
                    heard: false,
                });
                None
            }
        }
    }

    fn write(&mut self, samples: &[i16]) {
        if let Ok(file) = &mut self.file
            && let Err(error) = file.write(samples)
        {
            self.file = Err(error);
        }
    }

    fn close(self, ending: Ending) {
        let reason = match self.file.and_then(WavWriter::finish) {
            Ok(()) => ending.reason,
            Err(error) => self.opening.failed(&error),
        };
        self.opening.over(Ending { reason, ..ending });
    }
}

impl Opening {
    /// Has the end kept, and tells it then.
    fn over(&self, ending: Ending) {
        let mut end = RecordEnd {
            file: self.path.clone(),
            duration: ending.duration,
            reason: ending.reason,
            heard: ending.heard,
        };
        let kept = self
            .keeper
            .as_ref()
            .map_or(Ok(()), |keeper| keeper.ended(&end));
        if let Err(error) = kept {
            end.reason = self.failed(&error);
        }
        self.teller.tell(Event::Recorded(self.id, end));
    }

    fn failed(&self, error: &io::Error) -> RecordReason {
        tracing::warn!(path = %self.path.display(), %error, "writing a recording");
        RecordReason::Failed(error.to_string())
    }
}

/// Samples a second of recordings.
pub(crate) const RECORD_RATE: u32 = 8000;

/// Jobs that wait for the thread.
const JOBS_MAX: usize = 4096;

/// Samples that wait in one worker for a place in the queue: a minute of 35 recordings.
const SAMPLES_MAX: usize = 1 << 24;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_file_and_one_that_cannot_be() {
        let (tell, told) = channel();
        let teller = Teller::new(Box::new(move |event| tell.send(event).unwrap()));
        let folder = std::env::temp_dir().join(format!("media-writer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (writer, thread) = Writer::start(1).unwrap();
        let mut outbox = Outbox::default();
        for (number, path) in [(1, folder.join("a.wav")), (2, folder.join("no/b.wav"))] {
            let key = writer.key();
            let opening = Opening {
                path,
                channels: 1,
                id: RecordId(number),
                teller: teller.clone(),
                keeper: None,
            };
            push_whole(&mut outbox, key, opening);
        }
        outbox.flush(&writer, &Cells::default());
        outbox.leave(&writer);
        thread.join().unwrap();
        let ends: Vec<Event> = told.try_iter().collect();
        let [
            Event::Recorded(RecordId(1), one),
            Event::Recorded(RecordId(2), two),
        ] = &ends[..]
        else {
            panic!("{ends:?}");
        };
        assert_eq!(one.reason, RecordReason::Stopped);
        assert_eq!(std::fs::read(&one.file).unwrap().len(), 44 + 3200);
        assert!(matches!(two.reason, RecordReason::Failed(_)));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A recording of 200 ms, from its beginning to its end.
    fn push_whole(outbox: &mut Outbox, key: FileKey, opening: Opening) {
        outbox.push(Job::Open(key, opening));
        outbox.push(Job::Write(key, vec![5; 1600]));
        let ending = Ending {
            duration: Duration::from_millis(200),
            reason: RecordReason::Stopped,
            heard: true,
        };
        outbox.push(Job::Close(key, ending));
    }

    /// Writes down what it is called for; `begins` and `ended` fail if so told.
    #[derive(Debug)]
    struct Notes {
        file: PathBuf,
        seen: Mutex<Vec<String>>,
        fails: Option<&'static str>,
    }

    impl Notes {
        fn note(&self, what: &'static str) -> io::Result<()> {
            let there = if self.file.exists() { "there" } else { "not" };
            self.seen.lock().unwrap().push(format!("{what} {there}"));
            match self.fails == Some(what) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        }
    }

    impl RecordKeeper for Notes {
        fn begins(&self) -> io::Result<()> {
            self.note("begins")
        }

        fn ended(&self, end: &RecordEnd) -> io::Result<()> {
            // The file is whole before its end is kept.
            let length = std::fs::metadata(&end.file).map_or(0, |file| file.len());
            self.seen.lock().unwrap().push(format!("{length} bytes"));
            self.note("ended")
        }
    }

    #[test]
    fn who_keeps_account_of_a_file_is_asked_before_it_and_after_it() {
        let name = format!("media-keeper-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (writer, thread) = Writer::start(1).unwrap();
        let mut outbox = Outbox::default();
        let mut kept = Vec::new();
        let (tell, told) = channel();
        for (number, fails) in [(1, None), (2, Some("begins")), (3, Some("ended"))] {
            let tell = tell.clone();
            let file = folder.join(format!("{number}.wav"));
            let notes = Arc::new(Notes {
                file: file.clone(),
                seen: Mutex::default(),
                fails,
            });
            let (key, seen) = (writer.key(), Arc::clone(&notes));
            let opening = Opening {
                path: file,
                channels: 1,
                id: RecordId(number),
                teller: Teller::new(Box::new(move |event| {
                    seen.seen.lock().unwrap().push("told".to_owned());
                    tell.send(event).unwrap();
                })),
                keeper: Some(Arc::clone(&notes) as Arc<dyn RecordKeeper>),
            };
            push_whole(&mut outbox, key, opening);
            kept.push(notes);
        }
        outbox.flush(&writer, &Cells::default());
        outbox.leave(&writer);
        thread.join().unwrap();
        let seen: Vec<_> = kept
            .iter()
            .map(|notes| notes.seen.lock().unwrap().join(", "))
            .collect();
        assert_eq!(
            seen,
            [
                "begins not, 3244 bytes, ended there, told",
                "begins not, 0 bytes, ended not, told",
                "begins not, 3244 bytes, ended there, told",
            ]
        );
        let failed: Vec<_> = told
            .try_iter()
            .map(|event| match event {
                Event::Recorded(_, end) => matches!(end.reason, RecordReason::Failed(_)),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(failed, [false, true, true]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_slow_disk_costs_sound_and_not_memory() {
        let (writer, _thread) = Writer::start(1).unwrap();
        let mut outbox = Outbox::default();
        let key = writer.key();
        let kept = (0..20).map(|_| outbox.push(Job::Write(key, vec![0; 1 << 20])));
        assert_eq!(kept.filter(|kept| *kept).count(), 16);
        let counters = Cells::default();
        outbox.flush(&writer, &counters);
        assert_eq!(counters.read(0).recorded_lost_ms, (4 << 20) / 8);
        outbox.leave(&writer);
    }
}
