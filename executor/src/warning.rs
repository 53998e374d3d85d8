//! What went wrong, where, and under which number.

use std::fmt;

use crate::ErrorCode;

/// A numbered notice for the log and the console: a warning, or an error if its code is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The number.
    pub code: ErrorCode,
    /// What happened, as a sentence without secrets.
    pub message: String,
    /// The place in the TwiML document, if it is about one.
    pub location: Option<Location>,
}

/// A place in a document; both numbers count from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Location {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Warning {
    /// A notice that is not about a place in a document.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            location: None,
        }
    }

    /// A notice about a place in a document.
    pub fn at(code: ErrorCode, message: impl Into<String>, location: Location) -> Self {
        Self {
            code,
            message: message.into(),
            location: Some(location),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        match self.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
