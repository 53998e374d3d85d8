//! The header section of one message: an index over immutable bytes, and the edits on it.
//!
//! The index *is* the message; the buffer is only storage. An edit changes rows, so later reads
//! see it and edits compose in any order. Untouched rows are sent from where they were received.

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ascii::{is_token, is_value_byte, split_outside, trim};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::span::{Place, Span, Text};
use crate::{EditError, HeaderName};

/// The pieces of a message in the order of sending; gathered into one `sendmmsg` entry.
pub type Slices<'a> = SmallVec<[&'a [u8]; 24]>;

/// One header as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The known name, or [`HeaderName::Other`].
    pub id: HeaderName,
    /// The name as received or written, without the colon.
    pub name: &'a [u8],
    /// The value without white space at its ends; may hold line folds.
    pub value: &'a [u8],
}

impl<'a> Header<'a> {
    /// Whether the header has this name, in any case, long or compact.
    pub fn is(&self, name: &[u8]) -> bool {
        match self.id {
            HeaderName::Other => self.name.eq_ignore_ascii_case(name),
            id => id == HeaderName::of(name),
        }
    }

    /// The value with each line fold read as one space (RFC 3261 §7.3.1).
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        unfold(self.value)
    }
}

/// `value` with each line fold read as one space (RFC 3261 §7.3.1).
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n') {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(trim(line));
    }
    Cow::Owned(out)
}

/// The headers and body of one message.
#[derive(Clone, Debug)]
pub struct Headers {
    pub(crate) buffer: Bytes,
    pub(crate) scratch: SmallVec<[u8; SCRATCH_INLINE]>,
    pub(crate) rows: SmallVec<[Row; ROWS_INLINE]>,
    /// The empty line and the body as received.
    pub(crate) tail: Span,
    /// A body of ours in place of the received one.
    pub(crate) body: Option<Bytes>,
    /// Rows that the message may have at most.
    pub(crate) rows_max: usize,
}

/// Where one header line lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) id: HeaderName,
    pub(crate) place: Place,
    /// The whole line with its CRLF.
    pub(crate) line: Span,
    /// End of the name; the name starts where the line does.
    pub(crate) name_end: u16,
    pub(crate) value: Span,
}

impl Headers {
    /// An empty header section for a message of our own.
    pub(crate) fn empty() -> Self {
        Self {
            buffer: Bytes::new(),
            scratch: SmallVec::new(),
            rows: SmallVec::new(),
            tail: Span::default(),
            body: None,
            rows_max: crate::Limits::default().headers,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no header at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row at `index`.
    pub fn get(&self, index: usize) -> Option<Header<'_>> {
        self.rows.get(index).map(|row| self.header(row))
    }

    /// The row at `index` as it stands on the wire: name, colon, value with its folds, CRLF.
    pub fn line(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(index)?;
        Some(self.bytes_of(row.place, row.line))
    }

    /// All rows in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Header<'_>> + ExactSizeIterator {
        self.rows.iter().map(|row| self.header(row))
    }

    /// The value of the first row with `id`.
    pub fn first(&self, id: HeaderName) -> Option<&[u8]> {
        let row = self.rows.iter().find(|row| row.id == id)?;
        Some(self.value_of(row))
    }

    /// The values of all rows with `id`, a row at a time.
    pub fn all(&self, id: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.rows
            .iter()
            .filter(move |row| row.id == id)
            .map(|row| self.value_of(row))
    }

