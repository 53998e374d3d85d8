//! Sending: the pieces of a message in order, untouched neighbours as one piece.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::headers::Headers;
use crate::span::{Place, Span, Text};

/// The pieces of a message in the order of sending; gathered into one `sendmmsg` entry.
pub type Slices<'a> = SmallVec<[&'a [u8]; 24]>;

/// Takes the pieces of one message.
pub(crate) trait Sink<'a> {
    fn piece(&mut self, piece: &'a [u8]);
}

impl<'a> Sink<'a> for Slices<'a> {
    fn piece(&mut self, piece: &'a [u8]) {
        self.push(piece);
    }
}

/// Copies the pieces.
impl<'a> Sink<'a> for Vec<u8> {
    fn piece(&mut self, piece: &'a [u8]) {
        self.extend_from_slice(piece);
    }
}

/// Counts the bytes.
impl<'a> Sink<'a> for usize {
    fn piece(&mut self, piece: &'a [u8]) {
        *self += piece.len();
    }
}

/// The untouched text that the next row may continue.
pub(crate) type Run = Option<Text>;

impl Headers {
    /// Gives the header section, the empty line and the body to `out`; `run` is an untouched start
    /// line, which the first row may continue.
    pub(crate) fn gather<'a>(&'a self, mut run: Run, out: &mut impl Sink<'a>) {
        for row in self.rows.iter() {
            run = self.extend_run(run, row.place, row.line, out);
        }
        match &self.body {
            None if self.tail.end > self.tail.start => {
                let run = self.extend_run(run, Place::Buffer, self.tail, out);
                self.end_run(run, out);
            }
            body => {
                self.end_run(run, out);
                out.piece(b"\r\n");
                if let Some(body) = body {
                    out.piece(body);
                }
            }
        }
    }

    fn extend_run<'a>(
        &'a self,
        run: Run,
        place: Place,
        span: Span,
        out: &mut impl Sink<'a>,
    ) -> Run {
        match run {
            Some(text) if text.place == place && text.span.end == span.start => Some(Text {
                place,
                span: Span {
                    start: text.span.start,
                    end: span.end,
                },
            }),
            _ => {
                self.end_run(run, out);
                Some(Text { place, span })
            }
        }
    }

    fn end_run<'a>(&'a self, run: Run, out: &mut impl Sink<'a>) {
        if let Some(text) = run {
            out.piece(self.bytes_of(text.place, text.span));
        }
    }
}

/// A message that can be given to a [`Sink`].
pub(crate) trait Wire {
    fn pieces<'a>(&'a self, out: &mut impl Sink<'a>);

    fn length(&self) -> usize {
        let mut length = 0;
        self.pieces(&mut length);
        length
    }

    fn copy(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.length());
        self.pieces(&mut out);
        Bytes::from(out)
    }
}
