//! The keys, shared by all threads: one [`Store`] handle around the domain's store.
//!
//! The domain decides what happens; this module makes many callers take turns, wakes up when a key expires, and tells
//! everyone who watches.

//{% if false %}
// Live only: `cargo test --all-features` runs the same tests on the other form.
#[cfg_attr(feature = "mutex-store", path = "mutex.rs")]
//{% endif %}
//{% filter replace("actor", store_kind) %}
mod actor;
pub use actor::{Options, Store};
//{% endfilter %}

mod keys;

pub use keys::Watcher;

use keys::Keys;

/// Why the store did not do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It has more to do than it can take. Nothing was changed; later it may work.
    #[error("the store is overloaded")]
    Overloaded,
    /// It has stopped, and with it the service.
    #[error("the store has stopped")]
    Stopped,
}
