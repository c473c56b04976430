//! `SUBSCRIBE` and `PUBLISH`: the channels that clients name, and the store's events under Redis' names for them.
//!
//! `__keyevent@0__:set`, `…:del` and `…:expired` tell of keys; `__keyspace@0__:KEY` tells of one key, and what happened
//! is the message. `__keyevent@0__:lagged` tells how many events were missed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use domain::{Event, EventKind};
use tokio::{
    select,
    sync::broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, sleep},
};

use super::reply::{put_array, put_string};
use crate::store::Store;

/// Messages that may be on their way. Subscribers take theirs at once, into a buffer of their own.
const MESSAGES: usize = 1024;

/// From here on publishers give subscribers time: they are behind only because they had no turn yet.
const CROWDED: usize = MESSAGES / 4;

/// How long a publisher does that.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many bytes the names of one connection's channels may take.
const NAMES: usize = 64 * 1024;

/// What a name costs beside its bytes.
const NAME: usize = 32;

const EVENT_PREFIX: &str = "__keyevent@0__:";
const KEY_PREFIX: &str = "__keyspace@0__:";
const LAGGED: &str = "lagged";

/// All channels that clients have subscribed to. One broadcast carries every message, so that each subscriber gets what
/// it has asked for in the order in which it was published, whatever the channel.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    /// Carries the messages.
    messages: broadcast::Sender<Message>,
    /// How many subscribers each channel has: what `PUBLISH` answers.
    subscribers: Arc<Mutex<HashMap<Bytes, usize>>>,
}

/// A message, in the form in which every subscriber is sent it.
#[derive(Debug, Clone)]
struct Message {
    channel: Bytes,
    frame: Bytes,
}

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

impl Channels {
    pub(super) fn new() -> Self {
        Self { messages: broadcast::Sender::new(MESSAGES), subscribers: Arc::default() }
    }

    /// Sends a message to who has subscribed to the channel, and returns how many these are.
    ///
    /// # Cancel safety
    /// Dropped while it waits for slow subscribers, it has sent nothing.
    pub(super) async fn publish(&self, channel: Bytes, message: &[u8]) -> usize {
        let Some(count) = self.lock().get(&channel).copied() else { return 0 };
        let start = Instant::now();
        while self.messages.len() > CROWDED && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(1)).await;
        }
        let mut frame = BytesMut::with_capacity(message.len() + channel.len() + 48);
        put_message(&mut frame, &channel, message);
        // An error says that the last subscriber has just gone.
        drop(self.messages.send(Message { channel, frame: frame.freeze() }));
        count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, usize>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriptions {
    pub(super) fn new(channels: Channels) -> Self {
        let messages = channels.messages.subscribe();
        Self { channels, names: BTreeSet::new(), bytes: 0, messages, events: None }
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

    /// Waits for something that the connection has to be told, and appends it to `output`, with what has come by then up
    /// to `most` bytes.
    ///
    /// # Errors
    /// When something was missed. For events that is no error where the connection has asked to be told so.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(super) async fn next(&mut self, output: &mut BytesMut, most: usize) -> Result<(), Missed> {
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
    pub(super) fn take(&mut self, output: &mut BytesMut, most: usize) -> Result<(), Missed> {
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

    fn tell(&self, message: &Message, output: &mut BytesMut) {
        if self.names.contains(&message.channel) {
            output.extend_from_slice(&message.frame);
        }
    }

    fn tell_event(&self, event: &Event, output: &mut BytesMut) {
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
    fn tell_lag(&self, missed: u64, output: &mut BytesMut) -> Result<(), Missed> {
        let channel = [EVENT_PREFIX, LAGGED].concat();
        if !self.names.contains(channel.as_bytes()) {
            return Err(Missed);
        }
        put_message(output, channel.as_bytes(), missed.to_string().as_bytes());
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
        for name in &self.names {
            self.forget(name);
        }
    }
}

fn put_message(output: &mut BytesMut, channel: &[u8], message: &[u8]) {
    put_array(output, 3);
    put_string(output, b"message");
    put_string(output, channel);
    put_string(output, message);
}
