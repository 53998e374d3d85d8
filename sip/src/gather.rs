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

impl Headers {
    /// Gives the header section, the empty line and the body to `out`; `run` is an untouched start
    /// line, which the first row may continue, or empty.
    #[inline]
    pub(crate) fn gather<'a>(&'a self, run: Span, out: &mut impl Sink<'a>) {
        let mut run = Text {
            place: Place::Buffer,
            span: run,
        };
        for row in self.rows.iter() {
            if row.place == run.place && row.line.start == run.span.end {
                run.span.end = row.line.end;
                continue;
            }
            self.end_run(run, out);
            run = Text {
                place: row.place,
                span: row.line,
            };
        }
        match &self.body {
            None if self.tail.end > self.tail.start => {
                if run.place == Place::Buffer && run.span.end == self.tail.start {
                    run.span.end = self.tail.end;
                    return self.end_run(run, out);
                }
                self.end_run(run, out);
                out.piece(self.tail.of(&self.buffer));
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

    #[inline]
    fn end_run<'a>(&'a self, run: Text, out: &mut impl Sink<'a>) {
        if run.span.end > run.span.start {
            out.piece(self.bytes_of(run.place, run.span));
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
        let mut pieces = Slices::new();
        self.pieces(&mut pieces);
        Bytes::from(pieces.concat())
    }
}