    /// The values of all rows with `name` (any case, long or compact), a row at a time.
    pub fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |header| header.is(name))
            .map(|header| header.value)
    }

    /// The elements of a comma-separated list over all its rows (RFC 3261 §7.3.1).
    pub fn list(&self, id: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.all(id).flat_map(elements)
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Some(body) => body,
            None => self.tail.of(&self.buffer).get(2..).unwrap_or_default(),
        }
    }

    /// The body without a copy.
    pub fn body_bytes(&self) -> Bytes {
        match &self.body {
            Some(body) => body.clone(),
            None => self.buffer.slice_ref(self.body()),
        }
    }

    /// Puts `body` in place of the body and sets Content-Length to its size.
    pub fn set_body(&mut self, body: Bytes) -> Result<(), EditError> {
        let mut digits: SmallVec<[u8; 8]> = SmallVec::new();
        crate::ascii::push_number(&mut digits, body.len() as u64);
        self.set(b"Content-Length", &digits)?;
        self.body = Some(body);
        Ok(())
    }

    /// Adds a row at the end.
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        self.insert(self.rows.len(), name, value)
    }

    /// Adds a row before all others.
    pub fn prepend(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        self.insert(0, name, value)
    }

    /// Adds a row before the first one with `id`, or at the end.
    pub fn insert_before(
        &mut self,
        id: HeaderName,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), EditError> {
        let index = self.rows.iter().position(|row| row.id == id);
        self.insert(index.unwrap_or(self.rows.len()), name, value)
    }

    /// Adds a row at `index`, at most at the end.
    pub fn insert(&mut self, index: usize, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        if self.rows.len() >= self.rows_max {
            return Err(EditError::TooLarge);
        }
        let row = self.write_row(name, value)?;
        self.rows.insert(index.min(self.rows.len()), row);
        Ok(())
    }

    /// Removes every row with `name` (any case, long or compact); returns how many.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        self.retain(|header| !header.is(name))
    }

    /// Removes the row at `index`, if it is there.
    pub fn remove_at(&mut self, index: usize) {
        if index < self.rows.len() {
            self.rows.remove(index);
        }
    }

    /// Keeps the rows for which `keep` is true; returns how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&Header<'_>) -> bool) -> usize {
        let before = self.rows.len();
        let Self {
            buffer,
            scratch,
            rows,
            ..
        } = self;
        rows.retain(|row| keep(&view(buffer, scratch, row)));
        before - self.rows.len()
    }

    /// Makes `value` the only row with `name`: in the place of the first one, or at the end.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        let id = HeaderName::of(name);
        let same = |header: &Header<'_>| match id {
            HeaderName::Other => header.name.eq_ignore_ascii_case(name),
            id => header.id == id,
        };
        let Some(first) = self.iter().position(|header| same(&header)) else {
            return self.append(name, value);
        };
        let row = self.write_row(name, value)?;
        let mut index = 0;
        self.retain(|header| {
            let keep = index <= first || !same(header);
            index += 1;
            keep
        });
        if let Some(slot) = self.rows.get_mut(first) {
            *slot = row;
        }
        Ok(())
    }

    /// Gives the row at `index` another value and keeps its name as it is written.
    pub fn set_value_at(&mut self, index: usize, value: &[u8]) -> Result<(), EditError> {
        let Some(header) = self.get(index) else {
            return Ok(());
        };
        let name: SmallVec<[u8; 32]> = SmallVec::from_slice(header.name);
        let row = self.write_row(&name, value)?;
        self.rows[index] = row;
        Ok(())
    }

    /// Gives the row at `index` another name and keeps its value, unfolded.
    pub fn rename_at(&mut self, index: usize, name: &[u8]) -> Result<(), EditError> {
        let Some(header) = self.get(index) else {
            return Ok(());
        };
        let value: SmallVec<[u8; 128]> = SmallVec::from_slice(&header.unfolded());
        let row = self.write_row(name, &value)?;
        self.rows[index] = row;
        Ok(())
    }

    /// Removes the first element of the list header `id`; its row goes when it was the last there.
    pub fn pop_first(&mut self, id: HeaderName) -> Result<bool, EditError> {
        let Some(index) = self.rows.iter().position(|row| row.id == id) else {
            return Ok(false);
        };
        let rest = self.get(index).and_then(|header| {
            let (_, rest) = split_outside(header.value, b',');
            Some(trim(rest?)).filter(|rest| !rest.is_empty())
        });
        match rest.map(unfold) {
            None => self.remove_at(index),
            Some(rest) => {
                let rest: SmallVec<[u8; 256]> = SmallVec::from_slice(&rest);
                self.set_value_at(index, &rest)?;
            }
        }
        Ok(true)
    }

    /// Puts `value` in place of the first element of the list header `id`.
    pub fn replace_first(&mut self, id: HeaderName, value: &[u8]) -> Result<(), EditError> {
        let Some(index) = self.rows.iter().position(|row| row.id == id) else {
            return self.insert(0, id.as_str().as_bytes(), value);
        };
        let mut text: SmallVec<[u8; 256]> = SmallVec::from_slice(value);
        if let Some(header) = self.get(index)
            && let (_, Some(rest)) = split_outside(header.value, b',')
        {
            text.extend_from_slice(b", ");
            text.extend_from_slice(&unfold(trim(rest)));
        }
        self.set_value_at(index, &text)
    }

    /// Copies the rows of `other` with `id` as they stand, byte for byte, to the end.
    pub(crate) fn copy_rows(&mut self, other: &Self, id: HeaderName) {
        for row in other.rows.iter().filter(|row| row.id == id) {
            let line = other.bytes_of(row.place, row.line);
            let start = self.scratch.len();
            if start + line.len() > MESSAGE_BYTES_MAX || self.rows.len() >= self.rows_max {
                return;
            }
            self.scratch.extend_from_slice(line);
            let move_by = |at: u16| (usize::from(at) - usize::from(row.line.start) + start) as u16;
            self.rows.push(Row {
                id,
                place: Place::Scratch,
                line: Span::new(start, start + line.len()),
                name_end: move_by(row.name_end),
                value: Span {
                    start: move_by(row.value.start),
                    end: move_by(row.value.end),
                },
            });
        }
    }

    /// Adds the header section, the empty line and the body to `out`, joining untouched neighbours.
    pub(crate) fn gather<'a>(&'a self, mut run: Run, out: &mut Slices<'a>) {
        for row in &self.rows {
            run = self.extend_run(run, row.place, row.line, out);
        }
        match &self.body {
            None if self.tail.end > self.tail.start => {
                let run = self.extend_run(run, Place::Buffer, self.tail, out);
                self.flush_run(run, out);
            }
            body => {
                self.flush_run(run, out);
                out.push(b"\r\n");
                if let Some(body) = body {
                    out.push(body);
                }
            }
        }
    }

    fn extend_run<'a>(&'a self, run: Run, place: Place, span: Span, out: &mut Slices<'a>) -> Run {
        match run {
            Some(text) if text.place == place && text.span.end == span.start => Some(Text {
                place,
                span: Span {
                    start: text.span.start,
                    end: span.end,
                },
            }),
            _ => {
                self.flush_run(run, out);
                Some(Text { place, span })
            }
        }
    }

    fn flush_run<'a>(&'a self, run: Run, out: &mut Slices<'a>) {
        if let Some(text) = run {
            out.push(self.bytes_of(text.place, text.span));
        }
    }

    #[inline]
    pub(crate) fn bytes_of(&self, place: Place, span: Span) -> &[u8] {
        match place {
            Place::Buffer => span.of(&self.buffer),
            Place::Scratch => span.of(&self.scratch),
        }
    }

    #[inline]
    fn header(&self, row: &Row) -> Header<'_> {
        view(&self.buffer, &self.scratch, row)
    }

    #[inline]
    fn value_of(&self, row: &Row) -> &[u8] {
        self.bytes_of(row.place, row.value)
    }

    /// Writes `text` to scratch and says where it lies.
    pub(crate) fn write_text(&mut self, text: &[u8]) -> Result<Text, EditError> {
        let start = self.scratch.len();
        if start + text.len() > MESSAGE_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        self.scratch.extend_from_slice(text);
        Ok(Text {
            place: Place::Scratch,
            span: Span::new(start, start + text.len()),
        })
    }

    /// Writes `name: value` CRLF to scratch after checking both.
    fn write_row(&mut self, name: &[u8], value: &[u8]) -> Result<Row, EditError> {
        if !is_token(name) {
            return Err(EditError::Name);
        }
        let value = trim(value);
        if !value.iter().all(|&byte| is_value_byte(byte)) {
            return Err(EditError::Value);
        }
        let start = self.scratch.len();
        let name_end = start + name.len();
        let value_start = name_end + 2;
        let value_end = value_start + value.len();
        let end = value_end + 2;
        if end > MESSAGE_BYTES_MAX || end - start > HEADER_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        for part in [name, b": ", value, b"\r\n"] {
            self.scratch.extend_from_slice(part);
        }
        Ok(Row {
            id: HeaderName::of(name),
            place: Place::Scratch,
            line: Span::new(start, end),
            name_end: name_end as u16,
            value: Span::new(value_start, value_end),
        })
    }
}

/// The untouched text that the next row may continue.
pub(crate) type Run = Option<Text>;

/// The comma-separated elements of one value, trimmed; empty ones are left out.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let (element, after) = split_outside(rest?, b',');
            rest = after;
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

fn view<'a>(buffer: &'a [u8], scratch: &'a [u8], row: &Row) -> Header<'a> {
    let bytes = match row.place {
        Place::Buffer => buffer,
        Place::Scratch => scratch,
    };
    let name = Span {
        start: row.line.start,
        end: row.name_end,
    };
    Header {
        id: row.id,
        name: name.of(bytes),
        value: row.value.of(bytes),
    }
}

/// Rows held without an allocation: carrier INVITEs have 12–20.
const ROWS_INLINE: usize = 32;
/// Edit text held without an allocation: Via, Record-Route and a handful of X- headers.
const SCRATCH_INLINE: usize = 640;
/// The longest header line that an edit may write.
const HEADER_BYTES_MAX: usize = 8 * 1024;
