//! The store: keys, their values and deadlines, and the one counter that orders all changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Condition, Event, EventKind, Key, Mismatch};

/// A place in the order of all changes of a store. The first change is 1; 0 is before all of them.
pub type Revision = u64;

/// How many removed keys [`Store::changed_since`] can tell apart from keys that never were.
const REMEMBERED_REMOVALS: usize = 1024;

/// A time to live of a century or more is for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How many bytes of keys a page of a listing has at most, unless its first key alone is longer.
const PAGE_BYTES: usize = 1024 * 1024;

/// How many keys one [`Store::expire`] removes at most.
const EXPIRY_BATCH: usize = 256;

/// Values by key, with one revision counter for the whole store.
///
/// Every change takes the next revision: a put, a delete and an expiry alike. A key past its
/// deadline is never visible, even before [`Store::expire`] has removed it and made the event.
#[derive(Debug, Default)]
pub struct Store {
    /// Ordered, so that a prefix is a range.
    entries: BTreeMap<Key, Entry>,
    /// The keys that expire, soonest first.
    deadlines: BTreeSet<(Instant, Key)>,
    /// The latest revision that was taken.
    revision: Revision,
    /// The latest removals, oldest first.
    removals: VecDeque<(Revision, Key)>,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    revision: Revision,
    expires_at: Option<Instant>,
}

impl Entry {
    fn found(&self, now: Instant) -> Found {
        Found { value: self.value.clone(), revision: self.revision, expires_in: self.expires_in(now) }
    }

    fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(now))
    }

    fn is_live(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// A key that is there, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Shared with the store, not copied.
    pub value: Bytes,
    /// The put that stored this value.
    pub revision: Revision,
    /// The time left to live; `None` is for ever.
    pub expires_in: Option<Duration>,
}

/// What a put did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Whether the key was not there before.
    pub created: bool,
    /// The revision that the put took.
    pub revision: Revision,
    /// What others must be told, in order: the put, and before it the expiry of a predecessor
    /// that nobody had removed yet.
    pub events: Vec<Event>,
}

/// A key in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: Key,
    /// The put that stored its value.
    pub revision: Revision,
    /// The length of its value in bytes.
    pub size: usize,
    /// The time left to live; `None` is for ever.
    pub expires_in: Option<Duration>,
}

/// The beginning of a listing, in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The first keys, as many as were asked for.
    pub keys: Vec<Listed>,
    /// Whether there are keys beyond these.
    pub more: bool,
}

/// Keys with their values, in key order. Both are shared with the store, not copied.
pub type Entries = Vec<(Key, Bytes)>;

/// What became of a key since a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing: whoever waits goes on waiting.
    Nothing,
    /// It has a value that is newer.
    Value(Found),
    /// It was there, and is no longer.
    Removed,
}

