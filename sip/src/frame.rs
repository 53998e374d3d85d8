//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §4.4.1).

use bytes::{Buf, Bytes, BytesMut};

use crate::ascii::trim;
use crate::parse::declare;
use crate::{HeaderName, Limits, ParseError};

/// What the stream held next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message: start line to the end of its body.
    Message(Bytes),
    /// A double CRLF between messages: answer with a single one.
    Ping,
    /// A single CRLF between messages.
    Pong,
}

/// Splits a stream into frames. After an error the stream has lost its framing: close it.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    limits: Limits,
    /// How far the buffer was searched for the end of the header section.
    searched: usize,
    /// Bytes of the message at the head of the buffer, once its headers were complete.
    wanted: Option<usize>,
    failed: bool,
}

/// Why a stream lost its framing, with what was read of the message at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The fault.
    pub error: ParseError,
    /// The start of the message, for [`crate::salvage`]; never longer than the header limit.
    pub head: Bytes,
}

impl Framer {
    /// A framer for messages within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            buffer: BytesMut::new(),
            limits,
            searched: 0,
            wanted: None,
            failed: false,
        }
    }

    /// Where to read more bytes to. Never holds more than one message and one read.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Adds bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message waits for its rest: the message deadline runs.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame, if it is complete.
    ///
    /// # Errors
    ///
    /// Once; afterwards the framer gives nothing more. No memory is reserved for a declared length
    /// before it was held against the limits.
    pub fn next_frame(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.failed {
            return None;
        }
        if self.wanted.is_none() {
            if let Some(frame) = self.keep_alive() {
                return Some(Ok(frame));
            }
            match self.measure() {
                Ok(wanted) => self.wanted = wanted,
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
        let wanted = self.wanted?;
        if self.buffer.len() < wanted {
            return None;
        }
        self.wanted = None;
        self.searched = 0;
        Some(Ok(Frame::Message(self.buffer.split_to(wanted).freeze())))
    }

    /// Line ends between messages. A lone CRLF waits for what follows it only if nothing did yet.
    fn keep_alive(&mut self) -> Option<Frame> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.advance(4);
            return Some(Frame::Ping);
        }
        let lone =
            self.buffer.starts_with(b"\r\n") && !matches!(self.buffer.get(2..), Some([] | [b'\r']));
        if lone {
            self.buffer.advance(2);
            return Some(Frame::Pong);
        }
        None
    }

    /// Bytes of the message at the head of the buffer; `None` while its headers are incomplete.
    fn measure(&mut self) -> Result<Option<usize>, ParseError> {
        let limit = self.limits.header_section_bytes;
        let from = self.searched.saturating_sub(3);
        let found = memchr::memmem::find(self.buffer.get(from..).unwrap_or_default(), b"\r\n\r\n");
        let Some(end) = found.map(|at| from + at + 4) else {
            self.searched = self.buffer.len();
            if self.buffer.len() > limit {
                return Err(ParseError::HeaderSectionTooLarge);
            }
            return Ok(None);
        };
        if end > limit {
            return Err(ParseError::HeaderSectionTooLarge);
        }
        let section = self.buffer.get(..end).unwrap_or_default();
        // RFC 3261 §18.3: a stream message without Content-Length has no end that we could know.
        let body = section_length(section)?.ok_or(ParseError::ContentLength)?;
        if body > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge);
        }
        if end + body > self.limits.message_bytes {
            return Err(ParseError::MessageTooLarge);
        }
        Ok(Some(end + body))
    }

    fn fail(&mut self, error: ParseError) -> FrameError {
        self.failed = true;
        let length = self.buffer.len().min(self.limits.header_section_bytes);
        FrameError {
            error,
            head: self.buffer.split_to(length).freeze(),
        }
    }
}

/// The declared body length of a header section; every line that could name it counts.
fn section_length(section: &[u8]) -> Result<Option<usize>, ParseError> {
    let mut found = None;
    let mut lines = section.split(|&byte| byte == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        if HeaderName::of(trim(&line[..colon])) != HeaderName::ContentLength {
            continue;
        }
        let folded = lines
            .peek()
            .is_some_and(|next| matches!(next, [b' ' | b'\t', ..]));
        if folded {
            return Err(ParseError::ContentLength);
        }
        declare(&mut found, trim(&line[colon + 1..]))?;
    }
    Ok(found)
}
