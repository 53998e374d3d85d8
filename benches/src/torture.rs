//! Hard messages: the ones of `sip/testdata/torture`, and those of RFC 4475 where they are at hand.

use std::path::{Path, PathBuf};

/// A hard message.
#[derive(Clone, Debug)]
pub struct Torture {
    /// The file's name.
    pub name: String,
    /// The message as it comes off the wire.
    pub bytes: Vec<u8>,
}

/// All of them, in the order of their names: what a datagram parser may get, valid or not.
///
/// # Panics
///
/// Where the repository's own files cannot be read.
pub fn messages() -> Vec<Torture> {
    let mut messages = own();
    // The RFC's own files cannot be part of the repository; they lie beside it or nowhere.
    let rfc4475 = root().join("../shared/corpus/rfc4475");
    if rfc4475.is_dir() {
        messages.extend(read(&rfc4475, "dat"));
    }
    messages
}

/// Only what the repository has itself, so that a count is the same everywhere.
///
/// # Panics
///
/// As [`messages`].
pub fn own() -> Vec<Torture> {
    read(&root().join("sip/testdata/torture"), "sip")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(folder: &Path, extension: &str) -> Vec<Torture> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
        .iter()
        .map(|path| Torture {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes: std::fs::read(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        })
        .collect()
}
