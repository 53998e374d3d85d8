//! The body of a response: some bytes, or a part of a file that is read as it is sent.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// A body.
pub(super) enum Body {
    Bytes(Bytes),
    File(Reader),
}

/// A part of a file.
pub(super) struct Reader {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    pub(super) fn of_file(file: File, part: Range<u64>) -> Self {
        Self::File(Reader {
            file: Arc::new(file),
            left: part,
            reading: None,
        })
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(reader) => reader.left.end - reader.left.start,
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl Reader {
    fn read(&self) -> JoinHandle<io::Result<Vec<u8>>> {
        let (file, from) = (Arc::clone(&self.file), self.left.start);
        let length = (self.left.end - from).min(CHUNK_BYTES);
        tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut chunk, from)?;
            Ok(chunk)
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.read(),
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let chunk = match read {
            Ok(Ok(chunk)) if !chunk.is_empty() => chunk,
            // The file became shorter, or the runtime ends: so does the connection.
            _ => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        };
        self.left.start += chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk.into())))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File(reader) => {
                let chunk = ready!(reader.poll(cx));
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

/// The error of what cannot fail.
pub(super) type Never = Infallible;

/// What is read of a file at a time.
const CHUNK_BYTES: u64 = 64 * 1024;
