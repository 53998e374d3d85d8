//! Telling the connection apart from the request, so that `ct` and `rt` each bound their own part.
//!
//! The HTTP client connects inside of the request's future. A layer around its connector sees
//! where the connection begins and ends, and reports it to the request through a task-local.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

tokio::task_local! {
    static PROGRESS: Progress;
}

/// Bounds and reports the connection of the request that runs in this task.
#[derive(Clone)]
struct Progress {
    connect: Duration,
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    Connecting,
    /// Sent, or being sent; the first byte is awaited.
    Reading,
}

/// The connection was not there in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection took too long")]
pub(super) struct ConnectTimedOut;

/// The first byte was not there in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTimedOut;

/// Runs a request: at most `connect` for its connection, if it makes one, and then at most `read`
/// for the head of its response.
pub(super) async fn bounded<F: Future>(
    connect: Duration,
    read: Duration,
    request: F,
) -> Result<F::Output, ReadTimedOut> {
    let (phase, mut changes) = watch::channel(Phase::Reading);
    let request = PROGRESS.scope(Progress { connect, phase }, request);
    tokio::pin!(request);
    loop {
        let now = *changes.borrow_and_update();
        let wait = match now {
            // The layer ends it; this is only the bound on the layer.
            Phase::Connecting => connect + read,
            Phase::Reading => read,
        };
        tokio::select! {
            biased;
            output = &mut request => return Ok(output),
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(wait) => return Err(ReadTimedOut),
        }
    }
}

/// The layer around the connector.
#[derive(Clone, Copy)]
pub(super) struct ConnectLayer;

/// The connector with its bound.
#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
}

impl<S> Layer<S> for ConnectLayer {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner }
    }
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let connecting = self.inner.call(destination);
        let Ok(progress) = PROGRESS.try_with(Clone::clone) else {
            return Box::pin(connecting);
        };
        progress.phase.send_replace(Phase::Connecting);
        Box::pin(async move {
            let connected = tokio::time::timeout(progress.connect, connecting).await;
            progress.phase.send_replace(Phase::Reading);
            connected.unwrap_or_else(|_| Err(ConnectTimedOut.into()))
        })
    }
}
