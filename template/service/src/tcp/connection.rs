//! One connection from its beginning to a parting that loses nothing.

use std::{io, sync::Arc};

use tokio::time::timeout;

use super::{
    Shared,
    life::{Life, Stage},
    session::Session,
    wire::{FAREWELL, Wire},
};
use crate::net::{Connection, linger};

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client has gone, or it is to be cut off.
    Gone(io::Error),
    /// What has been said to the client last has to reach it.
    Farewell,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// Serves a connection until either side closes it.
///
/// # Cancel safety
/// Dropping it closes the connection at once; commands that the store has taken are still carried out.
pub(super) async fn serve(shared: Arc<Shared>, connection: Connection) {
    let peer = connection.stream.peer_addr().ok();
    let life = Life::new(connection.phases.clone(), connection.closing());
    let wire = Wire::new(&shared, connection.stream, life);
    let mut session = Session::new(shared, wire, peer);
    let end = session.run().await;
    // Nothing is published to it any more while it takes notice.
    session.subscriptions = None;
    let Session { wire, span, .. } = &mut session;
    match end {
        End::Gone(error) => tracing::debug!(parent: &*span, %error, "closed"),
        End::Farewell => {
            let is_draining = wire.life.stage == Stage::Draining;
            if wire.flush().await.is_ok() {
                let close = linger::close(&mut wire.stream);
                if is_draining {
                    // Whoever goes on sending must not hold the drain. An error says that it does.
                    drop(timeout(FAREWELL, close).await);
                } else {
                    close.await;
                }
            }
            tracing::debug!(parent: &*span, "closed");
        }
    }
}
