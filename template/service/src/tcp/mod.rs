//! RESP, the protocol of Redis, version 2: the same keys, for redis-cli and the client libraries.
//!
//! `codec` and `inline` make a `request` of bytes, `command` finds out what it asks for, `session` asks the store (`alone`
//! and `listing`, what can't be asked together), `answer` and `reply` make an `output` of what it has done; `wire` reads,
//! writes and waits, from the beginning of a `connection` to its end. Commands that a client has sent in one go cost one
//! turn of the store and one write. `channels` and `subscriber` are `PUBLISH` and `SUBSCRIBE`.

mod alone;
mod answer;
mod channels;
mod codec;
mod command;
mod connection;
mod fault;
mod glob;
mod inline;
mod life;
mod listing;
//{% if measured %}
mod meters;
//{% endif %}
mod number;
mod output;
mod reply;
mod request;
mod session;
mod subscriber;
mod subscriptions;
mod wire;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    config::Settings,
    lifecycle::Supervisor,
    net::{Connection, Protocol},
    store::Store,
};
use channels::Channels;

/// Serves RESP.
#[derive(Clone, Debug)]
pub struct Resp(Arc<Shared>);

/// What all connections share.
#[derive(Debug)]
struct Shared {
    /// The keys.
    store: Store,
    /// Knows the work that is going on.
    supervisor: Supervisor,
    /// Who has subscribed to what.
    channels: Channels,
    /// A permit for each key that may be held by a listing.
    listed: Semaphore,
    /// The longest argument of a command.
    longest: usize,
    /// For a command, from its first byte to its last.
    frame_timeout: Duration,
    //{% if measured %}
    /// What is measured.
    meters: Arc<meters::Meters>,
    //{% endif %}
}

impl Resp {
    /// Serves the keys of `store`.
    #[must_use]
    pub fn new(store: Store, supervisor: &Supervisor, settings: &Settings) -> Self {
        Self(Arc::new(Shared {
            store,
            supervisor: supervisor.clone(),
            channels: Channels::new(),
            listed: Semaphore::new(listing::LISTED),
            longest: settings.max_body_bytes.get() as usize,
            frame_timeout: settings.body_timeout,
            //{% if measured %}
            meters: Arc::new(meters::Meters::new()),
            //{% endif %}
        }))
    }
}

impl Protocol for Resp {
    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send {
        // A task that awaits a future it was given has room for it twice; there are thousands of these tasks.
        Box::pin(connection::serve(self.0, connection))
    }
}
