//! What the service decides, without waiting: no async, no I/O, no clock of its own.
//!
//! The domain is a small key-value [`Store`] with revisions, expiry and preconditions. The time is
//! an argument of every call, and what others must be told comes back as [`Event`]s. Waiting,
//! sharing and publishing are the business of the shell around it, which is why the same code runs
//! under tokio, under threads, in a batch and under Miri.
//!
//! [`Condition`] and [`Revisions`] say when a change may happen.

mod condition;
mod event;
mod key;
mod op;
mod store;

pub use condition::{Condition, Mismatch, Revisions};
pub use event::{Event, EventKind};
pub use key::{BadKey, Key, LONGEST_KEY};
pub use op::{Done, Op, Ran, Write, Written};
pub use store::{Change, Entries, Found, Listed, Page, Put, Revision, Store};