impl Store {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, now: Instant, key: &str) -> Option<Found> {
        self.live(now, key).map(|entry| entry.found(now))
    }

    /// Stores a value, and forgets the deadline that the key had before. `ttl` is its time to
    /// live, `None` for ever.
    ///
    /// # Errors
    /// [`Mismatch`] when `condition` does not hold; then nothing has changed.
    pub fn put(
        &mut self,
        now: Instant,
        key: Key,
        value: Bytes,
        ttl: Option<Duration>,
        condition: &Condition,
    ) -> Result<Put, Mismatch> {
        let current = self.live(now, &key).map(|entry| entry.revision);
        condition.check(current)?;

        let mut events = Vec::with_capacity(1);
        if current.is_none() {
            // What is left is past its deadline. That comes first, and watchers must hear of it.
            events.extend(self.remove(&key, EventKind::Expire));
        }
        let revision = self.next_revision();
        // A deadline that nobody lives to see is none, and nor is one later than clocks and timers can tell.
        let expires_at = ttl.filter(|ttl| *ttl < LONGEST).and_then(|ttl| now.checked_add(ttl));
        let entry = Entry { value, revision, expires_at };
        if let Some(old) = self.entries.insert(key.clone(), entry) {
            self.forget_deadline(&key, &old);
        }
        if let Some(at) = expires_at {
            self.deadlines.insert((at, key.clone()));
        }
        events.push(Event { kind: EventKind::Put, key, revision });
        Ok(Put { created: current.is_none(), revision, events })
    }

    /// Deletes a key; `None` when it is not there.
    ///
    /// # Errors
    /// [`Mismatch`] when the key is there and `condition` does not hold; then nothing has changed.
    pub fn delete(&mut self, now: Instant, key: &str, condition: &Condition) -> Result<Option<Event>, Mismatch> {
        let Some(entry) = self.live(now, key) else {
            return Ok(None);
        };
        condition.check(Some(entry.revision))?;
        Ok(self.remove(key, EventKind::Delete))
    }

    /// The keys that begin with `prefix`, in order, `limit` of them at most.
    #[must_use]
    pub fn list(&self, now: Instant, prefix: &str, limit: usize) -> Page {
        self.list_from(now, Bound::Included(prefix), prefix, limit)
    }

    /// As [`Store::list`], but only keys behind `after`, the last one of the page before.
    #[must_use]
    pub fn list_after(&self, now: Instant, prefix: &str, after: &Key, limit: usize) -> Page {
        let start = if **after < *prefix { Bound::Included(prefix) } else { Bound::Excluded(&**after) };
        self.list_from(now, start, prefix, limit)
    }

    fn list_from(&self, now: Instant, start: Bound<&str>, prefix: &str, limit: usize) -> Page {
        let (mut page, mut bytes) = (Page::default(), 0);
        for (key, entry) in self
            .entries
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.is_live(now))
        {
            bytes += key.len();
            if page.keys.len() == limit || (bytes > PAGE_BYTES && !page.keys.is_empty()) {
                page.more = true;
                break;
            }
            page.keys.push(Listed {
                key: key.clone(),
                revision: entry.revision,
                size: entry.value.len(),
                expires_in: entry.expires_in(now),
            });
        }
        page
    }

    /// The keys that begin with `prefix` with their values, in order, `limit` of them at most: from the first key on, or
    /// from the one that follows `after`. Fewer than `limit` say that there are no more.
    ///
    /// So a large store is read in pieces, and nobody waits long for a piece. What changes between two of them is seen
    /// as it is when its piece is read.
    #[must_use]
    pub fn entries(&self, now: Instant, prefix: &str, after: Option<&str>, limit: usize) -> Entries {
        let start = after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
        self.entries
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.is_live(now))
            .take(limit)
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    }

    /// What became of a key since revision `after`, the one that the caller saw last. With
    /// `after` 0 the caller has seen nothing, and a key that is not there is no change.
    ///
    /// Only the latest thousand removals are remembered: after an older one the answer is
    /// [`Change::Nothing`], as for a key that never was, and the caller's wait ends in time.
    #[must_use]
    pub fn changed_since(&self, now: Instant, key: &str, after: Revision) -> Change {
        match self.live(now, key) {
            Some(entry) if entry.revision > after => Change::Value(entry.found(now)),
            None if after > 0 && self.removed_since(key, after) => Change::Removed,
            _ => Change::Nothing,
        }
    }

    /// Removes keys whose deadline has come, the soonest first, and tells of them.
    ///
    /// One call removes a few hundred keys at most, so that its time is bounded; as long as more
    /// are due, [`Store::next_deadline`] is in the past.
    pub fn expire(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < EXPIRY_BATCH {
            match self.deadlines.first() {
                Some((at, key)) if *at <= now => {
                    let key = key.clone();
                    events.extend(self.remove(&key, EventKind::Expire));
                }
                _ => break,
            }
        }
        events
    }

    /// When [`Store::expire`] should be called next; `None` as long as no key has a deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn live(&self, now: Instant, key: &str) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    fn next_revision(&mut self) -> Revision {
        self.revision += 1;
        self.revision
    }

    fn remove(&mut self, key: &str, kind: EventKind) -> Option<Event> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.forget_deadline(&key, &entry);
        let revision = self.next_revision();
        if self.removals.len() == REMEMBERED_REMOVALS {
            self.removals.pop_front();
        }
        self.removals.push_back((revision, key.clone()));
        Some(Event { kind, key, revision })
    }

    fn forget_deadline(&mut self, key: &Key, entry: &Entry) {
        if let Some(at) = entry.expires_at {
            self.deadlines.remove(&(at, key.clone()));
        }
    }

    fn removed_since(&self, key: &str, after: Revision) -> bool {
        let mut newer = self.removals.iter().rev().take_while(|(revision, _)| *revision > after);
        newer.any(|(_, removed)| **removed == *key)
    }
}
