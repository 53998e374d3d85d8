//! A bound on the requests to one host, so that a slow customer cannot starve the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts the requests to each host.
#[derive(Clone)]
pub(super) struct Gate {
    hosts: Arc<Mutex<HashMap<String, Arc<Host>>>>,
    /// Requests at a time to one host.
    running_max: usize,
    /// Requests that wait for one host.
    waiting_max: usize,
}

struct Host {
    permits: Arc<Semaphore>,
    /// Requests that run or wait.
    admitted: Arc<Semaphore>,
}

/// A place; dropping it gives it back.
pub(super) struct Place {
    _admitted: OwnedSemaphorePermit,
    _permit: OwnedSemaphorePermit,
}

/// Too many requests to the host wait already.
pub(super) struct Full;

impl Gate {
    pub(super) fn new(running_max: usize, waiting_max: usize) -> Self {
        Self {
            hosts: Arc::default(),
            running_max: running_max.max(1),
            waiting_max,
        }
    }

    /// Waits for a place; the caller's deadline bounds the wait.
    pub(super) async fn enter(&self, host: &str) -> Result<Place, Full> {
        let host = self.host(host);
        let admitted = Arc::clone(&host.admitted)
            .try_acquire_owned()
            .map_err(|_| Full)?;
        let permit = Arc::clone(&host.permits)
            .acquire_owned()
            .await
            .map_err(|_| Full)?;
        Ok(Place {
            _admitted: admitted,
            _permit: permit,
        })
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(name) {
            // Hosts that nobody uses are forgotten.
            hosts.retain(|_, host| {
                Arc::strong_count(host) > 1 || host.permits.available_permits() < self.running_max
            });
        }
        let new_host = || {
            Arc::new(Host {
                permits: Arc::new(Semaphore::new(self.running_max)),
                admitted: Arc::new(Semaphore::new(self.running_max + self.waiting_max)),
            })
        };
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(new_host))
    }
}

/// More hosts at a time than a node has calls; the map is swept when it is reached.
const HOSTS_MAX: usize = 10_000;
