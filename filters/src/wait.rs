//! Waiting for something outside, without blocking the worker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sip::Request;

use crate::{Context, Flow};

/// Parks an exchange until a future is ready.
///
/// The pipeline polls the future, bounds it and drops it when the caller gives up. When the time is
/// over the request is refused: a filter that waits never fails open.
pub struct Wait {
    /// Ready with what is to be done then.
    pub future: Pin<Box<dyn Future<Output = Resume> + Send>>,
    /// The longest wait.
    pub timeout: Duration,
}

/// The rest of the hook that waited; runs with the request again in its hands.
pub type Resume = Box<dyn FnOnce(&mut Request, &mut Context) -> Flow + Send>;

impl Wait {
    /// Waits for `future`, at most for `timeout`.
    pub fn new(timeout: Duration, future: impl Future<Output = Resume> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            timeout,
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
