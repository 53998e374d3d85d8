//! A file for a program that takes nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that nobody else may read, gone with its owner.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Writes a new file; its name cannot be guessed.
    pub(super) fn write(kind: &str, content: &[u8]) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("hookswitch-{kind}-{}", random()?));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let scratch = Self(path);
        file.write_all(content)?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// A name that is free, in the folder of a file; it ends with [`NEW`].
pub(super) fn beside(path: &Path) -> io::Result<PathBuf> {
    Ok(path.with_extension(format!("{}{NEW}", random()?)))
}

/// The end of the names of files that are not whole yet.
pub(super) const NEW: &str = ".new";

fn random() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is gone already is as good.
        fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_goes_with_its_owner() {
        let scratch = Scratch::write("test", b"content").unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        drop(scratch);
        assert!(!path.exists());
    }
}
