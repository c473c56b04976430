//! The keys, shared by everything that serves them: one [`Store`] handle around the domain's store.
//!
//! The domain decides what happens; this module makes many callers take turns, wakes up when a key expires, and tells
//! everyone who watches. All interfaces go through the same handle.

//{% if false %}
// Live only: `cargo test --all-features` runs the same tests on the other form.
#[cfg_attr(feature = "mutex-store", path = "mutex.rs")]
//{% endif %}
//{% filter replace("actor", store_kind) %}
mod actor;
pub use actor::{Options, Store};
//{% endfilter %}

mod keys;

pub use keys::{Done, Op, Put};

use keys::Keys;

use domain::{Change, Event, Key, Mismatch, Revision};
use tokio::sync::broadcast::error::RecvError;

/// Why the store did not do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It has more to do than it can take. Nothing was changed; later it may work.
    #[error("the store is overloaded")]
    Overloaded,
    /// It has stopped, and with it the service.
    #[error("the store has stopped")]
    Stopped,
    /// The condition did not hold. Nothing was changed.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whether the key was not there before.
    pub created: bool,
    /// The revision that the change took.
    pub revision: Revision,
}

impl Store {
    /// Waits until there is something to tell about a key since `after`: never [`Change::Nothing`].
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] and [`StoreError::Stopped`].
    ///
    /// # Cancel safety
    /// Dropping it changes nothing; calling again with the same `after` misses nothing.
    pub async fn changed(&self, key: &Key, after: Revision) -> Result<Change, StoreError> {
        // Subscribed before the first look: what happens between look and wait is in the channel then.
        let mut events = self.subscribe();
        loop {
            match self.changed_since(key, after).await? {
                Change::Nothing => {}
                change => return Ok(change),
            }
            loop {
                match events.recv().await {
                    Ok(Event { key: changed, .. }) if changed == *key => break,
                    Ok(_) => {}
                    // The key may have been among those missed: only another look can tell.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Err(StoreError::Stopped),
                }
            }
        }
    }
}
