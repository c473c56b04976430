//! The store behind a lock: threads take turns at a `std::sync::Mutex`. A thread of its own removes what expires.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, Weak},
    time::Instant,
};

use domain::{Op, Ran};

use super::{Keys, StoreError, Watcher, keys::Watchers};
use crate::lifecycle::Supervisor;

/// How a store is set up. There is nothing to choose here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options(());

/// A handle to the store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    /// The keys, for one caller at a time.
    keys: Mutex<Keys>,
    /// The same that the keys tell of changes: to watch needs no turn at them.
    watchers: Watchers,
    /// The soonest deadline has changed.
    deadline_moved: Condvar,
}

impl Store {
    /// Starts the thread that removes what expires.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(_: Options, supervisor: &Supervisor) -> io::Result<Self> {
        let watchers = Watchers::default();
        let keys = Mutex::new(Keys::new(watchers.clone()));
        let shared = Arc::new(Shared { keys, watchers, deadline_moved: Condvar::new() });
        let expiry = Arc::clone(&shared);
        supervisor.spawn("store expiry", move || expire(&expiry))?;
        Ok(Self(shared))
    }

    /// Tells `watcher` of every event from now on.
    pub fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.0.watchers.add(watcher);
    }

    /// Does many operations at once on behalf of a connection, in order and with nothing of anyone else's between them.
    /// What would keep others waiting too long, or find too many bytes, is left for another call: see [`Ran`].
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    pub fn run(&self, id: u64, ops: VecDeque<Op>) -> Result<Ran, StoreError> {
        // A panic under the lock has left something half done: nobody may see that.
        let mut keys = self.0.keys.lock().map_err(|_| self.0.stopped())?;
        let before = keys.next_deadline();
        tracing::debug!(id, operations = ops.len(), "done by the store");
        let ran = keys.run(ops);
        if keys.next_deadline() != before {
            self.0.deadline_moved.notify_one();
        }
        Ok(ran)
    }
}

impl Shared {
    /// The expiry thread ends, and with it the service.
    fn stopped(&self) -> StoreError {
        self.deadline_moved.notify_one();
        StoreError::Stopped
    }
}

/// Removes what expires, until the process ends. It ends early, which stops the service, when the store is poisoned.
fn expire(shared: &Shared) {
    let Ok(mut keys) = shared.keys.lock() else { return };
    loop {
        let turn = match keys.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => shared.deadline_moved.wait(keys).ok(),
            Some(left) if left.is_zero() => {
                keys.expire();
                // Others have their turn before the rest of it.
                drop(keys);
                shared.keys.lock().ok()
            }
            Some(left) => shared.deadline_moved.wait_timeout(keys, left).ok().map(|(keys, _)| keys),
        };
        match turn {
            Some(turn) => keys = turn,
            None => return,
        }
    }
}
