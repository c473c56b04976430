//! The domain's store and those who watch it: a change is told of before there can be another.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{Change, Condition, Event, Found, Key, Mismatch, Page, Revision};
use tokio::time;

use super::{Written, broadcast};

/// Operations that are done together. A key of a million that nobody has asked for lately takes 10 µs, and others wait.
const RUN_OPS: usize = 128;

/// From here on, values that operations have found together are enough for one answer: who asked for them keeps them
/// from being freed, though others may have replaced them in the store.
const RUN_BYTES: usize = 64 * 1024;

/// One operation of many that are handed over at once, to [`Store::run`](super::Store::run).
#[derive(Debug, Clone)]
pub enum Op {
    /// What is the value of a key?
    Get(Key),
    /// Store a value.
    Put(Put),
    /// Delete a key, if the condition holds.
    Delete(Key, Condition),
    /// The first so many keys that begin with a prefix.
    List(String, usize),
    //{% if tcp %}
    /// The same, of the keys behind this one.
    ListAfter(String, Key, usize),
    /// Is there a key, and how long will it be?
    Ttl(Key),
    //{% endif %}
}

/// What an [`Op`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Of [`Op::Get`].
    Got(Option<Found>),
    /// Of [`Op::Put`].
    Put(Result<Written, Mismatch>),
    /// Of [`Op::Delete`]: the revision of the deletion, `None` when the key was not there.
    Deleted(Result<Option<Revision>, Mismatch>),
    /// Of [`Op::List`] and the like.
    Listed(Page),
    //{% if tcp %}
    /// Of [`Op::Ttl`]: the time left to live, of which `None` is for ever; `None` when the key is not there.
    Ttl(Option<Option<Duration>>),
    //{% endif %}
}

/// What became of operations that were handed over at once.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What the first of them came to; at least one, if there was one.
    pub done: Vec<Done>,
    /// Those that did not have their turn: it would have been too long for others, or what was found takes enough memory
    /// until somebody has read it. They are to be handed over again.
    pub rest: VecDeque<Op>,
}

/// A value to be stored.
#[derive(Debug, Clone)]
pub struct Put {
    key: Key,
    value: Bytes,
    ttl: Option<Duration>,
    condition: Condition,
}

impl Put {
    /// Stores a copy of `value`: a slice of a connection's read buffer would keep the whole buffer alive.
    #[must_use]
    pub fn new(key: Key, value: &[u8], ttl: Option<Duration>, condition: Condition) -> Self {
        Self { key, value: Bytes::copy_from_slice(value), ttl, condition }
    }
}

/// The keys, in one hand. Whoever has it may change them; nobody else can look meanwhile.
#[derive(Debug)]
pub(super) struct Keys {
    /// Decides what happens.
    store: domain::Store,
    /// Tells of it.
    events: broadcast::Sender<Event>,
}

impl Keys {
    /// No keys yet. `events` is told of whatever will happen.
    pub(super) fn new(events: broadcast::Sender<Event>) -> Self {
        Self { store: domain::Store::default(), events }
    }

    /// Does one operation after the other, for one turn.
    pub(super) fn run(&mut self, mut ops: VecDeque<Op>) -> Ran {
        let (mut done, mut bytes) = (Vec::with_capacity(ops.len().min(RUN_OPS)), 0);
        while done.len() < RUN_OPS
            && bytes < RUN_BYTES
            && let Some(op) = ops.pop_front()
        {
            done.push(match op {
                Op::Get(key) => {
                    let found = self.get(&key);
                    bytes += found.as_ref().map_or(0, |found| found.value.len());
                    Done::Got(found)
                }
                Op::Put(put) => Done::Put(self.put(put)),
                Op::Delete(key, condition) => Done::Deleted(self.delete(&key, &condition)),
                Op::List(prefix, limit) => Done::Listed(self.list(&prefix, limit)),
                //{% if tcp %}
                Op::ListAfter(prefix, after, limit) => {
                    Done::Listed(self.store.list_after(now(), &prefix, &after, limit))
                }
                Op::Ttl(key) => Done::Ttl(self.get(&key).map(|found| found.expires_in)),
                //{% endif %}
            });
        }
        Ran { done, rest: ops }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Found> {
        self.store.get(now(), key)
    }

    pub(super) fn put(&mut self, put: Put) -> Result<Written, Mismatch> {
        let Put { key, value, ttl, condition } = put;
        let put = self.store.put(now(), key, value, ttl, &condition)?;
        self.publish(put.events);
        Ok(Written { created: put.created, revision: put.revision })
    }

    pub(super) fn delete(&mut self, key: &Key, condition: &Condition) -> Result<Option<Revision>, Mismatch> {
        let event = self.store.delete(now(), key, condition)?;
        let revision = event.as_ref().map(|event| event.revision);
        self.publish(event);
        Ok(revision)
    }

    pub(super) fn list(&self, prefix: &str, limit: usize) -> Page {
        self.store.list(now(), prefix, limit)
    }

    //{% if compute %}
    pub(super) fn entries(&self, prefix: &str, after: Option<&Key>, limit: usize) -> domain::Entries {
        self.store.entries(now(), prefix, after.map(|key| &**key), limit)
    }

    //{% endif %}
    pub(super) fn changed_since(&self, key: &Key, after: Revision) -> Change {
        self.store.changed_since(now(), key, after)
    }

    /// Removes what is due; the rest of it when [`Keys::next_deadline`] is in the past.
    pub(super) fn expire(&mut self) {
        let events = self.store.expire(now());
        self.publish(events);
    }

    /// When [`Keys::expire`] should be called next; `None` as long as no key has a deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.store.next_deadline()
    }

    fn publish(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            // An error says that nobody watches.
            drop(self.events.send(event));
        }
    }
}

/// tokio's clock, which tests can stop and turn.
fn now() -> Instant {
    time::Instant::now().into_std()
}
