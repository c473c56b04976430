//! Many operations of a store, handed over at once: in order, and with nothing of anyone else's between them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{Condition, Event, Found, Key, Mismatch, Page, Revision, Store};

/// Operations that are done together. A key of a million that nobody has asked for lately takes 10 µs, and others wait.
const RUN_OPS: usize = 128;

/// From here on, values that operations have found together are enough for one answer: who asked for them keeps them
/// from being freed, though others may have replaced them in the store.
const RUN_BYTES: usize = 64 * 1024;

/// One operation of many that are handed over at once, to [`Store::run`].
#[derive(Debug, Clone)]
pub enum Op {
    /// What is the value of a key?
    Get(Key),
    /// Store a value.
    Put(Write),
    /// Delete a key, if the condition holds.
    Delete(Key, Condition),
    /// The first so many keys that begin with a prefix.
    List(String, usize),
    /// The same, of the keys behind this one.
    ListAfter(String, Key, usize),
    /// Is there a key, and how long will it be?
    Ttl(Key),
}

/// A value to be stored.
#[derive(Debug, Clone)]
pub struct Write {
    key: Key,
    value: Bytes,
    ttl: Option<Duration>,
    condition: Condition,
}

impl Write {
    /// Stores a copy of `value`: a slice of a connection's read buffer would keep the whole buffer alive. `ttl` is its
    /// time to live, `None` for ever.
    #[must_use]
    pub fn new(key: Key, value: &[u8], ttl: Option<Duration>, condition: Condition) -> Self {
        Self { key, value: Bytes::copy_from_slice(value), ttl, condition }
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whether the key was not there before.
    pub created: bool,
    /// The revision that the change took.
    pub revision: Revision,
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
    /// Of [`Op::List`] and [`Op::ListAfter`].
    Listed(Page),
    /// Of [`Op::Ttl`]: the time left to live, of which `None` is for ever; `None` when the key is not there.
    Ttl(Option<Option<Duration>>),
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

impl Store {
    /// Does one operation after the other, for one turn. `tell` is told what others must be told, in order.
    pub fn run(&mut self, now: Instant, mut ops: VecDeque<Op>, mut tell: impl FnMut(Event)) -> Ran {
        let (mut done, mut bytes) = (Vec::with_capacity(ops.len().min(RUN_OPS)), 0);
        while done.len() < RUN_OPS
            && bytes < RUN_BYTES
            && let Some(op) = ops.pop_front()
        {
            done.push(match op {
                Op::Get(key) => {
                    let found = self.get(now, &key);
                    bytes += found.as_ref().map_or(0, |found| found.value.len());
                    Done::Got(found)
                }
                Op::Put(write) => Done::Put(self.write(now, write, &mut tell)),
                Op::Delete(key, condition) => Done::Deleted(self.delete(now, &key, &condition).map(|event| {
                    let revision = event.as_ref().map(|event| event.revision);
                    event.into_iter().for_each(&mut tell);
                    revision
                })),
                Op::List(prefix, limit) => Done::Listed(self.list(now, &prefix, limit)),
                Op::ListAfter(prefix, after, limit) => Done::Listed(self.list_after(now, &prefix, &after, limit)),
                Op::Ttl(key) => Done::Ttl(self.get(now, &key).map(|found| found.expires_in)),
            });
        }
        Ran { done, rest: ops }
    }

    /// As [`Store::put`]; `tell` is told what others must be told, in order.
    ///
    /// # Errors
    /// [`Mismatch`] when the condition does not hold; then nothing has changed.
    pub fn write(&mut self, now: Instant, write: Write, tell: impl FnMut(Event)) -> Result<Written, Mismatch> {
        let Write { key, value, ttl, condition } = write;
        let put = self.put(now, key, value, ttl, &condition)?;
        put.events.into_iter().for_each(tell);
        Ok(Written { created: put.created, revision: put.revision })
    }
}
