//! The folder as it is found, and how its small files are written.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::sound::scratch;
use crate::{Sid, SidKind};

use super::entry::{Done, Entry};
use super::index::Index;
use super::store::Kind;
use super::wav;

/// Reads the recordings of a folder. What a process that was killed has left is mended; what belongs to no
/// recording is deleted, as nobody would ever count it. Files with other names are left alone.
///
/// # Errors
///
/// The folder cannot be read.
pub(super) fn read(folder: &Path) -> io::Result<Index> {
    let mut files: HashMap<Sid, Vec<Kind>> = HashMap::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let Some((sid, ending)) = named(&path) else {
            continue;
        };
        match Kind::of(ending) {
            Some(kind) => files.entry(sid).or_default().push(kind),
            None if ending.ends_with(scratch::NEW) => delete(&path),
            None => {}
        }
    }
    let mut index = Index::default();
    for (sid, kinds) in files {
        let path = |kind: Kind| folder.join(kind.file(sid));
        let found = match kinds.contains(&Kind::Description) {
            true => entry(&path(Kind::Description)),
            false => Ok(None),
        };
        match found {
            Ok(Some(entry)) => index.insert(sid, entry),
            Ok(None) => {
                tracing::warn!(%sid, "the files of no recording are deleted");
                kinds.into_iter().for_each(|kind| delete(&path(kind)));
            }
            // Another start may read it.
            Err(error) => tracing::warn!(%error, %sid, "a recording cannot be read"),
        }
    }
    Ok(index)
}

/// Writes a description, whole or not at all: the name is taken when the content is there.
pub(super) fn write(path: &Path, entry: Entry) -> io::Result<()> {
    let new = scratch::beside(path)?;
    let written = fs::write(&new, entry.to_json()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        delete(&new);
    }
    written
}

/// What is known about a recording, by its description: nothing if that is none. One that was not finished
/// is finished now, from what there is of it; one without sound is none.
fn entry(path: &Path) -> io::Result<Option<Entry>> {
    if fs::metadata(path)?.len() > JSON_BYTES_MAX {
        return Ok(None);
    }
    let size = |kind: Kind| {
        let file = fs::metadata(path.with_extension(kind.ending()));
        file.map_or(0, |file| file.len())
    };
    let bytes = size(Kind::Wav).saturating_add(size(Kind::Mp3));
    let Some(mut entry) = Entry::from_json(&fs::read(path)?, bytes) else {
        return Ok(None);
    };
    if entry.done.is_none() {
        let Ok(duration) = wav::mend(&path.with_extension(Kind::Wav.ending())) else {
            return Ok(None);
        };
        entry.done = Some(Done { duration, bytes });
        if let Err(error) = write(path, entry) {
            // What is known is known until the next start, which finds it out again.
            tracing::warn!(%error, "a recording's description cannot be written");
        }
    }
    Ok(Some(entry))
}

/// The recording that a file is of, and the rest of its name.
fn named(path: &Path) -> Option<(Sid, &str)> {
    let (sid, ending) = path.file_name()?.to_str()?.split_once('.')?;
    let sid: Sid = sid.parse().ok()?;
    (sid.kind() == SidKind::Recording).then_some((sid, ending))
}

fn delete(path: &Path) {
    // What is not there is as good.
    fs::remove_file(path).ok();
}

const JSON_BYTES_MAX: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_cannot_be_written_stays_what_it_was() {
        let folder = std::env::temp_dir().join(format!("hookswitch-folder-{}", std::process::id()));
        let sid = Sid::new(SidKind::Recording, [1; 16]);
        fs::create_dir_all(folder.join(Kind::Wav.file(sid))).unwrap();
        // A folder cannot be replaced by a file: what was begun beside it is gone.
        let entry = crate::sound::recordings::index::tests::entry(0, None);
        assert!(write(&folder.join(Kind::Wav.file(sid)), entry).is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
