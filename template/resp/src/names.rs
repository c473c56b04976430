//! What one connection has subscribed to, and how it is told: messages, and the store's events under Redis' names.
//!
//! `__keyevent@0__:set`, `…:del` and `…:expired` tell of keys; `__keyspace@0__:KEY` tells of one key, and what happened
//! is the message. `__keyevent@0__:lagged` tells how many events were missed.

use std::{collections::BTreeSet, ops::Bound};

use bytes::{Bytes, BytesMut};
use domain::{Event, EventKind};

use crate::{
    output::Output,
    reply::{put_array, put_string},
};

/// How many bytes the names of one connection's channels may take.
const NAMES: usize = 64 * 1024;

/// What a name costs beside its bytes.
const NAME: usize = 32;

const EVENT_PREFIX: &str = "__keyevent@0__:";
const KEY_PREFIX: &str = "__keyspace@0__:";
const LAGGED: &str = "lagged";

/// The channels that one connection has subscribed to, each once.
#[derive(Debug, Default)]
pub struct Names {
    names: BTreeSet<Bytes>,
    /// What they cost.
    bytes: usize,
}

/// The names of one connection's channels are longer than they may be.
#[derive(Debug, thiserror::Error)]
#[error("too many channels on one connection")]
pub struct TooMany;

/// There is a gap in what a subscriber was to be told.
#[derive(Debug)]
pub struct Missed;

/// A message as subscribers are sent it.
#[must_use]
pub fn message(channel: &[u8], message: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(channel.len() + message.len() + 48);
    put_message(&mut frame, channel, message);
    frame
}

fn put_message(output: &mut BytesMut, channel: &[u8], message: &[u8]) {
    put_array(output, 3);
    put_string(output, b"message");
    put_string(output, channel);
    put_string(output, message);
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.names.iter()
    }

    /// Adds one, and says whether it was not among them.
    ///
    /// # Errors
    /// When the names become too long; nothing has changed then.
    pub fn add(&mut self, name: Bytes) -> Result<bool, TooMany> {
        if self.names.contains(&name) {
            return Ok(false);
        }
        let bytes = self.bytes + name.len() + NAME;
        if bytes > NAMES {
            return Err(TooMany);
        }
        self.bytes = bytes;
        Ok(self.names.insert(name))
    }

    /// Takes one out, and says whether it was among them.
    pub fn remove(&mut self, name: &Bytes) -> bool {
        let was_there = self.names.remove(name);
        if was_there {
            self.bytes -= name.len() + NAME;
        }
        was_there
    }

    /// Whether one of them tells of the store's events.
    #[must_use]
    pub fn are_about_keys(&self) -> bool {
        [EVENT_PREFIX, KEY_PREFIX].into_iter().map(str::as_bytes).any(|prefix| {
            let first = self.names.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)).next();
            first.is_some_and(|name| name.starts_with(prefix))
        })
    }

    /// Appends what they tell of an event, if anything.
    pub fn tell_event(&self, event: &Event, output: &mut Output) {
        let output = output.buffer();
        let name = match event.kind {
            EventKind::Put => "set",
            EventKind::Delete => "del",
            EventKind::Expire => "expired",
        };
        let (of_events, of_key) = ([EVENT_PREFIX, name].concat(), [KEY_PREFIX, &event.key].concat());
        if self.names.contains(of_key.as_bytes()) {
            put_message(output, of_key.as_bytes(), name.as_bytes());
        }
        if self.names.contains(of_events.as_bytes()) {
            put_message(output, of_events.as_bytes(), event.key.as_bytes());
        }
    }

    /// Appends that so many events were missed.
    ///
    /// # Errors
    /// When nobody has asked to be told so. A gap would be taken for silence: who has not asked has to start anew.
    pub fn tell_lag(&self, missed: u64, output: &mut Output) -> Result<(), Missed> {
        let channel = [EVENT_PREFIX, LAGGED].concat();
        if !self.names.contains(channel.as_bytes()) {
            return Err(Missed);
        }
        put_message(output.buffer(), channel.as_bytes(), missed.to_string().as_bytes());
        Ok(())
    }
}
