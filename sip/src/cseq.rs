//! CSeq values.

use crate::ascii::{class, is_lws, is_token, number, split_run, trim};
use crate::{Method, ViewError};

/// A CSeq value (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, ViewError> {
        match Self::plain(value) {
            Some(cseq) => Ok(cseq),
            None => Self::read(value),
        }
    }

    /// A number, one space, a token.
    #[inline]
    pub(crate) fn plain(value: &'a [u8]) -> Option<Self> {
        let (digits, rest) = split_run(value, class::DIGIT)?;
        let method = rest.strip_prefix(b" ").filter(|text| is_token(text))?;
        let number = number(digits)?;
        Some(Self { number, method })
    }

    /// Any value, by the grammar.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, ViewError> {
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
