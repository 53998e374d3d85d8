//! The end of the process: SIGTERM lets what has begun come to its end, SIGINT does not wait.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc};
use transport::Streams;

use crate::executor_role;
use crate::lifecycle::{Lifecycle, Phase};

/// Tells the roles to end, in the order in which they need each other, and pingora last: its
/// runtimes carry the connections.
pub(crate) struct Shutdown {
    lifecycle: Arc<Lifecycle>,
    streams: Arc<Streams>,
    roles: Mutex<Option<Roles>>,
}

/// What has to end.
struct Roles {
    executor: Option<executor_role::Role>,
    /// Closed once the last worker has ended.
    workers: mpsc::Receiver<()>,
}

impl Shutdown {
    /// The end of `executor` and of the workers, which hold the other end of `workers`.
    pub(crate) fn new(
        lifecycle: Arc<Lifecycle>,
        executor: Option<executor_role::Role>,
        workers: mpsc::Receiver<()>,
        streams: Arc<Streams>,
    ) -> Self {
        Self {
            lifecycle,
            streams,
            roles: Mutex::new(Some(Roles { executor, workers })),
        }
    }

    /// Calls of the executor end first, for their BYEs go through the proxy; then the workers.
    async fn drain(&self, mut roles: Roles) {
        self.lifecycle.advance(Phase::Draining);
        let hung_up =
            tokio::task::spawn_blocking(move || executor_role::stop(roles.executor.take()));
        if hung_up.await.is_err() {
            tracing::error!("the executor could not be waited for");
        }
        self.lifecycle.advance(Phase::Ending);
        while roles.workers.recv().await.is_some() {}
    }
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut terminate = listen(SignalKind::terminate());
        let mut interrupt = listen(SignalKind::interrupt());
        self.lifecycle.begun();
        let gently = tokio::select! {
            () = heard(&mut terminate) => true,
            () = heard(&mut interrupt) => false,
        };
        let roles = self.roles.lock().await.take();
        if let Some(roles) = roles.filter(|_| gently) {
            tracing::info!(
                seconds = DRAIN.as_secs(),
                "draining: new calls are refused, what has begun goes on"
            );
            tokio::select! {
                () = self.drain(roles) => tracing::info!("drained"),
                () = tokio::time::sleep(DRAIN) => tracing::warn!("not drained in time"),
                () = heard(&mut terminate) => tracing::warn!("told again: not waiting"),
                () = heard(&mut interrupt) => tracing::warn!("interrupted: not waiting"),
            }
        }
        self.lifecycle.advance(Phase::Now);
        // The last responses are written before their connections end.
        self.streams.close_all();
        tokio::time::sleep(FLUSH).await;
        ShutdownSignal::FastShutdown
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "a signal cannot be heard"))
        .ok()
}

/// Waits for a signal; for ever where it cannot be heard.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The longest wait: 64·T1 (RFC 3261 §17) for the executor's calls, and for what follows from that.
const DRAIN: Duration = Duration::from_secs(40);
/// Time for the last bytes.
const FLUSH: Duration = Duration::from_millis(100);
