//! A task that ends with its owner.

use std::future::Future;
use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::gauges::{Gauges, Held};

/// A running future that is dropped when this is.
#[derive(Debug)]
pub(crate) struct Task(Option<AbortHandle>);

impl Task {
    pub(crate) fn spawn<F>(gauges: &Arc<Gauges>, future: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let held = Held::new(gauges, |gauges| &gauges.tasks, 1);
        let task = tokio::spawn(async move {
            let _held = held;
            future.await;
        });
        Self(Some(task.abort_handle()))
    }

    /// Lets it run to its end without an owner.
    pub(crate) fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
