//! RESP, the protocol of Redis, version 2: the same keys, for redis-cli and the client libraries.
//!
//! The protocol is the crate `resp`, which waits for nothing; here is what waits. A `session` has a thread and reads,
//! asks the store and writes, in that order, over its `wire`. Commands that a client has sent in one go cost one turn of
//! the store and one write. `channels`, `mailbox` and `subscriber` are `PUBLISH` and `SUBSCRIBE`.

mod channels;
mod listing;
mod mailbox;
//{% if metrics %}
mod meters;
//{% endif %}
mod session;
mod subscriber;
mod wire;

use std::{
    io,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use crate::{
    config::Settings,
    lifecycle::Supervisor,
    net::{Connections, Listener, spare_descriptors},
    store::Store,
};
use channels::Channels;
use session::Session;

/// Serves RESP.
#[derive(Clone)]
pub struct Resp(Arc<Shared>);

/// What all connections share.
struct Shared {
    /// The keys.
    store: Store,
    /// Who has subscribed to what.
    channels: Channels,
    /// How many keys are held by listings.
    listed: AtomicUsize,
    /// The longest argument of a command.
    longest: usize,
    /// For a command, from its first byte to its last.
    frame_timeout: Duration,
    //{% if metrics %}
    /// What is measured.
    meters: meters::Meters,
    //{% endif %}
}

impl Resp {
    /// Serves the keys of `store`.
    #[must_use]
    pub fn new(store: Store, settings: &Settings) -> Self {
        Self(Arc::new(Shared {
            store,
            // Each has a bell, which is two descriptors.
            channels: Channels::new(spare_descriptors(settings.max_connections.get() as usize) / 2),
            listed: AtomicUsize::new(0),
            longest: settings.max_body_bytes.get() as usize,
            frame_timeout: settings.body_timeout,
            //{% if metrics %}
            meters: meters::Meters::new(),
            //{% endif %}
        }))
    }

    /// Serves whoever comes to `listener`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn serve(self, listener: Listener, connections: &Connections, supervisor: &Supervisor) -> io::Result<()> {
        let (listening, phases) = (connections.enter(), supervisor.phases().clone());
        supervisor.spawn("tcp listener", move || {
            listener.serve(&listening, |stream, place| {
                let session = Session::new(Arc::clone(&self.0), stream, place, phases.clone());
                move || session.serve()
            });
        })
    }
}
