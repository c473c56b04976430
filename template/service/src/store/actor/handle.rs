//! The callers' side of the actor: a message into the inbox, and the wait for the reply.

use std::{collections::VecDeque, time::Duration};

use domain::{Change, Condition, Event, Found, Key, Op, Page, Ran, Revision, Write, Written};
use tokio::sync::{
    broadcast,
    mpsc::{self, error::SendTimeoutError},
    oneshot,
};
use tracing::{Level, Span};

use super::{Envelope, Message, Reply, task::Task};
use crate::{
    lifecycle::{Phases, Supervisor},
    store::StoreError,
};

/// How long a caller stands before a full inbox. The task empties a thousand places in about a millisecond: an inbox
/// that is still full after this time means overload, and then a quick answer is worth more than a late one.
const PATIENCE: Duration = Duration::from_millis(50);

/// How a store is set up.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    events: usize,
    mailbox: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { events: 1024, mailbox: 1024 }
    }
}

impl Options {
    /// How many events a watcher may be behind before it misses some.
    #[must_use]
    pub const fn events(self, events: usize) -> Self {
        Self { events, ..self }
    }

    /// Places in the actor's inbox.
    #[must_use]
    pub const fn mailbox(self, mailbox: usize) -> Self {
        Self { mailbox, ..self }
    }
}

/// A handle to the store. Cheap to clone; the task behind it ends with the last handle.
#[derive(Debug, Clone)]
pub struct Store {
    inbox: mpsc::Sender<Envelope>,
    events: broadcast::Sender<Event>,
}

impl Store {
    /// Starts the task that owns the keys. It serves until the service has stopped.
    ///
    /// # Panics
    /// When an option is zero.
    #[must_use]
    pub fn start(options: Options, supervisor: &Supervisor, phases: Phases) -> Self {
        let (inbox, messages) = mpsc::channel(options.mailbox);
        //{% if measured %}
        let waiting = inbox.downgrade();
        crate::meters::observe("store.inbox.depth", "Messages that wait in the inbox of the store", move || {
            waiting.upgrade().and_then(|inbox| u64::try_from(inbox.max_capacity() - inbox.capacity()).ok())
        });
        //{% endif %}
        let events = broadcast::Sender::new(options.events);
        supervisor.spawn("store", Task::new(events.clone()).run(messages, phases));
        Self { inbox, events }
    }

