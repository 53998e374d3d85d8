//! A memory of what was made with effort, bounded by bytes, in which simultaneous requests for one
//! thing share its making.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::SoundError;

/// The memory; clones share it.
pub(super) struct Memo<K: Key, V: Clone>(Arc<Shared<K, V>>);

/// What can be asked for.
pub(super) trait Key: Clone + Eq + Hash + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Key for K {}

struct Shared<K: Key, V: Clone> {
    table: Mutex<Table<K, V>>,
    bytes_max: usize,
}

struct Table<K: Key, V: Clone> {
    kept: HashMap<K, Kept<V>>,
    /// The keys by their last use, the oldest first.
    used: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
    making: HashMap<K, Weak<Making<K, V>>>,
}

struct Kept<V> {
    value: V,
    bytes: usize,
    used: u64,
}

/// One making; it is given up when nobody waits for it any more.
struct Making<K: Key, V: Clone> {
    key: K,
    table: Weak<Shared<K, V>>,
    outcome: watch::Receiver<Option<Result<V, SoundError>>>,
    task: AbortHandle,
}

impl<K: Key, V: Clone + Send + Sync + 'static> Memo<K, V> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            table: Mutex::new(Table {
                kept: HashMap::new(),
                used: BTreeMap::new(),
                clock: 0,
                bytes: 0,
                making: HashMap::new(),
            }),
            bytes_max,
        }))
    }

    /// What is kept under a key; it becomes the last to be forgotten.
    pub(super) fn find(&self, key: &K) -> Option<V> {
        let mut guard = self.0.lock();
        let table = &mut *guard;
        let kept = table.kept.get_mut(key)?;
        table.clock += 1;
        let key = table.used.remove(&kept.used)?;
        kept.used = table.clock;
        table.used.insert(table.clock, key);
        Some(kept.value.clone())
    }

    /// Keeps a value; what was unused for longest makes place. A value that takes more than a
    /// quarter of all is not kept.
    pub(super) fn keep(&self, key: K, value: V, bytes: usize) {
        let bytes = bytes + ENTRY_BYTES;
        let mut guard = self.0.lock();
        let table = &mut *guard;
        table.forget(&key);
        if bytes > self.0.bytes_max / 4 {
            return;
        }
        while table.bytes + bytes > self.0.bytes_max {
            let Some(oldest) = table.used.values().next().cloned() else {
                break;
            };
            table.forget(&oldest);
        }
        table.clock += 1;
        let used = table.clock;
        table.bytes += bytes;
        table.used.insert(used, key.clone());
        table.kept.insert(key, Kept { value, bytes, used });
    }

    /// Makes a value, or waits for the one that is being made under this key. The making ends when
    /// the last who waits for it goes.
    pub(super) async fn share<F>(&self, key: K, make: impl FnOnce() -> F) -> Result<V, SoundError>
    where
        F: Future<Output = Result<V, SoundError>> + Send + 'static,
    {
        let making = self.join(key, make)?;
        let mut outcome = making.outcome.clone();
        let made = match outcome.wait_for(Option::is_some).await {
            Ok(made) => made.clone(),
            Err(_) => None,
        };
        made.unwrap_or_else(|| Err(SoundError::internal("the sound could not be made")))
    }

    fn join<F>(&self, key: K, make: impl FnOnce() -> F) -> Result<Arc<Making<K, V>>, SoundError>
    where
        F: Future<Output = Result<V, SoundError>> + Send + 'static,
    {
        let mut table = self.0.lock();
        if let Some(making) = table.making.get(&key).and_then(Weak::upgrade) {
            return Ok(making);
        }
        if table.making.len() >= MAKING_MAX {
            return Err(SoundError::internal("too many sounds are being made"));
        }
        let (tell, outcome) = watch::channel(None);
        let making = make();
        let task = tokio::spawn(async move {
            let made = making.await;
            // Without a listener the task was aborted already.
            tell.send(Some(made)).ok();
        });
        let making = Arc::new(Making {
            key: key.clone(),
            table: Arc::downgrade(&self.0),
            outcome,
            task: task.abort_handle(),
        });
        table.making.insert(key, Arc::downgrade(&making));
        Ok(making)
    }

    /// The bytes that are kept now.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

impl<K: Key, V: Clone> Shared<K, V> {
    fn lock(&self) -> MutexGuard<'_, Table<K, V>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, V: Clone> Table<K, V> {
    fn forget(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.used.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }
}

impl<K: Key, V: Clone> Drop for Making<K, V> {
    fn drop(&mut self) {
        self.task.abort();
        let Some(shared) = self.table.upgrade() else {
            return;
        };
        let mut table = shared.lock();
        // A later making may have taken the place.
        let gone = |making: &Weak<Self>| making.strong_count() == 0;
        if table.making.get(&self.key).is_some_and(gone) {
            table.making.remove(&self.key);
        }
    }
}

impl<K: Key, V: Clone> Clone for Memo<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What an entry costs besides its value: its key twice and the rows of the tables.
const ENTRY_BYTES: usize = 512;
/// More makings at a time than a node has calls that begin in the same second.
const MAKING_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_unused_for_longest_makes_place() {
        let memo = Memo::new(4 * (ENTRY_BYTES + 100));
        for key in 0..4 {
            memo.keep(key, key, 100);
        }
        assert_eq!(memo.find(&0), Some(0));
        memo.keep(4, 4, 100);
        assert_eq!((memo.find(&0), memo.find(&1)), (Some(0), None));
        memo.keep(0, 7, 10);
        assert_eq!(memo.find(&0), Some(7));
        assert_eq!(memo.bytes(), 4 * ENTRY_BYTES + 310);
        memo.keep(9, 9, 10_000);
        assert_eq!(memo.find(&9), None);
        assert!(memo.bytes() <= 4 * (ENTRY_BYTES + 100));
    }

    #[tokio::test]
    async fn simultaneous_requests_share_one_making() {
        let (memo, made) = (Memo::new(1000), Arc::new(AtomicUsize::new(0)));
        let ask = |wait: u64| {
            let (memo, made) = (memo.clone(), Arc::clone(&made));
            async move {
                memo.share("key", || async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    Ok(made.fetch_add(1, Ordering::SeqCst))
                })
                .await
            }
        };
        let (one, two, three) = tokio::join!(ask(20), ask(20), ask(20));
        assert_eq!((one, two, three), (Ok(0), Ok(0), Ok(0)));
        assert_eq!(ask(0).await, Ok(1));
    }

    #[tokio::test]
    async fn a_making_ends_with_the_last_who_waits() {
        struct Ended(Arc<AtomicUsize>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (memo, ended) = (Memo::<_, u8>::new(1000), Arc::new(AtomicUsize::new(0)));
        let waits = || {
            let ended = Ended(Arc::clone(&ended));
            memo.share("key", || async move {
                let _ended = ended;
                std::future::pending().await
            })
        };
        let moment = Duration::from_millis(20);
        {
            let first = waits();
            tokio::pin!(first);
            assert!(tokio::time::timeout(moment, &mut first).await.is_err());
            {
                let second = memo.share("key", || async { Ok(1) });
                assert!(tokio::time::timeout(moment, second).await.is_err());
            }
            assert_eq!(ended.load(Ordering::SeqCst), 0);
        }
        tokio::time::sleep(moment).await;
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        assert_eq!(memo.share("key", || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn a_making_that_panics_is_an_error() {
        let memo = Memo::<_, u8>::new(1000);
        let made = memo.share("key", || async { panic!("broken") }).await;
        assert!(made.is_err());
    }
}
