//! Where the lines of a message lie.

use crate::ParseError;
use crate::ascii::is_blank;
use crate::span::Span;

/// One logical line: folded lines are joined (RFC 3261 §7.3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The line with its CRLF.
    pub(crate) span: Span,
    /// Where the CRLF starts.
    pub(crate) text_end: u16,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.span.end - self.span.start)
    }

    pub(crate) fn is_empty_line(&self) -> bool {
        self.text_end == self.span.start
    }
}

/// Walks the lines of a header section.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next physical line, or `None` where no line end is left.
    #[inline]
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, ParseError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(feed) = memchr::memchr(b'\n', rest) else {
            return Ok(None);
        };
        // A bare LF, or a CR that ends no line, is read differently by different elements.
        if feed == 0 || rest[feed - 1] != b'\r' {
            return Err(ParseError::ControlByte);
        }
        if memchr::memchr(b'\r', &rest[..feed - 1]).is_some() {
            return Err(ParseError::ControlByte);
        }
        let start = self.at;
        self.at += feed + 1;
        Ok(Some(Line {
            span: Span::new(start, self.at),
            text_end: (self.at - 2) as u16,
        }))
    }

    /// The next header line with its folds, or the empty line.
    #[inline]
    pub(crate) fn next_header(&mut self) -> Result<Option<Line>, ParseError> {
        let Some(mut line) = self.next_line()? else {
            return Ok(None);
        };
        if line.is_empty_line() {
            return Ok(Some(line));
        }
        while self.bytes.get(self.at).copied().is_some_and(is_blank) {
            let Some(fold) = self.next_line()? else {
                return Ok(None);
            };
            line.span.end = fold.span.end;
            line.text_end = fold.text_end;
        }
        Ok(Some(line))
    }
}
