//! Places of text inside a message: 16-bit offsets, no lifetimes.

/// A half-open byte range of the receive buffer or of scratch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    /// `start..end`; the caller has bounded both by [`crate::MESSAGE_BYTES_MAX`].
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= crate::MESSAGE_BYTES_MAX);
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    /// The text; empty where the span lies outside `bytes`, which would be a fault of ours.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        debug_assert!(usize::from(self.end) <= bytes.len());
        bytes
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }
}

/// Which storage a span points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The receive buffer, never written.
    Buffer,
    /// The text that edits have added.
    Scratch,
}

/// A span with its storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) place: Place,
    pub(crate) span: Span,
}
