//! Why something was refused, in one word.

use std::fmt;

/// A word of a closed set: label of a metric and field of a log line, never input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub &'static str);

impl Reason {
    /// A filter panicked.
    pub const FILTER_PANIC: Self = Self("filter_panic");
    /// A reason that its filter did not declare.
    pub const OTHER: Self = Self("other");
    /// The future of a [`crate::Wait`] was not ready in time.
    pub const WAIT_TIMEOUT: Self = Self("wait_timeout");

    /// The word.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