    /// The events from now on. A receiver that falls behind misses the oldest, and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn get(&self, key: &Key) -> Result<Option<Found>, StoreError> {
        self.ask(|reply| Message::Get { key: key.clone(), reply }).await
    }

    /// Stores a copy of `value`: a slice of a connection's read buffer would keep the whole buffer alive.
    ///
    /// # Errors
    /// Any [`StoreError`]; then nothing has changed.
    ///
    /// # Cancel safety
    /// Dropped before the inbox has taken it, nothing happens. Dropped later, it happens once all the same: only the
    /// answer is lost.
    pub async fn put(
        &self,
        key: Key,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<Written, StoreError> {
        let write = Write::new(key, value, ttl, condition);
        Ok(self.ask(|reply| Message::Put { write, reply }).await??)
    }

    /// Deletes a key, and gives the revision of that; `None` when the key is not there.
    ///
    /// # Errors
    /// Any [`StoreError`]; then nothing has changed.
    ///
    /// # Cancel safety
    /// As [`Store::put`].
    pub async fn delete(&self, key: &Key, condition: Condition) -> Result<Option<Revision>, StoreError> {
        Ok(self.ask(|reply| Message::Delete { key: key.clone(), condition, reply }).await??)
    }

    /// The first `limit` keys that begin with `prefix`, in key order.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn list(&self, prefix: String, limit: usize) -> Result<Page, StoreError> {
        self.ask(|reply| Message::List { prefix, limit, reply }).await
    }

    //{% if compute %}
    /// Up to `limit` keys that begin with `prefix` with their values, in key order: from the first on, or from the one
    /// that follows `after`. Others wait meanwhile, so it is up to the caller to keep the number within bounds.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn entries(
        &self,
        prefix: String,
        after: Option<Key>,
        limit: usize,
    ) -> Result<domain::Entries, StoreError> {
        self.ask(|reply| Message::Entries { prefix, after, limit, reply }).await
    }

    //{% endif %}
    /// What became of a key since `after`, at this moment. [`Store::changed`] waits for it.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn changed_since(&self, key: &Key, after: Revision) -> Result<Change, StoreError> {
        self.ask(|reply| Message::ChangedSince { key: key.clone(), after, reply }).await
    }

    /// Does many operations at once, in order and with nothing of anyone else's between them. They cost one place in the
    /// inbox, one wake-up and one answer together: for a caller who has them all at hand, as a pipelining client does.
    /// What would keep others waiting too long, or find too many bytes, is left for another call: see [`Ran`].
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], and then none of them is done, and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// As [`Store::put`], for all of them together.
    pub async fn run(&self, ops: VecDeque<Op>) -> Result<Ran, StoreError> {
        self.ask(|reply| Message::Run { ops, reply }).await
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let is_logged = tracing::enabled!(Level::DEBUG);
        let span = if is_logged { Span::current() } else { Span::none() };
        let envelope = Envelope { message: message(reply), span };
        // Nearly always there is room, and then no deadline is needed.
        if let Err(refused) = self.inbox.try_send(envelope) {
            // Boxed, as every caller's future would otherwise have room for what hardly any of them does.
            let sent = Box::pin(self.inbox.send_timeout(refused.into_inner(), PATIENCE));
            sent.await.map_err(|refused| match refused {
                SendTimeoutError::Timeout(_) => StoreError::Overloaded,
                SendTimeoutError::Closed(_) => StoreError::Stopped,
            })?;
        }
        answer.await.map_err(|_| StoreError::Stopped)
    }
}

//{% if tcp %}
#[cfg(test)]
impl Store {
    /// A store that never gets a turn, with an inbox that is full.
    pub(crate) fn stuck() -> Self {
        let (inbox, messages) = mpsc::channel(1);
        let (reply, _) = oneshot::channel();
        let message = Message::Run { ops: VecDeque::new(), reply };
        assert!(inbox.try_send(Envelope { message, span: Span::none() }).is_ok());
        std::mem::forget(messages);
        Self { inbox, events: broadcast::Sender::new(1) }
    }
}

//{% endif %}
#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::{self, Instant};
    use tracing::{Instrument, instrument::WithSubscriber};

    use super::*;

    /// A handle whose task never gets a turn, and its inbox.
    fn stuck(places: usize) -> (Store, mpsc::Receiver<Envelope>) {
        let (inbox, messages) = mpsc::channel(places);
        (Store { inbox, events: broadcast::Sender::new(1) }, messages)
    }

    fn key() -> Key {
        Key::try_from("k").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_inbox_turns_callers_away_within_the_deadline() {
        let (store, messages) = stuck(1);
        let key = key();
        let mut first = pin!(store.get(&key));
        assert!(time::timeout(PATIENCE, first.as_mut()).await.is_err());

        let began = Instant::now();
        assert_eq!(store.get(&key).await, Err(StoreError::Overloaded));
        assert!(began.elapsed() <= PATIENCE + Duration::from_millis(1));
        assert_eq!(messages.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_of_a_task_that_is_gone_are_told() {
        let (store, messages) = stuck(1);
        let key = key();
        let mut accepted = pin!(store.get(&key));
        assert!(time::timeout(PATIENCE, accepted.as_mut()).await.is_err());
        drop(messages);
        assert_eq!(accepted.await, Err(StoreError::Stopped));
        assert_eq!(store.get(&key).await, Err(StoreError::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_task_does_belongs_to_the_span_of_its_caller() {
        let (store, mut messages) = stuck(1);
        let key = key();
        let call = async { time::timeout(PATIENCE, store.get(&key).instrument(tracing::info_span!("request"))).await };
        assert!(call.with_subscriber(tracing_subscriber::registry()).await.is_err());
        assert!(messages.recv().await.unwrap().span.metadata().is_some_and(|span| span.name() == "request"));
    }
}
