//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §4.4.1).

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::ascii::{is_token, is_token_byte};
use crate::parse::declare;
use crate::scan::{End, First, LINES, Line, scan};
use crate::{HeaderName, Limits, MESSAGE_BYTES_MAX, ParseError};

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
    ///
    /// Line ends alone are no part of one, but a keep-alive that may still become the double CRLF.
    pub fn is_partial(&self) -> bool {
        let line_ends_alone = b"\r\n\r\n".starts_with(&self.buffer);
        !self.failed && !line_ends_alone
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

    /// Line ends between messages (RFC 5626 §4.4.1).
    ///
    /// A lone CRLF waits for what follows it, so that frames do not depend on how the stream was
    /// cut into reads.
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
        if end > limit.min(MESSAGE_BYTES_MAX) {
            return Err(ParseError::HeaderSectionTooLarge);
        }
        let section = self.buffer.get(..end).unwrap_or_default();
        // RFC 3261 §18.3: a stream message without Content-Length has no end that we could know.
        let body = section_length(section)?.ok_or(ParseError::ContentLength)?;
        if body > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge);
        }
        if end + body > self.limits.message_bytes.min(MESSAGE_BYTES_MAX) {
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

/// The declared body length of a header section that ends in an empty line.
///
/// A bare CR or LF is refused here already: elements that take one for a line end would see another
/// Content-Length.
fn section_length(section: &[u8]) -> Result<Option<usize>, ParseError> {
    let mut declared = None;
    let mut lines = [Line::default(); LINES];
    let (mut at, mut first) = (0, First::StartLine);
    loop {
        let (found, end) = scan(section, at, first, &mut lines);
        let found = lines.get(..found).unwrap_or_default();
        let headers = match first {
            First::StartLine => found.get(1..).unwrap_or_default(),
            First::Header => found,
        };
        for line in headers {
            if names_length(section, *line)? {
                declare(&mut declared, section, *line)?;
            }
        }
        match end {
            End::Body(_) => return Ok(declared),
            End::More(next) => (at, first) = (usize::from(next), First::Header),
            End::Bare => return Err(ParseError::ControlByte),
            End::Truncated => return Err(ParseError::Truncated),
        }
    }
}

/// Whether the line is a Content-Length.
///
/// # Errors
///
/// A name that is no token, but would be Content-Length to a reader who skips what no token holds.
fn names_length(section: &[u8], line: Line) -> Result<bool, ParseError> {
    let name = line.name(section);
    let id = HeaderName::of(name);
    if id != HeaderName::Other || is_token(name) {
        return Ok(id == HeaderName::ContentLength);
    }
    let mut word = name;
    while let [rest @ .., b' ' | b'\t'] = word {
        word = rest;
    }
    if is_token(word) {
        return Ok(HeaderName::of(word) == HeaderName::ContentLength);
    }
    let bytes = name.iter().copied().filter(|&byte| is_token_byte(byte));
    let skipped: SmallVec<[u8; 32]> = bytes.take(LENGTH_NAME_MAX + 1).collect();
    if HeaderName::of(&skipped) == HeaderName::ContentLength {
        return Err(ParseError::ContentLength);
    }
    Ok(false)
}

/// The longest spelling of Content-Length.
const LENGTH_NAME_MAX: usize = "Content-Length".len();
