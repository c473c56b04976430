//! The store as an actor: one thread owns the keys, and everyone else sends it messages.
//!
//! No lock, and no state that two threads could see half changed. Callers wait in a bounded inbox; when that stays full,
//! they are turned away.

use std::{
    collections::VecDeque,
    io,
    sync::Weak,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use domain::{Op, Ran};

use super::{Keys, StoreError, Watcher, keys::Watchers};
use crate::lifecycle::Supervisor;

/// How long a caller stands before a full inbox. The thread empties a thousand places in about a millisecond: an inbox
/// that is still full after this time means overload, and then a quick answer is worth more than a late one.
const PATIENCE: Duration = Duration::from_millis(50);

/// With no key to expire the thread looks up so often.
const NEVER: Duration = Duration::from_secs(60 * 60);

/// How a store is set up.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    mailbox: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { mailbox: 1024 }
    }
}

impl Options {
    /// Places in the inbox.
    #[must_use]
    pub const fn mailbox(self, mailbox: usize) -> Self {
        Self { mailbox }
    }
}

/// A message: what is to be done, where the answer goes, and on whose behalf it is.
struct Message {
    ops: VecDeque<Op>,
    /// The caller waits there.
    reply: Sender<Ran>,
    /// On behalf of which connection.
    id: u64,
}

/// A handle to the store. Cheap to clone; the thread behind it ends with the last handle.
#[derive(Clone)]
pub struct Store {
    inbox: Sender<Message>,
    watchers: Watchers,
}

impl Store {
    /// Starts the thread that owns the keys.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(options: Options, supervisor: &Supervisor) -> io::Result<Self> {
        let (inbox, messages) = bounded(options.mailbox);
        let watchers = Watchers::default();
        let keys = Keys::new(watchers.clone());
        supervisor.spawn("store", move || serve(keys, &messages))?;
        Ok(Self { inbox, watchers })
    }

    /// Tells `watcher` of every event from now on.
    pub fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.watchers.add(watcher);
    }

    /// Does many operations at once on behalf of a connection, in order and with nothing of anyone else's between them.
    /// What would keep others waiting too long, or find too many bytes, is left for another call: see [`Ran`].
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], and nothing was done; or [`StoreError::Stopped`].
    pub fn run(&self, id: u64, ops: VecDeque<Op>) -> Result<Ran, StoreError> {
        let (reply, answer) = bounded(1);
        self.inbox.send_timeout(Message { ops, reply, id }, PATIENCE).map_err(|error| match error {
            SendTimeoutError::Timeout(_) => StoreError::Overloaded,
            SendTimeoutError::Disconnected(_) => StoreError::Stopped,
        })?;
        answer.recv().map_err(|_| StoreError::Stopped)
    }
}

/// Does one message after the other, until the last handle is gone.
fn serve(mut keys: Keys, messages: &Receiver<Message>) {
    loop {
        let deadline = keys.next_deadline().unwrap_or_else(|| Instant::now() + NEVER);
        if deadline <= Instant::now() {
            // However many messages there are: those who watch are told in time.
            keys.expire();
        }
        match messages.recv_deadline(deadline) {
            Ok(Message { ops, reply, id }) => {
                tracing::debug!(id, operations = ops.len(), "done by the store");
                // An error says that the caller has gone away: what it asked for is done.
                drop(reply.send(keys.run(ops)));
            }
            Err(RecvTimeoutError::Timeout) => keys.expire(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Done, Key};

    use super::*;

    fn get() -> VecDeque<Op> {
        [Op::Get(Key::try_from("k").unwrap())].into()
    }

    #[test]
    fn a_full_inbox_turns_callers_away_and_one_without_an_owner_says_so() {
        let (inbox, messages) = bounded(1);
        let store = Store { inbox, watchers: Watchers::default() };
        let (reply, _answer) = bounded(1);
        store.inbox.send(Message { ops: get(), reply, id: 1 }).unwrap();
        assert!(matches!(store.run(1, get()), Err(StoreError::Overloaded)));
        drop(messages);
        assert!(matches!(store.run(1, get()), Err(StoreError::Stopped)));
    }

    #[test]
    fn what_the_inbox_has_taken_is_done_though_the_last_handle_is_gone() {
        let (inbox, messages) = bounded(1);
        let (reply, answer) = bounded(1);
        inbox.send(Message { ops: get(), reply, id: 1 }).unwrap();
        drop(inbox);
        serve(Keys::new(Watchers::default()), &messages);
        assert_eq!(answer.recv().unwrap().done, [Done::Got(None)]);
    }
}
