//! The service: what runs, what it is given, and in what order it stops.

pub mod admin;
//{% if compute %}
pub mod compute;
//{% endif %}
pub mod config;
//{% if grpc %}
pub mod grpc;
//{% endif %}
//{% if http %}
pub mod http;
//{% endif %}
pub mod lifecycle;
pub mod limits;
//{% if listens %}
mod listeners;
//{% endif %}
//{% if measured %}
pub mod meters;
//{% endif %}
pub mod net;
//{% if outbound %}
pub mod outbound;
//{% endif %}
pub mod problem;
pub mod store;
//{% if tcp %}
pub mod tcp;
//{% endif %}
pub mod telemetry;

use process::Outcome;
use tokio::{select, task::JoinHandle};

use config::Settings;
use lifecycle::{Phase, Signals, Supervisor, Times};
use limits::Limits;
//{% if listens %}
use listeners::Listeners;
//{% endif %}
use net::{Http, Listener};
use store::Store;
//{% if tcp %}
use tcp::Resp;
//{% endif %}
use telemetry::Telemetry;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could not be told to stop.
    #[error("can't receive signals")]
    Signals(#[from] std::io::Error),
    //{% if compute %}
    /// It could not compute.
    #[error("can't start the threads that compute")]
    Compute(#[from] rayon::ThreadPoolBuildError),
    //{% endif %}
    //{% if outbound %}
    /// It could not deliver.
    #[error("can't prepare the deliveries to the webhook")]
    Webhook(#[from] reqwest::Error),
    //{% endif %}
    /// It could not be reached.
    #[error(transparent)]
    Bind(#[from] net::BindError),
    //{% if grpc %}
    /// It could not be described to clients.
    #[error("can't read what describes the gRPC services")]
    Descriptors(#[from] tonic_reflection::server::Error),
    //{% endif %}
}

/// Runs the service until it has stopped.
///
/// # Errors
/// When it could not start; nothing was served then.
///
/// # Cancel safety
/// Dropping it stops nothing: tasks go on until the runtime ends.
pub async fn run(settings: Settings, telemetry: &Telemetry) -> Result<Outcome, StartError> {
    let mut signals = Signals::install()?;
    let (control, phases) = lifecycle::channel();
    //{% if measured %}
    meters::runtime(&tokio::runtime::Handle::current());
    //{% endif %}
    let supervisor = Supervisor::new(phases.clone());

    let limits = Limits::new(&settings, &supervisor);
    let admin = admin::routes(phases.clone(), telemetry.log_filter());
    //{% if metrics %}
    let admin = admin.merge(admin::metrics::router(telemetry.metrics()));
    //{% endif %}
    let admin = admin::router(admin, limits.bodies());
    // First, and served at once: operators can see what the rest waits for.
    let listener = select! {
        biased;
        // Nothing is served to clients yet, so there is nothing to drain.
        _ = signals.next() => return Ok(Outcome::Drained),
        listener = Listener::bind("admin", &settings.admin_addr, Phase::Stopped, &phases, &settings) => listener?,
    };
    supervisor.spawn("admin listener", listener.serve(Http::new(admin, &settings)));
    //{% if listens %}
    let listeners = select! {
        biased;
        _ = signals.next() => return Ok(Outcome::Drained),
        listeners = Listeners::bind(&settings, &phases) => listeners?,
    };
    //{% endif %}
    //{% if outbound %}
    // What can fail comes before the tasks that would have to end then.
    let webhook = settings.webhook_url.clone().map(|url| outbound::Webhook::new(url, outbound::Times::default()));
    let webhook = webhook.transpose()?;
    //{% endif %}
    //{% if compute %}
    let pool = compute::Pool::start(settings.compute_threads, settings.compute_queue.get() as usize)?;
    //{% endif %}
    let options = store::Options::default();
    //{% if false %}
    #[cfg(not(feature = "mutex-store"))]
    //{% endif %}
    //{% if actor %}
    let options = options.mailbox(settings.mailbox.get() as usize);
    //{% endif %}
    //{% if outbound %}
    let options = if webhook.is_some() { options.events(outbound::BACKLOG) } else { options };
    //{% endif %}
    let store = Store::start(options, &supervisor, phases.clone());
    //{% if outbound %}
    if let Some(webhook) = webhook {
        outbound::start(webhook, store.subscribe(), &supervisor, phases.clone(), settings.shutdown_grace);
    }
    //{% endif %}

    //{% if console %}
    if let Some(listener) = listeners.console {
        let console = telemetry.console().router(&supervisor, phases.clone());
        supervisor.spawn("console listener", listener.serve(Http::new(console, &settings)));
    }
    //{% endif %}
    //{% if http %}
    let app = http::routes(store.clone(), phases.clone());
    //{% endif %}
    //{% if digest %}
    let app = app.merge(http::digest::routes(store.clone(), pool.clone()));
    //{% endif %}
    //{% if http %}
    let app = http::described(app);
    //{% endif %}
    //{% if grpc_shares %}
    let app = app.fallback(grpc::unmatched);
    //{% endif %}
    //{% if http %}
    let app = limits.around(problem::INTERFACE, app);
    //{% endif %}
    //{% if grpc %}
    let grpc = grpc::router(&limits, store.clone(), &phases)?;
    //{% endif %}
    //{% if grpc_shares %}
    let app = if listeners.grpc.is_none() { app.merge(grpc.clone()) } else { app };
    //{% endif %}
    let interfaces: Vec<JoinHandle<()>> = vec![
        // The drain waits for each of these.
        //{% if http %}
        supervisor.spawn("http listener", listeners.http.serve(Http::new(app, &settings))),
        //{% endif %}
        //{% if tcp %}
        supervisor.spawn("tcp listener", listeners.tcp.serve(Resp::new(store.clone(), &supervisor, &settings))),
        //{% endif %}
    ];
    //{% if grpc %}
    let grpc = listeners.grpc.map(|listener| {
        supervisor.spawn("grpc listener", listener.serve(Http::new(grpc.fallback(grpc::unmatched), &settings)))
    });
    let interfaces: Vec<_> = interfaces.into_iter().chain(grpc).collect();
    //{% endif %}
    control.advance(Phase::Ready);

    let times = Times { delay: settings.shutdown_delay, grace: settings.shutdown_grace };
    let served = async {
        for interface in interfaces {
            // An error is a panic, and the supervisor has seen it.
            drop(interface.await);
        }
    };
    let outcome = lifecycle::serve_until_stopped(control, &supervisor, &mut signals, times, served).await;
    //{% if compute %}
    drop(pool);
    //{% endif %}
    drop(store);
    Ok(outcome)
}
