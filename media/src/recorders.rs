//! The recordings of a session or a room that go on.

use crate::desk::Desk;
use crate::recorder::Recorder;
use crate::teller::Teller;
use crate::{RecordId, RecordReason, RecordSpec};

/// Recordings, of which there are a few at most.
pub(crate) struct Recorders {
    list: Vec<Recorder>,
    most: usize,
}

impl Recorders {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            list: Vec::new(),
            most,
        }
    }

    /// Begins one, whose beep is still to be heard if it has one. `false`: there are too many, and
    /// it has ended already.
    pub(crate) fn add(
        &mut self,
        id: RecordId,
        spec: Box<RecordSpec>,
        teller: Teller,
        desk: &mut Desk,
    ) -> bool {
        let file = desk.links.writer.key();
        let recorder = Recorder::new(id, spec, file, teller, &mut desk.outbox);
        if self.list.len() >= self.most {
            let why = RecordReason::Failed("too many recordings at once".to_owned());
            recorder.end(why, &mut desk.outbox);
            return false;
        }
        self.list.push(recorder);
        true
    }

    /// The beep of one is over.
    pub(crate) fn begin(&mut self, id: RecordId) {
        let found = self.list.iter_mut().find(|recorder| recorder.id == id);
        if let Some(recorder) = found {
            recorder.begin();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether what the peer says is in any, and whether what it hears is.
    pub(crate) fn tracks(&self) -> (bool, bool) {
        let both = |(one, other), recorder: &Recorder| {
            let (heard, said) = recorder.tracks();
            (one || heard, other || said)
        };
        self.list.iter().fold((false, false), both)
    }

    /// One tick, at 8 kHz; those that have come to their end by it are completed.
    pub(crate) fn frame(&mut self, heard: &[i16], said: &[i16], desk: &mut Desk) {
        let mut at = 0;
        while let Some(recorder) = self.list.get_mut(at) {
            match recorder.frame(heard, said, &mut desk.outbox) {
                Some(reason) => self.list.remove(at).end(reason, &mut desk.outbox),
                None => at += 1,
            }
        }
    }

    /// Ends those for which there is a reason.
    pub(crate) fn end(
        &mut self,
        desk: &mut Desk,
        reason: impl Fn(&Recorder) -> Option<RecordReason>,
    ) {
        let mut at = 0;
        while let Some(recorder) = self.list.get(at) {
            match reason(recorder) {
                Some(reason) => self.list.remove(at).end(reason, &mut desk.outbox),
                None => at += 1,
            }
        }
    }

    /// Ends the one that was told to stop.
    pub(crate) fn stop(&mut self, id: RecordId, desk: &mut Desk) {
        self.end(desk, |recorder| {
            (recorder.id == id).then_some(RecordReason::Stopped)
        });
    }

    /// Ends all, with the session or the room.
    pub(crate) fn close(&mut self, desk: &mut Desk) {
        self.end(desk, |_| Some(RecordReason::HungUp));
    }
}
