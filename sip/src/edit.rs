//! Edits of the index: rows go, come and move; the received bytes stay.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ascii::{is_token, is_value_text, push_number, trim};
use crate::headers::{Header, Headers, Row, Wanted, view};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::line::Line;
use crate::list::{after_first, elements, unfold};
use crate::parse::content_length;
use crate::span::{Place, Span, Text};
use crate::{EditError, HeaderName};

/// Edits. One that fails changes nothing.
///
/// Names are tokens; values hold no control byte, so no edit can end its line; a Content-Length is
/// the body's, and there is one at most. So what is sent is read again as what stands here.
/// Removing finds a name in any case, long or compact.
impl Headers {
    /// Adds a row at the end.
    ///
    /// # Errors
    ///
    /// As every edit that writes: a name that is no token, a value with a control byte, a
    /// Content-Length that is not the body's or stands twice, a message that grows too large.
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        self.insert(self.rows.len(), name, value)
    }

    /// Adds a row at the end that was checked before.
    ///
    /// # Errors
    ///
    /// [`EditError::TooLarge`].
    pub fn append_line(&mut self, line: &Line) -> Result<(), EditError> {
        match self.push_line(line.id, line.name_length, &line.text) {
            true => Ok(()),
            false => Err(EditError::TooLarge),
        }
    }

    /// Adds a row before all others.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`].
    pub fn prepend(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        self.insert(0, name, value)
    }

    /// Adds a row before the first one with `id`, or at the end.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`].
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
    ///
    /// # Errors
    ///
    /// As [`Headers::append`].
    #[inline]
    pub fn insert(&mut self, index: usize, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        if self.rows.len() >= self.rows_max {
            return Err(EditError::TooLarge);
        }
        let row = self.write_row(None, name, value)?;
        let index = index.min(self.rows.len());
        self.rows.ready().insert(index, row);
        Ok(())
    }

    /// Makes `value` the only row with `name`: in the place of the first one, or at the end.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`].
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditError> {
        let wanted = Wanted::of(name);
        let Some(first) = self.position(0, wanted) else {
            return self.append(name, value);
        };
        let row = self.write_row(Some(first), name, value)?;
        self.put(first, row);
        self.remove_from(first + 1, wanted);
        Ok(())
    }

    /// Removes every row from `from` on that `wanted` names; returns how many.
    fn remove_from(&mut self, from: usize, wanted: Wanted<'_>) -> usize {
        let Some(first) = self.position(from, wanted) else {
            return 0;
        };
        self.rows.remove(first);
        if self.position(first, wanted).is_none() {
            return 1;
        }
        let mut index = 0;
        let more = self.retain_rows(|buffer, scratch, row| {
            index += 1;
            index <= first || !wanted.is(buffer, scratch, row)
        });
        1 + more
    }

    /// Gives the row at `index` another value and keeps its name as it is written.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`]; [`EditError::Index`] where there is no such row.
    pub fn set_value_at(&mut self, index: usize, value: &[u8]) -> Result<(), EditError> {
        if !is_value_text(value) {
            return Err(EditError::Value);
        }
        self.rewrite(index, None, value)
    }

    /// Gives the row at `index` another name and keeps its value, unfolded.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`]; [`EditError::Index`] where there is no such row.
    pub fn rename_at(&mut self, index: usize, name: &[u8]) -> Result<(), EditError> {
        if !is_token(name) {
            return Err(EditError::Name);
        }
        let header = self.get(index).ok_or(EditError::Index)?;
        let value: SmallVec<[u8; 256]> = SmallVec::from_slice(&header.unfolded());
        self.rewrite(index, Some(name), &value)
    }

    /// Removes every row with `name`; returns how many.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        self.remove_from(0, Wanted::of(name))
    }

    /// Removes the row at `index`, if it is there.
    pub fn remove_at(&mut self, index: usize) {
        if index < self.rows.len() {
            self.rows.remove(index);
        }
    }

    /// Keeps the rows for which `keep` is true; returns how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&Header<'_>) -> bool) -> usize {
        self.retain_rows(|buffer, scratch, row| keep(&view(buffer, scratch, row)))
    }

    /// Removes the first element of the list header `id`; its row goes when it was the last there.
    ///
    /// Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`EditError::TooLarge`]; [`EditError::Name`] for [`HeaderName::Other`], which names no list.
    pub fn pop_first(&mut self, id: HeaderName) -> Result<bool, EditError> {
        if id == HeaderName::Other {
            return Err(EditError::Name);
        }
        while let Some(index) = self.rows.iter().position(|row| row.id == id) {
            let value = self.get(index).map_or(&[][..], |header| header.value);
            // Hardly any row holds more than one element.
            let alone = memchr::memchr(b',', value).is_none();
            let rest = if alone { b"" } else { after_first(value) };
            // A row of commas alone holds no element.
            let empty = match alone {
                true => value.is_empty(),
                false => elements(value).next().is_none(),
            };
            if rest.is_empty() {
                self.rows.remove(index);
            } else {
                let rest: SmallVec<[u8; 256]> = SmallVec::from_slice(&unfold(rest));
                self.rewrite(index, None, &rest)?;
            }
            if !empty {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts `value` in place of the first element of the list header `id`, or as the first row of
    /// the message where there is no such header.
    ///
    /// # Errors
    ///
    /// As [`Headers::append`]; [`EditError::Name`] for [`HeaderName::Other`], which names no list.
    pub fn replace_first(&mut self, id: HeaderName, value: &[u8]) -> Result<(), EditError> {
        if id == HeaderName::Other {
            return Err(EditError::Name);
        }
        let Some(index) = self.rows.iter().position(|row| row.id == id) else {
            return self.insert(0, id.as_str().as_bytes(), value);
        };
        if !is_value_text(value) {
            return Err(EditError::Value);
        }
        let mut text: SmallVec<[u8; 256]> = SmallVec::from_slice(value);
        let header = self.get(index).ok_or(EditError::Index)?;
        let rest = unfold(after_first(header.value));
        if !rest.is_empty() {
            text.extend_from_slice(b", ");
            text.extend_from_slice(&rest);
        }
        self.rewrite(index, None, &text)
    }

    /// Puts `body` in place of the body and sets Content-Length to its size.
    ///
    /// # Errors
    ///
    /// [`EditError::TooLarge`].
    pub fn set_body(&mut self, body: Bytes) -> Result<(), EditError> {
        self.set_content_length(body.len())?;
        self.body = Some(body);
        Ok(())
    }

    /// Adds the Content-Length that every message on a stream must have (RFC 3261 §18.3), where a
    /// datagram came without.
    ///
    /// # Errors
    ///
    /// [`EditError::TooLarge`].
    pub fn ensure_content_length(&mut self) -> Result<(), EditError> {
        if self.first(HeaderName::ContentLength).is_some() {
            return Ok(());
        }
        self.set_content_length(self.body().len())
    }

    fn set_content_length(&mut self, length: usize) -> Result<(), EditError> {
        let mut digits: SmallVec<[u8; 20]> = SmallVec::new();
        push_number(&mut digits, length as u64);
        let id = HeaderName::ContentLength;
        let name = id.as_str().as_bytes();
        let wanted = Wanted::of(name);
        let first = self.position(0, wanted);
        if first.is_none() && self.rows.len() >= self.rows_max {
            return Err(EditError::TooLarge);
        }
        let row = self.push_row(id, name, &digits)?;
        match first {
            Some(first) => {
                self.put(first, row);
                self.remove_from(first + 1, wanted);
            }
            None => self.rows.ready().push(row),
        }
        Ok(())
    }

    /// Copies all rows of `other` with `id` as they stand, byte for byte, to the end.
    pub(crate) fn copy_rows(&mut self, other: &Self, id: HeaderName) {
        let mut rows = other.rows.iter().filter(|row| row.id == id);
        while rows.next().is_some_and(|row| self.copy_row(other, row)) {}
    }

    /// Copies `row` of `other` as it stands, byte for byte, to the end; false where it does not fit.
    pub(crate) fn copy_row(&mut self, other: &Self, row: &Row) -> bool {
        let line = other.bytes_of(row.place, row.line);
        self.push_line(row.id, row.name_length(), line)
    }

    /// Adds a whole line, with its CRLF, at the end; false where it does not fit.
    #[inline]
    fn push_line(&mut self, id: HeaderName, name_length: usize, line: &[u8]) -> bool {
        let start = self.scratch.len();
        let end = start + line.len();
        if end > MESSAGE_BYTES_MAX || self.rows.len() >= self.rows_max {
            return false;
        }
        self.scratch.ready().extend_from_slice(line);
        self.rows.ready().push(Row {
            id,
            place: Place::Scratch,
            line: Span::new(start, end),
            name_end: (start + name_length) as u16,
        });
        true
    }

    /// Gives the row at `index` another name or value, of which `value` was received or checked:
    /// quoted pairs may hold control bytes (RFC 3261 §25.1), and only the line must stay whole.
    pub(crate) fn rewrite(
        &mut self,
        index: usize,
        name: Option<&[u8]>,
        value: &[u8],
    ) -> Result<(), EditError> {
        if memchr::memchr2(b'\r', b'\n', value).is_some() {
            return Err(EditError::Value);
        }
        let header = self.get(index).ok_or(EditError::Index)?;
        let id = name.map_or(header.id, HeaderName::of);
        let name: SmallVec<[u8; 32]> = SmallVec::from_slice(name.unwrap_or(header.name));
        self.check_length(Some(index), id, value)?;
        let row = self.push_row(id, &name, value)?;
        self.put(index, row);
        Ok(())
    }

    /// Refuses a Content-Length, written in place of row `index`, that another row has already or
    /// that is not the body's.
    fn check_length(
        &self,
        index: Option<usize>,
        id: HeaderName,
        value: &[u8],
    ) -> Result<(), EditError> {
        if id != HeaderName::ContentLength {
            return Ok(());
        }
        let first = self
            .rows
            .iter()
            .position(|row| row.id == HeaderName::ContentLength);
        let true_length = content_length(trim(value)) == Ok(self.body().len());
        if !true_length || first.is_some_and(|first| Some(first) != index) {
            return Err(EditError::Value);
        }
        Ok(())
    }

    fn put(&mut self, index: usize, row: Row) {
        if let Some(slot) = self.rows.get_mut(index) {
            *slot = row;
        }
    }

    fn retain_rows(&mut self, mut keep: impl FnMut(&[u8], &[u8], &Row) -> bool) -> usize {
        let before = self.rows.len();
        let (buffer, scratch) = (&self.buffer, &self.scratch);
        self.rows.retain(|row| keep(buffer, scratch, row));
        before - self.rows.len()
    }

    /// Writes `text` to scratch and says where it lies.
    pub(crate) fn write_text(&mut self, text: &[u8]) -> Result<Text, EditError> {
        let start = self.scratch.len();
        if start + text.len() > MESSAGE_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        self.scratch.ready().extend_from_slice(text);
        Ok(Text {
            place: Place::Scratch,
            span: Span::new(start, start + text.len()),
        })
    }

    /// Writes `name: value` CRLF to scratch after checking both, for the place of row `index`.
    fn write_row(
        &mut self,
        index: Option<usize>,
        name: &[u8],
        value: &[u8],
    ) -> Result<Row, EditError> {
        let id = HeaderName::of(name);
        // A name that is known is a token.
        if id == HeaderName::Other && !is_token(name) {
            return Err(EditError::Name);
        }
        if !is_value_text(value) {
            return Err(EditError::Value);
        }
        self.check_length(index, id, value)?;
        self.push_row(id, name, value)
    }

    /// Writes a line whose parts were checked.
    fn push_row(&mut self, id: HeaderName, name: &[u8], value: &[u8]) -> Result<Row, EditError> {
        let value = trim(value);
        let start = self.scratch.len();
        let name_end = start + name.len();
        let end = name_end + 2 + value.len() + 2;
        if end > MESSAGE_BYTES_MAX || end - start > HEADER_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        let scratch = self.scratch.ready();
        scratch.reserve(end - start);
        for part in [name, b": ", value, b"\r\n"] {
            scratch.extend_from_slice(part);
        }
        Ok(Row {
            id,
            place: Place::Scratch,
            line: Span::new(start, end),
            name_end: name_end as u16,
        })
    }
}

/// The longest header line that an edit may write.
pub(crate) const HEADER_BYTES_MAX: usize = 8 * 1024;
