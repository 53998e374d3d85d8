//! CSeq values.

use crate::ascii::{is_lws, is_token, number, trim};
use crate::{Method, ViewError};

/// A CSeq value (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method as written.
    pub method: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`ViewError::Number`] over 2³²−1, [`ViewError::Syntax`] otherwise.
    pub fn parse(value: &'a [u8]) -> Result<Self, ViewError> {
        let value = trim(value);
        let blank = value
            .iter()
            .position(|&byte| is_lws(byte))
            .ok_or(ViewError::Syntax)?;
        let (digits, rest) = value.split_at(blank);
        let method = trim(rest);
        if !is_token(method) {
            return Err(ViewError::Syntax);
        }
        let number = number(digits).ok_or(ViewError::Number)?;
        Ok(Self { number, method })
    }

    /// The method by its id.
    pub fn method_id(&self) -> Method {
        Method::of(self.method)
    }
}
