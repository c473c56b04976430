//! The domain's store and those who watch it: a change is told of before there can be another.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use domain::{Event, Op, Ran};

/// Who is told of every event. It must not wait, nor ask the store: the store waits meanwhile.
pub trait Watcher: Send + Sync {
    /// Something has happened.
    fn tell(&self, event: &Event);
}

/// Those who watch, as long as somebody else has them too. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Watchers(Arc<Mutex<Vec<Weak<dyn Watcher>>>>);

impl Watchers {
    /// One more is told of whatever happens from now on.
    pub(super) fn add(&self, watcher: Weak<dyn Watcher>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }

    fn tell(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|watcher| {
            let watcher = watcher.upgrade();
            if let Some(watcher) = &watcher {
                watcher.tell(event);
            }
            watcher.is_some()
        });
    }
}

/// The keys, in one hand. Whoever has it may change them; nobody else can look meanwhile.
pub(super) struct Keys {
    /// Decides what happens.
    store: domain::Store,
    /// Are told of it.
    watchers: Watchers,
}

impl Keys {
    /// No keys yet.
    pub(super) fn new(watchers: Watchers) -> Self {
        Self { store: domain::Store::default(), watchers }
    }

    /// Does one operation after the other, for one turn.
    pub(super) fn run(&mut self, ops: VecDeque<Op>) -> Ran {
        self.store.run(Instant::now(), ops, |event| self.watchers.tell(&event))
    }

    /// Removes what is due; the rest of it when [`Keys::next_deadline`] is in the past.
    pub(super) fn expire(&mut self) {
        self.store.expire(Instant::now()).iter().for_each(|event| self.watchers.tell(event));
    }

    /// When [`Keys::expire`] should be called next; `None` as long as no key has a deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.store.next_deadline()
    }
}
