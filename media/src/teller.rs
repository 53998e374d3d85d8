//! Telling sinks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Event, Sink};

/// A sink that a media thread and the thread that writes files both tell.
#[derive(Clone)]
pub(crate) struct Teller(Arc<Mutex<Box<dyn Sink>>>);

impl Teller {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }

    /// A sink that panics costs its event, not the calls of its thread.
    pub(crate) fn tell(&self, event: Event) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sink.event(event);
        }));
        if told.is_err() {
            tracing::error!("a sink of media events has panicked");
        }
    }
}
