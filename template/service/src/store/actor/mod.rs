//! The store as an actor: one task owns the keys, and everyone else sends it messages.
//!
//! No lock, and no state that two tasks could see half changed. Callers wait in a bounded inbox; when that stays full,
//! they are turned away. `handle` is the callers' side, `task` the owner's.

mod handle;
mod task;

pub use handle::{Options, Store};

use std::collections::VecDeque;

use domain::{Change, Condition, Found, Key, Mismatch, Op, Page, Ran, Revision, Write, Written};
use tokio::sync::oneshot;
use tracing::Span;

/// Where the answer to a message goes. The caller may have gone away: an answer nobody waits for is no error.
type Reply<T> = oneshot::Sender<T>;

/// A message, and on whose behalf it is.
struct Envelope {
    message: Message,
    /// What the task logs about it belongs there; none, when it would log nothing.
    span: Span,
}

/// What callers ask the task for.
enum Message {
    Get { key: Key, reply: Reply<Option<Found>> },
    Put { write: Write, reply: Reply<Result<Written, Mismatch>> },
    Delete { key: Key, condition: Condition, reply: Reply<Result<Option<Revision>, Mismatch>> },
    List { prefix: String, limit: usize, reply: Reply<Page> },
    //{% if compute %}
    Entries { prefix: String, after: Option<Key>, limit: usize, reply: Reply<domain::Entries> },
    //{% endif %}
    ChangedSince { key: Key, after: Revision, reply: Reply<Change> },
    Run { ops: VecDeque<Op>, reply: Reply<Ran> },
}

impl Message {
    /// How many operations it is, about.
    fn weight(&self) -> usize {
        match self {
            Self::Run { ops, .. } => ops.len(),
            Self::List { limit, .. } => *limit,
            //{% if compute %}
            Self::Entries { limit, .. } => *limit,
            //{% endif %}
            _ => 1,
        }
    }

    /// What it is called in the log.
    fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
            Self::ChangedSince { .. } => "changed since",
            //{% if compute %}
            Self::Entries { .. } => "entries",
            //{% endif %}
            Self::Run { .. } => "many",
        }
    }
}
