//! Bytes to message: one structural pass, no copy, and storage that was used before.

use bytes::Bytes;

use crate::ascii::{is_blank, is_token, is_token_byte, is_uri_text, number, trim};
use crate::headers::{Headers, Row, Rows};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::marks::{MARKS, Marks, mark};
use crate::message::{Message, StartLine};
use crate::request::{Request, RequestLine};
use crate::response::{Response, StatusLine};
use crate::scan::{End, First, LINES, Line, scan};
use crate::span::{Place, Span, Text};
use crate::{HeaderName, Limits, Method, ParseError};

/// Reads one datagram or frame (RFC 3261 §7, §18.3).
///
/// Leading line ends are skipped (§7.5); bytes after Content-Length bytes of body are left out.
///
/// # Errors
///
/// The first fault found. [`salvage`] reads what can be read of a request so that it can be answered.
pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    if bytes.len() > limits.message_bytes.min(MESSAGE_BYTES_MAX) {
        return Err(ParseError::MessageTooLarge);
    }
    let text: &[u8] = &bytes;
    let start = skip_line_ends(text).ok_or(ParseError::Empty)?;
    let mut rows = Rows::taken();
    let Section {
        first,
        body_start,
        declared,
    } = match quick_section(text, start, limits, &mut rows) {
        Some(section) => section,
        None => read_section(text, start, limits, &mut rows)?,
    };
    let start_line = read_start_line(text, first, limits)?;
    let available = text.len() - body_start;
    let body = declared.unwrap_or(available);
    if body > available {
        return Err(ParseError::Truncated);
    }
    if body > limits.body_bytes {
        return Err(ParseError::BodyTooLarge);
    }
    let tail = Span::new(body_start - 2, body_start + body);
    Ok(match start_line {
        StartLine::Request(line) => Message::Request(Request {
            line,
            headers: Headers::received(bytes, rows, tail, limits),
        }),
        StartLine::Status(line) => Message::Response(Response {
            line,
            headers: Headers::received(bytes, rows, tail, limits),
        }),
    })
}

/// Start line and headers of a message, without its rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The start line.
    pub(crate) first: Span,
    body_start: usize,
    /// The Content-Length.
    declared: Option<usize>,
}

/// Reads a section in which every line is a token, a colon and a value without folds, of which one
/// at most is a Content-Length. Gives nothing where that is not so or where a limit is passed:
/// [`read_section`] then tells what is uncommon from what is wrong.
#[inline]
pub(crate) fn quick_section(
    bytes: &[u8],
    start: usize,
    limits: &Limits,
    rows: &mut Rows,
) -> Option<Section> {
    let mut marks: Marks = [0; MARKS];
    let (found, body_start) = mark(bytes, start, &mut marks)?;
    let marks = marks.get(..found)?;
    // A status line need not have a colon.
    let (&first_end, pairs) = match marks {
        [feed, pairs @ ..] if bytes.get(usize::from(*feed)) == Some(&b'\n') => (feed, pairs),
        [_, feed, pairs @ ..] => (feed, pairs),
        _ => return None,
    };
    let (pairs, unpaired) = pairs.as_chunks::<2>();
    let length = body_start - start;
    if !unpaired.is_empty()
        || pairs.len() > limits.headers
        || length > limits.header_section_bytes.min(limits.header_bytes)
    {
        return None;
    }
    let first = Span {
        start: start as u16,
        end: first_end + 1,
    };
    let mut next = first.end;
    let mut odd = false;
    let mut lengths = 0;
    let mut body = Ok(0);
    rows.extend(pairs.iter().map(|&[colon, feed]| {
        let line = Span {
            start: next,
            end: feed + 1,
        };
        next = line.end;
        let (name_start, name_end) = (usize::from(line.start), usize::from(colon));
        let id = HeaderName::at(bytes, name_start, name_end);
        if id == HeaderName::Other {
            // A mark that is no colon makes a name with a line end in it.
            odd |= !bytes.get(name_start..name_end).is_some_and(is_token);
        }
        let row = Row {
            id,
            place: Place::Buffer,
            line,
            name_end: colon,
        };
        if id == HeaderName::ContentLength {
            lengths += 1;
            body = content_length(row.value(bytes));
        }
        row
    }));
    if odd || lengths > 1 || body.is_err() {
        rows.clear();
        return None;
    }
    Some(Section {
        first,
        body_start,
        declared: body.ok().filter(|_| lengths == 1),
    })
}

