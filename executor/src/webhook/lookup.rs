//! Looking host names up, so that the slow names of one customer do not hold up those of the others.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Looks names up; a test puts its own in place.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of a name.
    fn lookup(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's resolver. It blocks a thread for as long as a name server lets it wait, whoever still wants
/// to know: so a name is asked for once at a time, and only so many names are.
#[derive(Clone)]
pub struct SystemLookup(Arc<Inner>);

struct Inner {
    resolve: Box<Resolve>,
    /// What is being looked up, by name; at most [`NAMES_MAX`].
    running: Mutex<HashMap<String, Answers>>,
}

/// No more names can be looked up now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many names are being looked up")]
pub(super) struct TooManyNames;

type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Answer = Result<Vec<IpAddr>, Arc<io::Error>>;
type Answers = watch::Receiver<Option<Answer>>;

/// A name that is being looked up; it is forgotten with this.
struct Running {
    inner: Arc<Inner>,
    name: String,
    tell: watch::Sender<Option<Answer>>,
}

impl SystemLookup {
    /// A resolver that nothing is asked of yet.
    pub fn new() -> Self {
        Self::with(resolve)
    }

    fn with(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            resolve: Box::new(resolve),
            running: Mutex::default(),
        }))
    }

    /// Joins those who ask for a name, or begins to ask.
    fn join(&self, name: &str) -> io::Result<Answers> {
        let mut running = self.0.running();
        if let Some(answers) = running.get(name) {
            return Ok(answers.clone());
        }
        if running.len() >= NAMES_MAX {
            return Err(io::Error::other(TooManyNames));
        }
        let (tell, answers) = watch::channel(None);
        running.insert(name.to_owned(), answers.clone());
        drop(running);
        let asked = Running {
            inner: Arc::clone(&self.0),
            name: name.to_owned(),
            tell,
        };
        tokio::task::spawn_blocking(move || asked.run());
        Ok(answers)
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<String, Answers>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn run(self) {
        let answer = (self.inner.resolve)(&self.name).map_err(Arc::new);
        // The next to ask gets an answer of its own.
        self.inner.running().remove(&self.name);
        self.tell.send_replace(Some(answer));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.inner.running();
        // Another one may be under way by now.
        let own = |answers: &Answers| answers.same_channel(&self.tell.subscribe());
        if running.get(&self.name).is_some_and(own) {
            running.remove(&self.name);
        }
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let joined = self.join(name);
        Box::pin(async move {
            let mut answers = joined?;
            let answer = answers.wait_for(Option::is_some).await;
            let answer = answer.ok().and_then(|answer| answer.clone());
            match answer {
                Some(Ok(addresses)) => Ok(addresses),
                Some(Err(error)) => Err(io::Error::new(error.kind(), error)),
                None => Err(io::Error::other("the name could not be looked up")),
            }
        })
    }
}

impl Default for SystemLookup {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SystemLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemLookup(…)")
    }
}

/// Blocks.
fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    let addresses = (name, 0).to_socket_addrs()?;
    Ok(addresses
        .map(|address| address.ip())
        .take(ADDRESSES_MAX)
        .collect())
}

const ADDRESSES_MAX: usize = 64;
/// A quarter of the threads that a runtime has for what blocks.
const NAMES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const FOUND: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_slow_name_takes_one_place_however_often_it_is_asked_for() {
        let (answer, answers) = mpsc::channel::<()>();
        let (asked, answers) = (Arc::new(AtomicUsize::new(0)), Mutex::new(answers));
        let counted = Arc::clone(&asked);
        let lookup = SystemLookup::with(move |name| {
            if name.starts_with("slow") {
                counted.fetch_add(1, Ordering::SeqCst);
                answers.lock().unwrap().recv().unwrap_err();
            }
            Ok(vec![FOUND])
        });
        // Whoever gives up does not end it; whoever comes later joins.
        for _ in 0..1000 {
            drop(lookup.lookup("slow"));
        }
        let waiting = lookup.lookup("slow");
        assert_eq!(lookup.lookup("quick").await.unwrap(), [FOUND]);
        let others: Vec<_> = (1..NAMES_MAX)
            .map(|number| lookup.lookup(&format!("slow-{number}")))
            .collect();
        assert_eq!(lookup.0.running().len(), NAMES_MAX);
        let refused = lookup.lookup("quick").await.unwrap_err();
        assert_eq!(refused.to_string(), "too many names are being looked up");
        drop((answer, others));
        assert_eq!(waiting.await.unwrap(), [FOUND]);
        while !lookup.0.running().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(lookup.lookup("quick").await.unwrap(), [FOUND]);
        assert_eq!(asked.load(Ordering::SeqCst), NAMES_MAX);
    }

    #[tokio::test]
    async fn errors_keep_their_kind_and_their_words_and_a_panic_is_one() {
        let lookup = SystemLookup::with(|name| {
            assert_ne!(name, "broken", "broken");
            Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"))
        });
        for _ in 0..2 {
            let error = lookup.lookup("name").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "no answer");
            assert!(lookup.lookup("broken").await.is_err());
        }
    }
}
