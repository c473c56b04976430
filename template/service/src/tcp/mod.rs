//! RESP, the protocol of Redis, version 2: the same keys, for redis-cli and the client libraries.
//!
//! The protocol is the crate `resp`, which waits for nothing; here is what waits. `wire` reads and writes, from the
//! beginning of a `connection` to its end; `session` asks the store for what the commands want (`alone` and `listing`,
//! what can't be asked together). Commands that a client has sent in one go cost one turn of the store and one write.
//! `channels` and `subscriber` are `PUBLISH` and `SUBSCRIBE`.

mod alone;
mod channels;
mod connection;
mod life;
mod listing;
//{% if measured %}
mod meters;
//{% endif %}
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
            listed: Semaphore::new(resp::LISTED),
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
