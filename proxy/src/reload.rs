//! SIGHUP: the file is read again, and takes the place of the old one only if it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use executor::{Domain, Domains};

use crate::config::{Errors, Loader, Settings, load};
use crate::executor_role;
use crate::owners::{Inbound, Owners};
use crate::plan::Listener;

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
                        for key in read_at_start_only(&settings.load(), &new) {
                            tracing::warn!(key, "changed, but read at the start only: restart");
                        }
                        let plan = new.plan.clone();
                        // The executor first: what is routed to it finds its domain there.
                        if let Some(domains) = &domains {
                            domains.replace(own_domains);
                        }
                        settings.store(Arc::new(new));
                        owners.tell_all(|| Inbound::Plan(plan.clone())).await;
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

/// The keys that differ between two files and that a reload does not reach.
fn read_at_start_only(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (server, limits) = ((&old.server, &new.server), (&old.limits, &new.limits));
    let (timers, sockets) = (
        (old.plan.timers, new.plan.timers),
        (&old.plan.listeners, &new.plan.listeners),
    );
    let buffers = |listeners: &[Listener]| -> Vec<usize> {
        listeners
            .iter()
            .map(|listener| listener.recv_buffer)
            .collect()
    };
    let compared = [
        ("server.workers", server.0.workers == server.1.workers),
        (
            "server.console_password",
            server.0.console_password == server.1.console_password,
        ),
        ("server.log", server.0.log == server.1.log),
        (
            "server.log_format",
            server.0.log_format == server.1.log_format,
        ),
        ("timers.t1", timers.0.t1 == timers.1.t1),
        ("timers.t2", timers.0.t2 == timers.1.t2),
        ("timers.t4", timers.0.t4 == timers.1.t4),
        // Every worker reads the new ones; connections and the executor keep those of the start.
        (
            "limits of messages, over TCP and in the executor",
            old.plan.message_limits == new.plan.message_limits,
        ),
        (
            "limits.transactions",
            limits.0.transactions == limits.1.transactions,
        ),
        (
            "limits.connections",
            limits.0.connections == limits.1.connections,
        ),
        (
            "limits.connections_per_ip",
            limits.0.connections_per_ip == limits.1.connections_per_ip,
        ),
        (
            "listen.recv_buffer",
            buffers(sockets.0) == buffers(sockets.1),
        ),
    ];
    let differs = compared.into_iter().filter(|(_, same)| !same);
    differs.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, timers: &str) -> Settings {
        with_limits(server, timers, "")
    }

    fn with_limits(server: &str, timers: &str, limits: &str) -> Settings {
        let loader = Loader {
            registry: Arc::new(filters::Registry::builtin()),
            counters: Arc::default(),
            entropy: [1; 32],
        };
        let text = format!(
            "[server]\n{server}\n[timers]\n{timers}\n[limits]\n{limits}\n[[listen]]\nname = \"a\"\nsocket = \"udp:127.0.0.1:5060\"\nchain = \"c\"\n\
             [[chain]]\nname = \"c\"\n"
        );
        loader
            .parse("test.toml", &text)
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn what_a_reload_does_not_reach_is_told() {
        let old = settings("", "");
        assert!(
            read_at_start_only(&old, &settings("node = \"b\"", "fr_timer = \"1s\"")).is_empty()
        );
        let new = settings("workers = 3\nlog = \"debug\"", "t1 = \"100ms\"");
        assert_eq!(
            read_at_start_only(&old, &new),
            ["server.workers", "server.log", "timers.t1"]
        );
        let new = with_limits("", "", "body_bytes = 100\nconnections = 9");
        let told = read_at_start_only(&old, &new);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("limits of messages") && told[1] == "limits.connections");
    }
}
