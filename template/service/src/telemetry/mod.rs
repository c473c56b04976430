//! What the service tells of itself, and how it gets out without ever blocking the service.

//{% if measured %}
use opentelemetry_sdk::metrics::SdkMeterProvider;
//{% endif %}
use process::{
    Outcome,
    log::{self, Log, LogError, LogFilter},
};
use tracing_subscriber::{
    Layer,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::Settings;
//{% if console %}
use console::Console;
//{% endif %}
//{% if otel %}
use otel::Otel;
//{% endif %}

//{% if console %}
pub mod console;

//{% endif %}
//{% if metrics %}
mod metrics;

pub use metrics::Metrics;

//{% endif %}
//{% if otel %}
pub mod otel;

//{% endif %}
/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Events.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Somebody else.
    #[error("events are sent elsewhere already")]
    Taken(#[from] TryInitError),
    //{% if metrics %}
    /// Measurements.
    #[error("can't take measurements")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    //{% endif %}
    //{% if otel %}
    /// A collector.
    #[error(transparent)]
    Export(#[from] otel::ExportError),
    //{% endif %}
}

/// Everything that is told, from the first line of the log to the last.
#[derive(Debug)]
pub struct Telemetry {
    /// What is logged.
    log: Log,
    //{% if metrics %}
    /// What is measured.
    metrics: Metrics,
    //{% endif %}
    //{% if otel %}
    /// What is exported.
    otel: Otel,
    //{% endif %}
    //{% if console %}
    /// What tokio-console asks for.
    console: Console,
    //{% endif %}
}

/// Sends events to stdout from now on, and panics with them.
///
/// # Errors
/// When the writing thread can't be started, when the filter is not one, or events are sent elsewhere already.
pub fn start(settings: &Settings) -> Result<Telemetry, StartError> {
    let (log, lines) = Log::start(&settings.log_filter, settings.log_format)?;
    let layers = vec![lines.boxed()];
    //{% if measured %}
    let meters = SdkMeterProvider::builder();
    //{% endif %}
    //{% if metrics %}
    let (meters, metrics) = Metrics::read(meters)?;
    //{% endif %}
    //{% if otel %}
    let (mut otel, meters, spans) = Otel::start(meters)?;
    let layers: Vec<_> = layers.into_iter().chain(spans).collect();
    //{% endif %}
    //{% if measured %}
    let meters = meters.build();
    //{% endif %}
    //{% if otel %}
    otel.measures(&meters);
    //{% endif %}
    //{% if measured %}
    opentelemetry::global::set_meter_provider(meters);
    //{% endif %}
    //{% if console %}
    let (console, tasks) = Console::start(settings.console_addr.is_some());
    let layers: Vec<_> = layers.into_iter().chain(tasks).collect();
    //{% endif %}
    tracing_subscriber::registry().with(layers).try_init()?;
    log::panics();
    Ok(Telemetry {
        // Held to the end of the process.
        log,
        //{% if metrics %}
        metrics,
        //{% endif %}
        //{% if otel %}
        otel,
        //{% endif %}
        //{% if console %}
        console,
        //{% endif %}
    })
}

impl Telemetry {
    /// Reads and replaces the log filter.
    #[must_use]
    pub fn log_filter(&self) -> LogFilter {
        self.log.filter()
    }

    //{% if metrics %}
    /// What is measured.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    //{% endif %}
    //{% if console %}
    /// What tokio-console asks for.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    //{% endif %}
    /// Logs how the service has ended, as the last line, and waits until it is written or its reader has had its chance.
    pub fn end(self, outcome: Outcome) {
        //{% if otel %}
        self.otel.flush();
        //{% endif %}
        self.log.end(outcome);
    }
}