/// Reads any section, a line at a time, up to the first fault.
#[cold]
pub(crate) fn read_section(
    bytes: &[u8],
    start: usize,
    limits: &Limits,
    rows: &mut Rows,
) -> Result<Section, ParseError> {
    let mut lines = [Line::default(); LINES];
    let (found, mut end) = scan(bytes, start, First::StartLine, &mut lines);
    let mut batch = lines.get(..found).unwrap_or_default();
    let Some((&first, headers)) = batch.split_first() else {
        return Err(broken_off(end));
    };
    read_start_line(bytes, first.span(), limits)?;
    batch = headers;
    let mut declared = None;
    let body_start = loop {
        if rows.len() + batch.len() > limits.headers {
            return Err(ParseError::HeadersTooMany);
        }
        let batch_end = batch.last().unwrap_or(&first).end;
        within(usize::from(batch_end) - start, limits.header_section_bytes)?;
        for line in batch {
            if line.len() > limits.header_bytes {
                return Err(ParseError::HeaderTooLarge);
            }
            let row = read_row(bytes, *line)?;
            if row.id == HeaderName::ContentLength {
                declare(&mut declared, bytes, *line)?;
            }
            rows.push(row);
        }
        match end {
            End::Body(at) => break usize::from(at),
            End::More(at) => {
                let (found, next) = scan(bytes, usize::from(at), First::Header, &mut lines);
                batch = lines.get(..found).unwrap_or_default();
                end = next;
            }
            End::Bare | End::Truncated => return Err(broken_off(end)),
        }
    };
    within(body_start - start, limits.header_section_bytes)?;
    Ok(Section {
        first: first.span(),
        body_start,
        declared,
    })
}

/// Reads a request of which [`parse`] refused some part, leaving out the broken header lines, the
/// ones over a limit, and the body.
///
/// For building the error response only: such a message is never forwarded.
#[must_use]
pub fn salvage(bytes: Bytes, limits: &Limits) -> Option<Request> {
    let length = limits.message_bytes.min(MESSAGE_BYTES_MAX);
    let bytes = bytes.slice(..bytes.len().min(length));
    let start = skip_line_ends(&bytes)?;
    let mut lines = [Line::default(); LINES];
    let (found, mut end) = scan(&bytes, start, First::StartLine, &mut lines);
    let (first, mut batch) = lines.get(..found)?.split_first()?;
    let line = salvage_request_line(&bytes, *first)?;
    let mut rows = Rows::taken();
    loop {
        let small = |line: &&Line| line.len() <= limits.header_bytes;
        let readable = batch.iter().filter(small);
        let readable = readable.filter_map(|line| read_row(&bytes, *line).ok());
        let room = limits.headers - rows.len();
        rows.extend(readable.take(room));
        // However the scan ended, the lines before that are whole ones.
        let End::More(at) = end else {
            break;
        };
        let (found, next) = scan(&bytes, usize::from(at), First::Header, &mut lines);
        batch = lines.get(..found)?;
        end = next;
    }
    Some(Request {
        line,
        headers: Headers::received(bytes, rows, Span::default(), limits),
    })
}

/// Why a message without an empty line is none.
fn broken_off(end: End) -> ParseError {
    match end {
        End::Bare => ParseError::ControlByte,
        End::Body(_) | End::More(_) | End::Truncated => ParseError::Truncated,
    }
}

/// Where the start line begins; `None` where there is nothing but line ends.
fn skip_line_ends(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))
}

#[inline]
fn within(section: usize, limit: usize) -> Result<(), ParseError> {
    if section > limit {
        return Err(ParseError::HeaderSectionTooLarge);
    }
    Ok(())
}

/// RFC 3261 §25.1: Request-Line = Method SP Request-URI SP SIP-Version CRLF
#[inline]
pub(crate) fn read_start_line(
    bytes: &[u8],
    line: Span,
    limits: &Limits,
) -> Result<StartLine, ParseError> {
    let text = without_end(line.of(bytes));
    if let Some((version, rest)) = text.split_first_chunk()
        && is_version_then_space(version)
    {
        return read_status_line(rest, line).map(StartLine::Status);
    }
    let method_length = text.iter().take_while(|&&byte| is_token_byte(byte)).count();
    let (method, rest) = text.split_at(method_length);
    let rest = rest.strip_prefix(b" ").ok_or(ParseError::StartLine)?;
    let uri = match rest.strip_suffix(b" SIP/2.0") {
        Some(uri) => uri,
        None => {
            let space = memchr::memchr(b' ', rest).ok_or(ParseError::StartLine)?;
            let (uri, version) = rest.split_at(space);
            check_version(version)?;
            uri
        }
    };
    // A space is no URI byte: what stands between the two spaces is one word.
    if method.is_empty() || !is_uri_text(uri) {
        return Err(ParseError::StartLine);
    }
    if method.len() > limits.method_bytes {
        return Err(ParseError::MethodTooLarge);
    }
    if uri.len() > limits.uri_bytes {
        return Err(ParseError::UriTooLarge);
    }
    Ok(StartLine::Request(request_line(line, method, 1, uri)))
}

