//! The domain's store and those who watch it: a change is told of before there can be another.

use std::{collections::VecDeque, time::Instant};

use domain::{Change, Condition, Event, Found, Key, Mismatch, Op, Page, Ran, Revision, Write, Written};
use tokio::time;

use super::broadcast;

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
    pub(super) fn run(&mut self, ops: VecDeque<Op>) -> Ran {
        self.store.run(now(), ops, |event| publish(&self.events, event))
    }

    pub(super) fn get(&self, key: &Key) -> Option<Found> {
        self.store.get(now(), key)
    }

    pub(super) fn put(&mut self, write: Write) -> Result<Written, Mismatch> {
        self.store.write(now(), write, |event| publish(&self.events, event))
    }

    pub(super) fn delete(&mut self, key: &Key, condition: &Condition) -> Result<Option<Revision>, Mismatch> {
        let event = self.store.delete(now(), key, condition)?;
        let revision = event.as_ref().map(|event| event.revision);
        event.into_iter().for_each(|event| publish(&self.events, event));
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
        self.store.expire(now()).into_iter().for_each(|event| publish(&self.events, event));
    }

    /// When [`Keys::expire`] should be called next; `None` as long as no key has a deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.store.next_deadline()
    }
}

fn publish(events: &broadcast::Sender<Event>, event: Event) {
    // An error says that nobody watches.
    drop(events.send(event));
}

/// tokio's clock, which tests can stop and turn.
fn now() -> Instant {
    time::Instant::now().into_std()
}
