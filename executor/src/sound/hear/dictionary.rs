//! The words that a recognizer's model knows.

use std::collections::HashSet;
use std::io;
use std::path::Path;

/// Words in lower case.
pub(super) struct Dictionary(HashSet<Box<str>>);

impl Dictionary {
    /// Reads a dictionary: on each line a word and its sounds. Blocks.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::metadata(path)?.len();
        if bytes > BYTES_MAX {
            return Err(io::Error::other("the dictionary is too large"));
        }
        let text = std::fs::read(path)?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    pub(super) fn parse(text: &str) -> Self {
        let words = text
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        // `read(2)` is another way to say `read`.
        Self(
            words
                .filter(|word| !word.ends_with(')'))
                .map(Box::from)
                .collect(),
        )
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

const BYTES_MAX: u64 = 64 * 1024 * 1024;
