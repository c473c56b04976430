//! What happened to a key, for everyone who watches.

use crate::{Key, Revision};

/// One change of one key. Events come in the order of their revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which key.
    pub key: Key,
    /// The revision that the change took.
    pub revision: Revision,
}

/// What can happen to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It got a value, its first or another.
    Put,
    /// Somebody deleted it.
    Delete,
    /// Its time to live ran out.
    Expire,
}

impl EventKind {
    /// The name that all interfaces use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Expire => "expire",
        }
    }
}
