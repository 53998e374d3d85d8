//! Bytes to message: one structural pass, no copy, no allocation for up to 32 rows.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ascii::{is_blank, is_token_byte, trim};
use crate::headers::{Headers, Row};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Message, StartLine};
use crate::request::{Request, RequestLine};
use crate::response::{Response, StatusLine};
use crate::scan::Lines;
use crate::span::{Place, Span, Text};
use crate::{HeaderName, Limits, Method, ParseError};

/// Reads one datagram or frame (RFC 3261 §7, §18.3).
///
/// Leading line ends are skipped; bytes after Content-Length bytes of body are left out.
///
/// # Errors
///
/// The first fault found. [`salvage`] reads what can be read of a request so that it can be answered.
pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    read(bytes, limits, Mode::Strict)
}

/// Reads a request of which [`parse`] refused some part, leaving out the broken header lines.
///
/// For building the error response only: such a message is never forwarded.
pub fn salvage(bytes: Bytes, limits: &Limits) -> Option<Request> {
    let length = bytes.len().min(limits.message_bytes);
    match read(bytes.slice(..length), limits, Mode::Salvage) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Salvage,
}

fn read(bytes: Bytes, limits: &Limits, mode: Mode) -> Result<Message, ParseError> {
    if bytes.len() > limits.message_bytes.min(MESSAGE_BYTES_MAX) {
        return Err(ParseError::MessageTooLarge);
    }
    let start = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .ok_or(ParseError::Empty)?;
    let mut lines = Lines::new(&bytes, start);
    let first = lines.next_line()?.ok_or(ParseError::StartLine)?;
    let start_line = read_start_line(&bytes, first.span, first.text_end, limits, mode)?;

    let mut rows: SmallVec<[Row; 32]> = SmallVec::new();
    let mut content_length = None;
    let body_start = loop {
        match lines.next_header() {
            Ok(Some(line)) if line.is_empty_line() => break usize::from(line.span.end),
            Ok(Some(line)) => {
                if line.len() > limits.header_bytes {
                    return Err(ParseError::HeaderTooLarge);
                }
                if rows.len() >= limits.headers {
                    return Err(ParseError::HeadersTooMany);
                }
                if usize::from(line.span.end) - start > limits.header_section_bytes {
                    return Err(ParseError::HeaderSectionTooLarge);
                }
                match read_row(&bytes, line.span, line.text_end) {
                    Ok(row) => rows.push(row),
                    Err(_) if mode == Mode::Salvage => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(None) if mode == Mode::Salvage => break bytes.len(),
            Ok(None) => return Err(ParseError::Truncated),
            Err(_) if mode == Mode::Salvage => break bytes.len(),
            Err(error) => return Err(error),
        }
    };
    if body_start - start > limits.header_section_bytes {
        return Err(ParseError::HeaderSectionTooLarge);
    }
    if mode == Mode::Strict {
        content_length = declared_length(&bytes, &rows)?;
    }
    let available = bytes.len() - body_start;
    let body_length = match content_length {
        Some(length) if length > available => return Err(ParseError::Truncated),
        Some(length) => length,
        None if mode == Mode::Salvage => 0,
        None => available,
    };
    if body_length > limits.body_bytes {
        return Err(ParseError::BodyTooLarge);
    }
    let tail = match mode {
        Mode::Strict => Span::new(body_start - 2, body_start + body_length),
        Mode::Salvage => Span::default(),
    };
    let headers = Headers {
        buffer: bytes,
        scratch: SmallVec::new(),
        rows,
        tail,
        body: None,
        rows_max: limits.headers.saturating_add(EDIT_ROWS),
    };
    Ok(match start_line {
        StartLine::Request(line) => Message::Request(Request { line, headers }),
        StartLine::Status(line) => Message::Response(Response { line, headers }),
    })
}

fn read_start_line(
    bytes: &[u8],
    line: Span,
    text_end: u16,
    limits: &Limits,
    mode: Mode,
) -> Result<StartLine, ParseError> {
    let start = usize::from(line.start);
    let text = Span {
        start: line.start,
        end: text_end,
    }
    .of(bytes);
    if text.len() > 8 && text[..8].eq_ignore_ascii_case(b"SIP/2.0 ") {
        return read_status_line(text, line).map(StartLine::Status);
    }
    // RFC 3261 §25.1: Request-Line = Method SP Request-URI SP SIP-Version CRLF
    let method_end = memchr::memchr(b' ', text).ok_or(ParseError::StartLine)?;
    let method = &text[..method_end];
    if method_end == 0 || !method.iter().all(|&byte| is_token_byte(byte)) {
        return Err(ParseError::StartLine);
    }
    if method_end > limits.method_bytes {
        return Err(ParseError::MethodTooLarge);
    }
    let rest = &text[method_end + 1..];
    let uri_end = match mode {
        Mode::Strict => memchr::memchr(b' ', rest),
        Mode::Salvage => memchr::memrchr(b' ', trim(rest)),
    }
    .ok_or(ParseError::StartLine)?;
    let uri = &rest[..uri_end];
    let version = &rest[uri_end + 1..];
    if mode == Mode::Strict {
        if uri.is_empty() || !uri.iter().all(|&byte| is_uri_byte(byte)) {
            return Err(ParseError::StartLine);
        }
        check_version(version)?;
    }
    if uri.len() > limits.uri_bytes && mode == Mode::Strict {
        return Err(ParseError::UriTooLarge);
    }
    let uri_start = start + method_end + 1;
    Ok(StartLine::Request(RequestLine {
        method: Method::of(method),
        method_text: Text {
            place: Place::Buffer,
            span: Span::new(start, start + method_end),
        },
        uri: Text {
            place: Place::Buffer,
            span: Span::new(uri_start, uri_start + uri.len()),
        },
        line,
        edited: false,
    }))
}

fn check_version(version: &[u8]) -> Result<(), ParseError> {
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let other = version.len() > 4
        && version[..4].eq_ignore_ascii_case(b"SIP/")
        && version[4..]
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    Err(if other {
        ParseError::Version
    } else {
        ParseError::StartLine
    })
}

/// RFC 3261 §25.1: Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF
fn read_status_line(text: &[u8], line: Span) -> Result<StatusLine, ParseError> {
    let code = text.get(8..11).ok_or(ParseError::StartLine)?;
    let status = crate::ascii::number(code).ok_or(ParseError::StatusCode)? as u16;
    if !(100..700).contains(&status) {
        return Err(ParseError::StatusCode);
    }
    let reason_at = match text.get(11) {
        None => 11,
        Some(b' ') => 12,
        Some(b'0'..=b'9') => return Err(ParseError::StatusCode),
        Some(_) => return Err(ParseError::StartLine),
    };
    let start = usize::from(line.start);
    Ok(StatusLine {
        status,
        reason: Text {
            place: Place::Buffer,
            span: Span::new(start + reason_at, start + text.len()),
        },
        line,
        edited: false,
    })
}

/// One header line: a token, blanks, a colon, the value (RFC 3261 §7.3.1, HCOLON).
///
/// Anything else between name and colon is refused: the next element might read another name.
#[inline]
fn read_row(bytes: &[u8], line: Span, text_end: u16) -> Result<Row, ParseError> {
    let text = Span {
        start: line.start,
        end: text_end,
    }
    .of(bytes);
    let colon = memchr::memchr(b':', text).ok_or(ParseError::HeaderName)?;
    let mut name = &text[..colon];
    while let [rest @ .., last] = name
        && is_blank(*last)
    {
        name = rest;
    }
    if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
        return Err(ParseError::HeaderName);
    }
    let value = trim(&text[colon + 1..]);
    let start = usize::from(line.start);
    let value_start = if value.is_empty() {
        start + colon + 1
    } else {
        start + (value.as_ptr() as usize - text.as_ptr() as usize)
    };
    Ok(Row {
        id: HeaderName::of(name),
        place: Place::Buffer,
        line,
        name_end: (start + name.len()) as u16,
        value: Span::new(value_start, value_start + value.len()),
    })
}

/// The one Content-Length; two of them, or anything but a plain number, is doubt about framing.
fn declared_length(bytes: &[u8], rows: &[Row]) -> Result<Option<usize>, ParseError> {
    let mut values = rows
        .iter()
        .filter(|row| row.id == HeaderName::ContentLength)
        .map(|row| row.value.of(bytes));
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ParseError::ContentLength);
    }
    content_length(value).map(Some)
}

/// Reads a Content-Length value: digits only, and no leading zero that some reader takes as octal.
pub(crate) fn content_length(value: &[u8]) -> Result<usize, ParseError> {
    if value.len() > 1 && value.first() == Some(&b'0') {
        return Err(ParseError::ContentLength);
    }
    crate::ascii::number(value)
        .map(|length| length as usize)
        .ok_or(ParseError::ContentLength)
}

/// Bytes that no Request-URI may hold: controls, space, quotes and angle brackets.
#[inline]
pub(crate) fn is_uri_byte(byte: u8) -> bool {
    byte > 0x20 && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"')
}

/// Rows that edits may add to a message that is at the limit.
const EDIT_ROWS: usize = 64;