/// A line without its CRLF.
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}

fn is_version_then_space(text: &[u8; 8]) -> bool {
    text == b"SIP/2.0 " || text.eq_ignore_ascii_case(b"SIP/2.0 ")
}

/// Method and Request-URI of a line that need not follow the grammar between and behind them.
fn salvage_request_line(bytes: &[u8], line: Line) -> Option<RequestLine> {
    let text = line.text(bytes);
    let (method, rest) = text.split_at(memchr::memchr(b' ', text)?);
    let blanks = rest.iter().take_while(|&&byte| is_blank(byte)).count();
    let rest = trim(rest);
    let uri = trim(rest.get(..memchr::memrchr(b' ', rest)?)?);
    (is_token(method) && !uri.is_empty()).then(|| request_line(line.span(), method, blanks, uri))
}

/// The line whose method comes first and whose URI comes `blanks` behind it.
fn request_line(line: Span, method: &[u8], blanks: usize, uri: &[u8]) -> RequestLine {
    let start = usize::from(line.start);
    let uri_start = start + method.len() + blanks;
    RequestLine {
        method: Method::of(method),
        method_text: Text {
            place: Place::Buffer,
            span: Span::new(start, start + method.len()),
        },
        uri: Text {
            place: Place::Buffer,
            span: Span::new(uri_start, uri_start + uri.len()),
        },
        line,
        edited: false,
    }
}

/// Checks the version with the space before it.
#[cold]
fn check_version(version: &[u8]) -> Result<(), ParseError> {
    if version.eq_ignore_ascii_case(b" SIP/2.0") {
        return Ok(());
    }
    let other = version.split_at_checked(5).is_some_and(|(name, number)| {
        let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        name.eq_ignore_ascii_case(b" SIP/") && !number.is_empty() && number.iter().all(digits)
    });
    Err(if other {
        ParseError::Version
    } else {
        ParseError::StartLine
    })
}

/// RFC 3261 §25.1: Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF
///
/// A line that ends behind the code, without the space, is written anew with it.
fn read_status_line(rest: &[u8], line: Span) -> Result<StatusLine, ParseError> {
    let (code, reason) = rest.split_at_checked(3).ok_or(ParseError::StartLine)?;
    let status = number(code).ok_or(ParseError::StatusCode)? as u16;
    if !(100..700).contains(&status) {
        return Err(ParseError::StatusCode);
    }
    match reason.first() {
        None | Some(b' ') => {}
        Some(b'0'..=b'9') => return Err(ParseError::StatusCode),
        Some(_) => return Err(ParseError::StartLine),
    }
    let end = usize::from(line.end) - 2;
    let start = end - reason.len().saturating_sub(1);
    Ok(StatusLine {
        status,
        reason: Text {
            place: Place::Buffer,
            span: Span::new(start, end),
        },
        line,
        edited: reason.is_empty(),
    })
}

/// One header line: a token, blanks, a colon, the value (RFC 3261 §7.3.1, HCOLON).
///
/// Anything else between name and colon is refused: the next element might read another name.
fn read_row(bytes: &[u8], line: Line) -> Result<Row, ParseError> {
    let mut name = line.name(bytes);
    let mut id = HeaderName::of(name);
    if id == HeaderName::Other && !is_token(name) {
        (name, id) = spaced_name(name)?;
    }
    Ok(Row {
        id,
        place: Place::Buffer,
        line: line.span(),
        name_end: (usize::from(line.start) + name.len()) as u16,
    })
}

/// A name with blanks before its colon, without them.
#[cold]
fn spaced_name(mut name: &[u8]) -> Result<(&[u8], HeaderName), ParseError> {
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    if !is_token(name) {
        return Err(ParseError::HeaderName);
    }
    Ok((name, HeaderName::of(name)))
}

/// Takes the one Content-Length, which stands in `line`; a second one, a folded one, or anything but
/// a plain number is doubt about where the message ends.
pub(crate) fn declare(
    declared: &mut Option<usize>,
    bytes: &[u8],
    line: Line,
) -> Result<(), ParseError> {
    let value = line
        .text(bytes)
        .get(usize::from(line.colon - line.start) + 1..);
    let folded = memchr::memchr(b'\n', line.text(bytes)).is_some();
    let length = content_length(trim(value.unwrap_or_default()))?;
    if folded || declared.replace(length).is_some() {
        return Err(ParseError::ContentLength);
    }
    Ok(())
}

/// Reads a Content-Length value: digits only, and no leading zero that some reader takes as octal.
pub(crate) fn content_length(value: &[u8]) -> Result<usize, ParseError> {
    if value.len() > 1 && value.first() == Some(&b'0') {
        return Err(ParseError::ContentLength);
    }
    number(value)
        .map(|length| length as usize)
        .ok_or(ParseError::ContentLength)
}
