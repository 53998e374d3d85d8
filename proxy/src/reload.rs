//! SIGHUP: the file is read again, and takes the place of the old one only if it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use executor::{Domain, Domains};

use crate::config::{Errors, Loader, Settings, load};
use crate::executor_role;
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
    domains: Option<Domains>,
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
                match read_again(&path, &loader, &settings.load()) {
                    Ok((new, own_domains)) => {
                        let plan = new.plan.clone();
                        // The executor first: what is routed to it finds its domain there.
                        if let Some(domains) = &domains {
                            domains.replace(own_domains);
                        }
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

/// The file as it is now, and the domains of this process's executor in it.
fn read_again(
    path: &Path,
    loader: &Loader,
    old: &Settings,
) -> Result<(Settings, Vec<Domain>), Errors> {
    let new = load(path, loader)?;
    let sockets = |settings: &Settings| {
        let listeners = settings.plan.listeners.iter();
        listeners
            .map(|listener| (listener.name.clone(), listener.transport, listener.bind))
            .collect::<Vec<_>>()
    };
    if sockets(old) != sockets(&new) || old.server.console != new.server.console {
        return Err(Errors::one(
            "listen",
            "sockets have changed: restart to bind them",
        ));
    }
    if old.executor != new.executor {
        return Err(Errors::one(
            "executor",
            "this section is read at the start only: restart",
        ));
    }
    let domains = executor_role::domains(&new).map_err(|error| Errors::one("domain", &error))?;
    Ok((new, domains))
}
