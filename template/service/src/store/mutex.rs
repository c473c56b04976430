//! The store behind a lock: callers take turns at a `std::sync::Mutex`, and never wait while they hold it.
//!
//! The least that works: every operation is short and pure. A task of its own removes what expires.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use domain::{Change, Condition, Event, Found, Key, Op, Page, Ran, Revision, Write, Written};
use tokio::{
    sync::{Notify, broadcast},
    time,
};

use super::{Keys, StoreError};
use crate::lifecycle::{Phases, Supervisor};

/// How a store is set up.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    events: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { events: 1024 }
    }
}

impl Options {
    /// How many events a watcher may be behind before it misses some.
    #[must_use]
    pub const fn events(self, events: usize) -> Self {
        Self { events }
    }
}

/// A handle to the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The keys, for one caller at a time.
    keys: Mutex<Keys>,
    /// The same that the keys tell of changes: to subscribe needs no turn at them.
    events: broadcast::Sender<Event>,
    /// Wakes the task that removes what expires: the soonest deadline has changed.
    deadline_moved: Notify,
}

#[expect(clippy::unused_async, reason = "callers must not have to know whether the store makes them wait")]
impl Store {
    /// Starts the task that removes what expires. It works until the service has stopped.
    ///
    /// # Panics
    /// When an option is zero.
    #[must_use]
    pub fn start(options: Options, supervisor: &Supervisor, phases: Phases) -> Self {
        let events = broadcast::Sender::new(options.events);
        let keys = Mutex::new(Keys::new(events.clone()));
        let shared = Arc::new(Shared { keys, events, deadline_moved: Notify::new() });
        supervisor.spawn("store expiry", expire(Arc::clone(&shared), phases));
        Self(shared)
    }

    /// The events from now on. A receiver that falls behind misses the oldest, and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn get(&self, key: &Key) -> Result<Option<Found>, StoreError> {
        Ok(self.0.lock()?.get(key))
    }

    /// Stores a copy of `value`: a slice of a connection's read buffer would keep the whole buffer alive.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] and [`StoreError::Stopped`]; then nothing has changed.
    ///
    /// # Cancel safety
    /// There is no `.await` to be dropped at: it happens when it is first polled.
    pub async fn put(
        &self,
        key: Key,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<Written, StoreError> {
        let write = Write::new(key, value, ttl, condition);
        Ok(self.0.change(|keys| keys.put(write))??)
    }

    /// Deletes a key, and gives the revision of that; `None` when the key is not there.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] and [`StoreError::Stopped`]; then nothing has changed.
    ///
    /// # Cancel safety
    /// As [`Store::put`].
    pub async fn delete(&self, key: &Key, condition: Condition) -> Result<Option<Revision>, StoreError> {
        Ok(self.0.change(|keys| keys.delete(key, &condition))??)
    }

    /// The first `limit` keys that begin with `prefix`, in key order.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn list(&self, prefix: String, limit: usize) -> Result<Page, StoreError> {
        Ok(self.0.lock()?.list(&prefix, limit))
    }

    //{% if compute %}
    /// Up to `limit` keys that begin with `prefix` with their values, in key order: from the first on, or from the one
    /// that follows `after`. Others wait meanwhile, so it is up to the caller to keep the number within bounds.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn entries(
        &self,
        prefix: String,
        after: Option<Key>,
        limit: usize,
    ) -> Result<domain::Entries, StoreError> {
        Ok(self.0.lock()?.entries(&prefix, after.as_ref(), limit))
    }

    //{% endif %}
    /// What became of a key since `after`, at this moment. [`Store::changed`] waits for it.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn changed_since(&self, key: &Key, after: Revision) -> Result<Change, StoreError> {
        Ok(self.0.lock()?.changed_since(key, after))
    }

    /// Does many operations at once, in order and with nothing of anyone else's between them. What would keep others
    /// waiting too long, or find too many bytes, is left for another call: see [`Ran`].
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// As [`Store::put`], for all of them together.
    pub async fn run(&self, ops: VecDeque<Op>) -> Result<Ran, StoreError> {
        self.0.change(|keys| keys.run(ops))
    }
}

impl Shared {
    /// Takes the lock. A panic under it has left something half done: nobody may see that.
    fn lock(&self) -> Result<MutexGuard<'_, Keys>, StoreError> {
        self.keys.lock().map_err(|_| {
            self.deadline_moved.notify_one(); // the expiry task ends, and with it the service
            StoreError::Stopped
        })
    }

    /// Changes the keys. They tell of it before the lock is given back, or events could overtake each other.
    fn change<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> Result<T, StoreError> {
        let mut keys = self.lock()?;
        let before = keys.next_deadline();
        let result = change(&mut keys);
        if keys.next_deadline() != before {
            self.deadline_moved.notify_one();
        }
        Ok(result)
    }
}

/// Removes what expires, until the service has stopped. It ends early, which stops the service, when the store is
/// poisoned.
async fn expire(shared: Arc<Shared>, phases: Phases) {
    let mut stopped = std::pin::pin!(phases.stopped());
    loop {
        let Ok(deadline) = shared.lock().map(|keys| keys.next_deadline()) else {
            return;
        };
        tokio::select! {
            () = shared.deadline_moved.notified() => {}
            () = reached(deadline) => {
                if shared.change(Keys::expire).is_err() {
                    return;
                }
            }
            () = &mut stopped => return,
        }
    }
}

/// Resolves at `deadline`; never, if there is none.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::spawn_blocking;

    use super::*;
    use crate::lifecycle::{self, Phase};

    #[tokio::test]
    async fn a_panic_under_the_lock_stops_the_service() {
        let (control, phases) = lifecycle::channel();
        control.advance(Phase::Ready);
        let supervisor = Supervisor::new(phases.clone());
        let store = Store::start(Options::default(), &supervisor, phases);
        let key = Key::try_from("k").unwrap();

        let shared = Arc::clone(&store.0);
        let panicking = spawn_blocking(move || shared.change::<()>(|_| panic!("a bug, half-way through")));
        assert!(panicking.await.is_err());
        assert_eq!(store.get(&key).await, Err(StoreError::Stopped));
        assert_eq!(supervisor.failed().await, "store expiry");
    }
}
