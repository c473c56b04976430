//! What tokio-console asks for: the tasks of the runtime, live. It costs nothing until `--console-addr` asks for it.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use console_subscriber::{ConsoleLayer, Server};
use tracing::Metadata;
use tracing_subscriber::{Layer, Registry, filter::FilterFn};

use crate::lifecycle::{Phases, Supervisor};

/// The route of its only gRPC service.
const ROUTE: &str = "/rs.tokio.console.instrument.Instrument/{*method}";

/// What serves tokio-console, until it is taken.
pub struct Console(Mutex<Option<Server>>);

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Whether this program was built so that tokio tells what the console shows. Without, the console would panic.
#[must_use]
pub const fn is_built_in() -> bool {
    cfg!(tokio_unstable)
}

impl Console {
    /// What listens to the runtime, and what tells of it; neither, unless it is wanted.
    pub(super) fn start(is_wanted: bool) -> (Self, Option<Box<dyn Layer<Registry> + Send + Sync>>) {
        if !is_wanted {
            return (Self(Mutex::new(None)), None);
        }
        // Tasks that have ended are shown for a minute, not the hour that is the default: each request over HTTP/2 is one.
        let (layer, server) = ConsoleLayer::builder().retention(Duration::from_secs(60)).build();
        (Self(Mutex::new(Some(server))), Some(layer.with_filter(FilterFn::new(is_of_the_runtime)).boxed()))
    }

    /// The routes of the console, whose events are gathered from now on; empty, if it is not wanted.
    pub fn router(&self, supervisor: &Supervisor, phases: Phases) -> Router {
        let Some(server) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Router::new() };
        let parts = server.into_parts();
        supervisor.spawn("console", async move {
            tokio::select! {
                () = phases.stopped() => {}
                () = parts.aggregator.run() => {}
            }
        });
        Router::new().route_service(ROUTE, parts.instrument_server)
    }
}

/// tokio's spans have names that begin with `runtime.`, its events targets that begin with `runtime` or `tokio`.
fn is_of_the_runtime(metadata: &Metadata<'_>) -> bool {
    let (name, target) = (metadata.name(), metadata.target());
    let is_named = if metadata.is_event() { target.starts_with("runtime") } else { name.starts_with("runtime.") };
    is_named || target.starts_with("tokio")
}
