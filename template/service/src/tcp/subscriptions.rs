//! What one connection has subscribed to, and the waiting for what it is told.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use domain::Event;
use resp::{Missed, Names, Output, TooMany};
use tokio::{
    select,
    sync::broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
};

use super::channels::{Channels, Message};
use crate::store::Store;

/// How many bytes may be kept for subscribers that do not read, of all together: small messages for each of them, a large
/// one once.
const KEPT: usize = 256 * 1024 * 1024;

/// How much of it each of them may have, even so.
const FAIR: usize = 64 * 1024;

/// What one connection has subscribed to.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// Of everyone.
    channels: Channels,
    /// Which.
    names: Names,
    /// Messages to all channels.
    messages: broadcast::Receiver<Message>,
    /// The store's events, once a channel has been asked for that tells of them.
    events: Option<broadcast::Receiver<Event>>,
    /// How many bytes are kept until the client reads.
    kept: usize,
}

impl Subscriptions {
    pub(super) fn new(channels: Channels) -> Self {
        let messages = channels.messages.subscribe();
        Self { channels, names: Names::default(), messages, events: None, kept: 0 }
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
        if self.names.add(name.clone())? {
            *self.channels.lock().entry(name).or_default() += 1;
            if self.names.are_about_keys() {
                self.events.get_or_insert_with(|| store.subscribe());
            }
        }
        Ok(())
    }

    /// Takes a channel out, if it is among them.
    pub(super) fn remove(&mut self, name: &Bytes) {
        if self.names.remove(name) {
            self.forget(name);
            if !self.names.are_about_keys() {
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
                    Ok(event) => self.names.tell_event(&event, output),
                    Err(RecvError::Lagged(missed)) => self.names.tell_lag(missed, output)?,
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
                Ok(event) => self.names.tell_event(&event, output),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(missed)) => self.names.tell_lag(missed, output)?,
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
        for name in self.names.iter() {
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
