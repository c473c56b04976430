//! Deliveries: every event of the store is told to a webhook, at least once while it answers in time.
//!
//! What waits to be delivered is the events' own channel, made long enough for a burst: a receiver that is too slow for
//! too long loses the oldest events, and the log says how many. Deliveries go on side by side and are repeated, so they
//! may come twice and in any order; an event is known by its `revision`, which also says what came first.
//!
//! | part | owns |
//! | --- | --- |
//! | [`Sink`] | the seam: one attempt to deliver one event |
//! | [`Webhook`] | that attempt, over HTTP |
//! | `retry` | when to try again: backoff, jitter, and a budget for all together |
//! | `deliveries` | which events are under way, and the end of it all |

mod deliveries;
mod retry;
mod url;
mod webhook;

pub use deliveries::{CONCURRENCY, Counts, start};
pub use retry::ATTEMPTS;
pub use url::{BadUrl, WebhookUrl};
pub use webhook::{Times, Webhook};

use std::time::Duration;

use domain::Event;

/// How many events may wait to be delivered: some 10 MB with keys as they usually are, and half a gigabyte if all are as
/// long as they may be. The memory is taken when there is a webhook.
pub const BACKLOG: usize = 1 << 17;

/// Where events are delivered to. The seam at which tests put something else than a webhook.
///
/// Who calls it is generic over it, so the compiler knows the future and can tell that it is `Send`. With several sinks
/// that are chosen while the program runs it would have to be `dyn`, and the future boxed.
pub trait Sink: Clone + Send + Sync + 'static {
    /// Tries to deliver an event, once and in bounded time.
    ///
    /// # Errors
    /// Why it may not have arrived.
    ///
    /// # Cancel safety
    /// Dropped half-way, nobody knows whether it has arrived: it is to be delivered again.
    fn deliver(&self, event: &Event) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Why an event was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What went wrong, without any part of the URL that may be secret.
    pub reason: String,
    /// Whether it may be different next time.
    pub again: Again,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would be refused again.
    Never,
    /// After a while.
    Later,
    /// After this time, and a while: the receiver has asked for it.
    After(Duration),
}
