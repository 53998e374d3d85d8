//! SIGHUP: the file is read again, and takes the place of the old one only if it is whole.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::{Loader, Settings, load};
use crate::worker::{Inbound, Owners};

/// Reads the file again at every SIGHUP, on a thread of its own.
///
/// # Errors
///
/// Where the system gives no thread.
pub(crate) fn on_hangup(
    path: PathBuf,
    loader: Loader,
    settings: Arc<ArcSwap<Settings>>,
    owners: Owners,
) -> std::io::Result<()> {
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            return;
        };
        runtime.block_on(async move {
            let hangup = tokio::signal::unix::SignalKind::hangup();
            let Ok(mut hangups) = tokio::signal::unix::signal(hangup) else {
                return tracing::error!("SIGHUP cannot be heard: no reload");
            };
            while hangups.recv().await.is_some() {
                match load(&path, &loader).and_then(|new| same_sockets(&settings.load(), new)) {
                    Ok(new) => {
                        let plan = new.plan.clone();
                        settings.store(Arc::new(new));
                        owners.tell_all(|| Inbound::Plan(plan.clone()));
                        tracing::info!(file = %path.display(), "configuration reloaded");
                    }
                    Err(errors) => {
                        tracing::error!(%errors, "configuration not reloaded; the old one stays in force");
                    }
                }
            }
        });
    };
    std::thread::Builder::new()
        .name("reload".to_owned())
        .spawn(body)
        .map(drop)
}

/// Sockets are bound once: a file with others needs a restart.
fn same_sockets(old: &Settings, new: Settings) -> Result<Settings, crate::config::Errors> {
    let sockets = |settings: &Settings| {
        settings
            .plan
            .listeners
            .iter()
            .map(|listener| (listener.name.clone(), listener.transport, listener.bind))
            .collect::<Vec<_>>()
    };
    if sockets(old) == sockets(&new) && old.server.console == new.server.console {
        return Ok(new);
    }
    Err(crate::config::Errors::one(
        "listen",
        "sockets have changed: restart to bind them",
    ))
}
