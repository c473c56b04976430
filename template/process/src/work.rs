//! The names of what is going on, so that the end can say who is still there.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What a task or a piece of work is called in logs: its interface and route, or what it owns.
pub type Name = Cow<'static, str>;

/// What is going on, by the order in which it began.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<Entries>>);

/// The entries of [`Names`].
#[derive(Debug, Default)]
struct Entries {
    /// The number that the next entry gets.
    next: u64,
    /// What has begun and not ended.
    names: BTreeMap<u64, Name>,
}

impl Names {
    /// Something has begun; it ends when the guard is dropped.
    #[must_use]
    pub fn enter(&self, name: Name) -> Work {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = entries.next;
        entries.next += 1;
        entries.names.insert(id, name);
        Work { id, names: self.clone() }
    }

    /// What has begun and not ended, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Name> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.values().cloned().collect()
    }
}

/// A piece of work that has begun. It ends by being dropped.
#[derive(Debug)]
pub struct Work {
    /// Its place among the others.
    id: u64,
    /// Where it is crossed out.
    names: Names,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.names.0.lock().unwrap_or_else(PoisonError::into_inner).names.remove(&self.id);
    }
}
