//! The header section of one message: an index over immutable bytes.
//!
//! The index *is* the message; the buffer is only storage. An edit changes rows, so later reads
//! see it and edits compose in any order. Untouched rows are sent from where they were received.

use std::borrow::Cow;

use bytes::Bytes;

use crate::ascii::{split_once, trim};
use crate::list::{elements, unfold};
use crate::pool::Stored;
use crate::span::{Place, Span};
use crate::{HeaderName, HeaderSet, Limits};

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

/// The headers and body of one message. A copy shares the received bytes.
#[derive(Clone, Debug)]
pub struct Headers {
    pub(crate) buffer: Bytes,
    /// The text that edits have written.
    pub(crate) scratch: Stored<u8>,
    pub(crate) rows: Rows,
    /// The empty line and the body as received.
    pub(crate) tail: Span,
    /// A body of ours in place of the received one.
    pub(crate) body: Option<Bytes>,
    /// Rows that the message may have at most.
    pub(crate) rows_max: usize,
}

/// The index.
pub(crate) type Rows = Stored<Row>;

/// Where one header line lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: HeaderName,
    pub(crate) place: Place,
    /// The whole line with its CRLF.
    pub(crate) line: Span,
    /// End of the name; the name starts where the line does.
    pub(crate) name_end: u16,
}

impl Row {
    #[inline]
    pub(crate) fn name_length(&self) -> usize {
        usize::from(self.name_end - self.line.start)
    }

    #[inline]
    fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let name = Span {
            start: self.line.start,
            end: self.name_end,
        };
        name.of(bytes)
    }

    /// Which of the two it lies in.
    #[inline]
    fn storage<'a>(&self, buffer: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        match self.place {
            Place::Buffer => buffer,
            Place::Scratch => scratch,
        }
    }

    /// The value, without white space at its ends.
    #[inline]
    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let rest = Span {
            start: self.name_end,
            end: self.line.end,
        };
        let rest = rest.of(bytes);
        // One space in front and none behind, as nearly all write it.
        if let [b':', b' ', value @ .., _, _] = rest
            && let ([first, ..], [.., last]) = (value, value)
            && *first > b' '
            && *last > b' '
        {
            return value;
        }
        far_value(rest)
    }
}

/// The value in `rest`, which starts behind the name.
#[cold]
fn far_value(rest: &[u8]) -> &[u8] {
    let (_, value) = split_once(rest, b':');
    trim(value.unwrap_or_default())
}

impl Headers {
    /// An empty header section for a message of our own.
    pub(crate) fn empty() -> Self {
        let rows_max = Limits::default().headers;
        Self {
            buffer: Bytes::new(),
            scratch: Stored::taken(),
            rows: Rows::taken(),
            tail: Span::default(),
            body: None,
            rows_max,
        }
    }

    /// The headers of a received message.
    #[inline]
    pub(crate) fn received(buffer: Bytes, rows: Rows, tail: Span, limits: &Limits) -> Self {
        Self {
            buffer,
            scratch: Stored::none(),
            rows,
            tail,
            body: None,
            rows_max: limits.headers.saturating_add(EDIT_ROWS),
        }
    }

    /// Gives back storage that is not filled: for a message that is kept for long.
    pub fn compact(&mut self) {
        self.rows.compact();
        self.scratch.compact();
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

    /// The rows whose names are in `names`, in order, each with its index. Others are not read at all.
    #[inline]
    pub fn among(&self, names: HeaderSet) -> impl Iterator<Item = (usize, Header<'_>)> {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| names.contains(row.id))
            .map(|(index, row)| (index, self.header(row)))
    }

    /// Index, name and the name as it is written of the rows whose names are in `among`, in order. No
    /// value is read.
    #[inline]
    pub fn names(&self, among: HeaderSet) -> impl Iterator<Item = (usize, HeaderName, &[u8])> {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| among.contains(row.id))
            .map(|(index, row)| (index, row.id, row.name(self.bytes_in(row.place))))
    }

    /// The value of the first row with `id`.
    #[inline]
    pub fn first(&self, id: HeaderName) -> Option<&[u8]> {
        let row = self.rows.iter().find(|row| row.id == id)?;
        Some(self.value_of(row))
    }

    /// The values of all rows with `id`, a row at a time.
    #[inline]
    pub fn all(&self, id: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.rows
            .iter()
            .filter(move |row| row.id == id)
            .map(|row| self.value_of(row))
    }

    /// The values of all rows with `name` (any case, long or compact), a row at a time.
    pub fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let wanted = Wanted::of(name);
        self.rows
            .iter()
            .filter(move |row| wanted.is(&self.buffer, &self.scratch, row))
            .map(|row| self.value_of(row))
    }

    /// The elements of a comma-separated list over all its rows (RFC 3261 §7.3.1).
    pub fn list(&self, id: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.all(id).flat_map(elements)
    }

    /// The first value of a header that takes a list: the first of [`Headers::list`].
    pub fn top(&self, id: HeaderName) -> Option<&[u8]> {
        match self.first(id)? {
            // Without a comma it is all that the row holds.
            row if !row.is_empty() && memchr::memchr(b',', row).is_none() => Some(row),
            _ => self.list(id).next(),
        }
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

    /// The first row from `from` on that `wanted` names.
    pub(crate) fn position(&self, from: usize, wanted: Wanted<'_>) -> Option<usize> {
        let rows = self.rows.get(from..)?;
        let found = match wanted.id {
            // Most rows are told apart without a look at their names.
            HeaderName::Other => rows.iter().position(|row| {
                row.id == HeaderName::Other
                    && row.name_length() == wanted.name.len()
                    && wanted.is(&self.buffer, &self.scratch, row)
            }),
            id => rows.iter().position(|row| row.id == id),
        };
        found.map(|at| from + at)
    }

    #[inline]
    pub(crate) fn bytes_of(&self, place: Place, span: Span) -> &[u8] {
        span.of(self.bytes_in(place))
    }

    #[inline]
    fn bytes_in(&self, place: Place) -> &[u8] {
        match place {
            Place::Buffer => &self.buffer,
            Place::Scratch => &self.scratch,
        }
    }

    #[inline]
    fn header(&self, row: &Row) -> Header<'_> {
        view(&self.buffer, &self.scratch, row)
    }

    #[inline]
    pub(crate) fn value_of(&self, row: &Row) -> &[u8] {
        row.value(self.bytes_in(row.place))
    }
}

/// A name to look for, resolved once for all rows.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    id: HeaderName,
    name: &'a [u8],
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(name: &'a [u8]) -> Self {
        let id = HeaderName::of(name);
        Self { id, name }
    }

    #[inline]
    pub(crate) fn is(&self, buffer: &[u8], scratch: &[u8], row: &Row) -> bool {
        row.id == self.id
            && (self.id != HeaderName::Other
                || (row.name_length() == self.name.len()
                    && is_same(row.name(row.storage(buffer, scratch)), self.name)))
    }
}

/// Whether two names are one but for their case; most are written alike.
#[inline]
fn is_same(name: &[u8], other: &[u8]) -> bool {
    name == other || name.eq_ignore_ascii_case(other)
}

#[inline]
pub(crate) fn view<'a>(buffer: &'a [u8], scratch: &'a [u8], row: &Row) -> Header<'a> {
    let bytes = row.storage(buffer, scratch);
    Header {
        id: row.id,
        name: row.name(bytes),
        value: row.value(bytes),
    }
}

/// Rows that edits may add to a message that is at the limit.
const EDIT_ROWS: usize = 64;
