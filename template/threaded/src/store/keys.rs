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
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.len() == watchers.capacity() {
            // Those who have gone are noticed by the next event, but that may never come.
            watchers.retain(|watcher| watcher.strong_count() > 0);
            // At least as many come before this is done again.
            let count = watchers.len();
            watchers.reserve(count + 1);
        }
        watchers.push(watcher);
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Watcher for Deaf {
        fn tell(&self, _: &Event) {}
    }

    #[test]
    fn those_who_have_gone_take_no_memory_though_nothing_happens() {
        let (watchers, stays) = (Watchers::default(), Arc::new(Deaf));
        watchers.add(Arc::downgrade(&stays) as Weak<_>);
        for _ in 0..1000 {
            watchers.add(Arc::downgrade(&Arc::new(Deaf)) as Weak<_>);
        }
        let watchers = watchers.0.lock().unwrap();
        assert!(watchers.len() < 10 && watchers[0].strong_count() == 1, "{}", watchers.len());
    }
}
