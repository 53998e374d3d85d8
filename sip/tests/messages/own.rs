//! `testdata/torture`: messages of our own with the traits of RFC 4475 and RFC 5118.
//!
//! `VERDICTS.tsv` says for each what a datagram gives (`accept`, a status, `drop`), what a stream
//! gives, and the trait.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::{Stream, Verdict};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/torture")
}

/// One message of the set.
pub(crate) fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_message_has_its_verdict() {
    let table = std::fs::read_to_string(folder().join("VERDICTS.tsv")).unwrap();
    let mut listed = BTreeSet::new();
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, datagram, stream, _trait] = columns[..] else {
            panic!("four columns: {row}");
        };
        let bytes = read(file);
        assert_eq!(Verdict::of(&bytes).to_string(), datagram, "{file}");
        assert_eq!(Stream::of(&bytes).summary(), stream, "{file} on a stream");
        assert!(listed.insert(file.to_owned()), "{file} stands twice");
    }
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sip"))
        .collect();
    assert_eq!(files, listed, "files and rows");
}
