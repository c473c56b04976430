//! The wait for a change: whatever comes between two looks at the keys, one of them sees it.

use domain::{Change, Event, Key, Revision};
use tokio::sync::broadcast::error::RecvError;

use super::{Store, StoreError};

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
