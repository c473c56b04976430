//! The service: what runs, what it is given, and in what order it stops.
//!
//! Every connection has a thread, and every thread may wait: code reads from top to bottom, and nothing is cancelled
//! between two lines. What it costs is a stack and a context switch for each.
//!
//! Log lines name a connection by its `id`. A span would do that by itself, but the registry that keeps the spans of
//! `tracing-subscriber` takes those of 4096 threads at once, and panics then (sharded-slab 0.1.7, `MAX_THREADS`).

pub mod admin;
pub mod config;
pub mod lifecycle;
//{% if metrics %}
pub mod meters;
//{% endif %}
pub mod net;
pub mod store;
//{% if tcp %}
pub mod tcp;
//{% endif %}

use process::{Outcome, log::Log};

use config::Settings;
use lifecycle::{Phase, Signals, Supervisor, Times};
use net::Listener;
use store::Store;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no more threads or descriptors.
    #[error("can't start a thread, or what wakes it")]
    System(#[from] std::io::Error),
    /// It could not be reached.
    #[error(transparent)]
    Bind(#[from] net::BindError),
}

/// Runs the service until it has stopped.
///
/// # Errors
/// When it could not start; nothing was served then.
pub fn run(settings: &Settings, log: &Log) -> Result<Outcome, StartError> {
    let (control, phases) = lifecycle::channel()?;
    let (supervisor, reports) = Supervisor::new(phases.clone());
    let mut signals = Signals::start(&supervisor)?;

    // First, and served at once: operators can see what the rest waits for.
    let listener = Listener::bind("admin", &settings.admin_addr, Phase::Stopped, &phases)?;
    admin::Admin::new(log.filter(), phases.clone(), settings).serve(listener, &supervisor)?;
    //{% if tcp %}
    let listener = Listener::bind("tcp", &settings.tcp_addr, Phase::Draining, &phases)?;
    //{% endif %}
    let options = store::Options::default();
    //{% if false %}
    #[cfg(not(feature = "mutex-store"))]
    //{% endif %}
    //{% if actor %}
    let options = options.mailbox(settings.mailbox.get() as usize);
    //{% endif %}
    let store = Store::start(options, &supervisor)?;
    let connections = net::Connections::new("tcp", settings.max_connections.get() as usize);
    //{% if tcp %}
    tcp::Resp::new(store.clone(), settings).serve(listener, &connections, &supervisor)?;
    //{% endif %}
    control.advance(Phase::Ready);

    let times = Times { delay: settings.shutdown_delay, grace: settings.shutdown_grace };
    let outcome = lifecycle::serve_until_stopped(&control, &reports, &mut signals, times, &connections);
    drop(store);
    Ok(outcome)
}
