//! What one connection has subscribed to, and what it is told: messages, and the store's events under Redis' names.
//!
//! `__keyevent@0__:set`, `…:del` and `…:expired` tell of keys; `__keyspace@0__:KEY` tells of one key, and what happened
//! is the message. `__keyevent@0__:lagged` tells how many events were missed.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use bytes::Bytes;
use domain::{Event, EventKind};
use tokio::{
    select,
    sync::broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
};

use super::{
    channels::{Channels, Message, put_message},
    output::Output,
};
use crate::store::Store;

/// How many bytes the names of one connection's channels may take.
const NAMES: usize = 64 * 1024;

/// What a name costs beside its bytes.
const NAME: usize = 32;

/// How many bytes may be kept for subscribers that do not read, of all together: small messages for each of them, a large
/// one once.
const KEPT: usize = 256 * 1024 * 1024;

/// How much of it each of them may have, even so.
const FAIR: usize = 64 * 1024;

const EVENT_PREFIX: &str = "__keyevent@0__:";
const KEY_PREFIX: &str = "__keyspace@0__:";
const LAGGED: &str = "lagged";

/// What one connection has subscribed to.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// Of everyone.
    channels: Channels,
    /// The names, each once.
    names: BTreeSet<Bytes>,
    /// What they cost.
    bytes: usize,
    /// Messages to all channels.
    messages: broadcast::Receiver<Message>,
    /// The store's events, once a channel has been asked for that tells of them.
    events: Option<broadcast::Receiver<Event>>,
    /// How many bytes are kept until the client reads.
    kept: usize,
}

/// The names of one connection's channels are longer than they may be.
#[derive(Debug, thiserror::Error)]
#[error("too many channels on one connection")]
pub(super) struct TooMany;

/// There is a gap in what a subscriber was to be told.
#[derive(Debug)]
pub(super) struct Missed;

/// Whether a channel tells of the store's events.
fn is_about_keys(name: &Bytes) -> bool {
    name.starts_with(EVENT_PREFIX.as_bytes()) || name.starts_with(KEY_PREFIX.as_bytes())
}

impl Subscriptions {
    pub(super) fn new(channels: Channels) -> Self {
        let messages = channels.messages.subscribe();
        Self { channels, names: BTreeSet::new(), bytes: 0, messages, events: None, kept: 0 }
    }

    /// How many channels these are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Adds a channel, if it is not among them.
    ///
    /// # Errors
    /// When the names become too long; nothing has changed then.
    pub(super) fn add(&mut self, name: Bytes, store: &Store) -> Result<(), TooMany> {
        if self.names.contains(&name) {
            return Ok(());
        }
        let bytes = self.bytes + name.len() + NAME;
        if bytes > NAMES {
            return Err(TooMany);
        }
        if is_about_keys(&name) {
            self.events.get_or_insert_with(|| store.subscribe());
        }
        self.bytes = bytes;
        *self.channels.lock().entry(name.clone()).or_default() += 1;
        self.names.insert(name);
        Ok(())
    }

    /// Takes a channel out, if it is among them.
    pub(super) fn remove(&mut self, name: &Bytes) {
        if self.names.remove(name) {
            self.bytes -= name.len() + NAME;
            self.forget(name);
            if !self.names.iter().any(is_about_keys) {
                self.events = None;
            }
        }
    }

    /// All channels.
    pub(super) fn names(&self) -> Vec<Bytes> {
        self.names.iter().cloned().collect()
    }

    /// Takes notice of what is kept until the client reads, and says whether that is too much beside what is kept for all
    /// others.
    pub(super) fn keeps_too_much(&mut self, output: &Output) -> bool {
        let (bytes, all) = (output.uncounted(), &self.channels.kept);
        if bytes != self.kept {
            all.fetch_add(bytes, Ordering::Relaxed);
            all.fetch_sub(self.kept, Ordering::Relaxed);
            self.kept = bytes;
        }
        output.len() > FAIR && all.load(Ordering::Relaxed) > KEPT
    }

    /// Waits for something that the connection has to be told, and appends it to `output`, with what has come by then up
    /// to `most` bytes.
    ///
    /// # Errors
    /// When something was missed. For events that is no error where the connection has asked to be told so.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(super) async fn next(&mut self, output: &mut Output, most: usize) -> Result<(), Missed> {
        let before = output.len();
        while output.len() == before {
            let events = async {
                match &mut self.events {
                    Some(events) => events.recv().await,
                    None => std::future::pending().await,
                }
            };
            select! {
                message = self.messages.recv() => match message {
                    Ok(message) => self.tell(&message, output),
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return Err(Missed),
                },
                event = events => match event {
                    Ok(event) => self.tell_event(&event, output),
                    Err(RecvError::Lagged(missed)) => self.tell_lag(missed, output)?,
                    Err(RecvError::Closed) => return Err(Missed),
                },
            }
        }
        self.take(output, most)
    }

    /// Appends what has come already to `output`, up to `most` bytes.
    ///
    /// # Errors
    /// As [`Subscriptions::next`].
    pub(super) fn take(&mut self, output: &mut Output, most: usize) -> Result<(), Missed> {
        while output.len() < most {
            match self.messages.try_recv() {
                Ok(message) => self.tell(&message, output),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return Err(Missed),
            }
        }
        while output.len() < most
            && let Some(events) = &mut self.events
        {
            match events.try_recv() {
                Ok(event) => self.tell_event(&event, output),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(missed)) => self.tell_lag(missed, output)?,
                Err(TryRecvError::Closed) => return Err(Missed),
            }
        }
        Ok(())
    }

    fn tell(&self, message: &Message, output: &mut Output) {
        if self.names.contains(&message.channel) {
            output.put(&message.frame);
        }
    }

    fn tell_event(&self, event: &Event, output: &mut Output) {
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

    /// A gap that nobody is told of would be taken for silence: who has not asked to be told starts anew.
    fn tell_lag(&self, missed: u64, output: &mut Output) -> Result<(), Missed> {
        let channel = [EVENT_PREFIX, LAGGED].concat();
        if !self.names.contains(channel.as_bytes()) {
            return Err(Missed);
        }
        put_message(output.buffer(), channel.as_bytes(), missed.to_string().as_bytes());
        Ok(())
    }

    fn forget(&self, name: &Bytes) {
        let mut subscribers = self.channels.lock();
        if let Some(count) = subscribers.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                subscribers.remove(name);
            }
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.channels.kept.fetch_sub(self.kept, Ordering::Relaxed);
        for name in &self.names {
            self.forget(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_is_dropped_sooner_when_many_are() {
        let channels = Channels::new();
        let mut subscriptions = Subscriptions::new(channels.clone());
        let mut output = Output::default();
        output.buffer().resize(FAIR, 0);
        channels.kept.fetch_add(KEPT, Ordering::Relaxed);
        assert!(!subscriptions.keeps_too_much(&output));
        output.buffer().resize(FAIR + 1, 0);
        assert!(subscriptions.keeps_too_much(&output));
        channels.kept.fetch_sub(KEPT, Ordering::Relaxed);
        assert!(!subscriptions.keeps_too_much(&output));
        drop(subscriptions);
        assert_eq!(channels.kept.load(Ordering::Relaxed), 0);
    }
}
