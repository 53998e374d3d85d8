//! Bytes to message: one structural pass, no copy, and storage that was used before.

use bytes::Bytes;

use crate::ascii::{is_blank, is_lws, is_token, is_token_byte, is_uri_text, number, trim};
use crate::headers::{Headers, Row, Rows};
use crate::limits::MESSAGE_BYTES_MAX;
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
    let mut lines = [Line::default(); LINES];
    let (found, mut end) = scan(text, start, First::StartLine, &mut lines);
    let mut batch = lines.get(..found).unwrap_or_default();
    let Some((&first, headers)) = batch.split_first() else {
        return Err(broken_off(end));
    };
    let start_line = read_start_line(text, first, limits)?;
    batch = headers;
    let mut rows = Rows::taken();
    let mut declared = None;
    let body_start = loop {
        if rows.len() + batch.len() > limits.headers {
            return Err(ParseError::HeadersTooMany);
        }
        let batch_end = usize::from(batch.last().unwrap_or(&first).end);
        within(batch_end - start, limits.header_section_bytes)?;
        // No line is longer than all of them.
        let short = batch_end - start <= limits.header_bytes;
        if !(short && quick_rows(text, batch, &mut declared, &mut rows)) {
            strict_rows(text, batch, limits, &mut declared, &mut rows)?;
        }
        match end {
            End::Body(at) => break usize::from(at),
            End::More(at) => {
                let (found, next) = scan(text, usize::from(at), First::Header, &mut lines);
                batch = lines.get(..found).unwrap_or_default();
                end = next;
            }
            End::Bare | End::Truncated => return Err(broken_off(end)),
        }
    };
    within(body_start - start, limits.header_section_bytes)?;
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
fn read_start_line(bytes: &[u8], line: Line, limits: &Limits) -> Result<StartLine, ParseError> {
    let text = line.text(bytes);
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
    (is_token(method) && !uri.is_empty()).then(|| request_line(line, method, blanks, uri))
}

/// The line whose method comes first and whose URI comes `blanks` behind it.
fn request_line(line: Line, method: &[u8], blanks: usize, uri: &[u8]) -> RequestLine {
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
        line: line.span(),
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
fn read_status_line(rest: &[u8], line: Line) -> Result<StatusLine, ParseError> {
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
        line: line.span(),
        edited: reason.is_empty(),
    })
}

/// Adds the rows of `batch` where all of them have the common shape, as nearly all have: a token, a
/// colon, a space, a value that is no list of folds or blanks, and one Content-Length at most.
/// Otherwise adds nothing, and [`strict_rows`] tells what is odd from what is wrong.
#[inline]
fn quick_rows(
    bytes: &[u8],
    batch: &[Line],
    declared: &mut Option<usize>,
    rows: &mut Vec<Row>,
) -> bool {
    let before = rows.len();
    let mut odd = false;
    let mut length = None;
    let mut lengths = u32::from(declared.is_some());
    rows.extend(batch.iter().map(|&line| {
        let start = usize::from(line.start);
        let colon = usize::from(line.colon);
        let end = usize::from(line.end) - 2;
        let id = HeaderName::at(bytes, start, colon);
        if id == HeaderName::Other {
            odd |= !is_token(line.name(bytes));
        }
        if id == HeaderName::ContentLength {
            lengths += 1;
            length = Some(line);
        }
        let value = match bytes.get(colon + 1..end) {
            Some([b' ', value @ ..])
                if value.first().is_some_and(|&byte| byte > b' ')
                    && value.last().is_some_and(|&byte| byte > b' ') =>
            {
                Span::new(colon + 2, end)
            }
            Some(_) => trim_far(bytes, colon + 1, end),
            None => {
                odd = true;
                Span::default()
            }
        };
        Row {
            id,
            place: Place::Buffer,
            line: line.span(),
            name_end: line.colon,
            value,
        }
    }));
    odd |= lengths > 1;
    if let Some(line) = length
        && !odd
    {
        odd = declare(declared, bytes, line).is_err();
    }
    if odd {
        rows.truncate(before);
    }
    !odd
}

/// Adds the rows of `batch`, a line at a time, up to the first fault.
#[cold]
fn strict_rows(
    bytes: &[u8],
    batch: &[Line],
    limits: &Limits,
    declared: &mut Option<usize>,
    rows: &mut Vec<Row>,
) -> Result<(), ParseError> {
    for line in batch {
        if line.len() > limits.header_bytes {
            return Err(ParseError::HeaderTooLarge);
        }
        let row = read_row(bytes, *line)?;
        if row.id == HeaderName::ContentLength {
            declare(declared, bytes, *line)?;
        }
        rows.push(row);
    }
    Ok(())
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
        value: trim_at(
            bytes,
            usize::from(line.colon) + 1,
            usize::from(line.end) - 2,
        ),
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

/// As [`trim_at`], for a value that is not what follows one space.
#[cold]
fn trim_far(bytes: &[u8], from: usize, to: usize) -> Span {
    trim_at(bytes, from, to)
}

/// `from..to` without white space at its ends; empty where there is nothing else.
#[inline(always)]
fn trim_at(bytes: &[u8], mut from: usize, mut to: usize) -> Span {
    let blank = |at: usize| bytes.get(at).copied().is_some_and(is_lws);
    while from < to && blank(from) {
        from += 1;
    }
    while from < to && blank(to - 1) {
        to -= 1;
    }
    Span::new(from, to)
}

/// Takes the one Content-Length, which stands in `line`; a second one, a folded one, or anything but
/// a plain number is doubt about where the message ends.
pub(crate) fn declare(
    declared: &mut Option<usize>,
    bytes: &[u8],
    line: Line,
) -> Result<(), ParseError> {
    let value = trim_at(
        bytes,
        usize::from(line.colon) + 1,
        usize::from(line.end) - 2,
    );
    let folded = memchr::memchr(b'\n', line.text(bytes)).is_some();
    let length = content_length(value.of(bytes))?;
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
