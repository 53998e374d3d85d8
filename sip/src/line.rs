//! A header line of ours that goes into many messages.

use crate::ascii::{is_token, is_value_text, trim};
use crate::edit::HEADER_BYTES_MAX;
use crate::{EditError, HeaderName};

/// A header line that was checked when it was made: [`Headers::append_line`] only copies it.
///
/// [`Headers::append_line`]: crate::Headers::append_line
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub(crate) id: HeaderName,
    pub(crate) name_length: usize,
    /// The whole line with its CRLF.
    pub(crate) text: Box<[u8]>,
}

impl Line {
    /// The line `name: value`.
    ///
    /// # Errors
    ///
    /// [`EditError::Name`] where `name` is no token; [`EditError::Value`] where `value` holds a
    /// control byte, and for a Content-Length, which is that of one body; [`EditError::TooLarge`]
    /// beyond 8 KiB.
    pub fn new(name: &[u8], value: &[u8]) -> Result<Self, EditError> {
        if !is_token(name) {
            return Err(EditError::Name);
        }
        let id = HeaderName::of(name);
        if !is_value_text(value) || id == HeaderName::ContentLength {
            return Err(EditError::Value);
        }
        let text = [name, b": ", trim(value), b"\r\n"].concat();
        if text.len() > HEADER_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        Ok(Self {
            id,
            name_length: name.len(),
            text: text.into_boxed_slice(),
        })
    }
}
