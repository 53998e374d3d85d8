//! The thread that writes files.

use std::io;
use std::thread::{self, JoinHandle};

pub(crate) struct Writer;

impl Writer {
    pub(crate) fn start(_workers: usize) -> io::Result<(Self, JoinHandle<()>)> {
        Ok((Self, thread::Builder::new().spawn(|| {})?))
    }
}
