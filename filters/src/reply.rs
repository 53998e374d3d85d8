//! The answer that a filter gives in place of the target's.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::Reason;

/// A final response; the pipeline adds what RFC 3261 §8.2.6 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: Cow<'static, str>,
    /// Headers to add.
    pub headers: SmallVec<[(Cow<'static, str>, Vec<u8>); 2]>,
    /// Why, for metrics and logs.
    pub cause: Reason,
}

impl Reply {
    /// An answer without headers of its own.
    pub fn new(status: u16, reason: impl Into<Cow<'static, str>>, cause: Reason) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: SmallVec::new(),
            cause,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((Cow::Borrowed(name), value.into()));
        self
    }
}
