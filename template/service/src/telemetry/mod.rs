//! What the service tells of itself, and how it gets out without ever blocking the service.

mod filter;
mod format;
//{% if metrics %}
mod metrics;
//{% endif %}
mod writer;

pub use filter::{ALWAYS, LogFilter, parse_filter};
pub use format::LogFormat;
//{% if metrics %}
pub use metrics::Metrics;
//{% endif %}

use std::io::{self, IsTerminal};

//{% if measured %}
use opentelemetry_sdk::metrics::SdkMeterProvider;
//{% endif %}
use tracing_subscriber::{
    fmt,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::Settings;
use writer::{Flush, Lines};

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The thread that writes.
    #[error("can't start the thread that writes the log")]
    Thread(#[from] io::Error),
    /// The filter.
    #[error("the log filter is not one: {0}")]
    Filter(String),
    /// Somebody else.
    #[error("events are sent elsewhere already")]
    Taken(#[from] TryInitError),
    //{% if metrics %}
    /// Measurements.
    #[error("can't take measurements")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    //{% endif %}
}

/// Everything that is told, from the first line of the log to the last.
#[derive(Debug)]
pub struct Telemetry {
    /// Which events are logged.
    log_filter: LogFilter,
    /// The way to the reader of the log.
    log: Flush,
    //{% if metrics %}
    /// What is measured.
    metrics: Metrics,
    //{% endif %}
}

/// Sends events to stdout from now on, and panics with them.
///
/// # Errors
/// When the writing thread can't be started, when the filter is not one, or events are sent elsewhere already.
pub fn start(settings: &Settings) -> Result<Telemetry, StartError> {
    let (writer, log) = Lines::start()?;
    let (log_filter, filter) = LogFilter::new(&settings.log_filter).map_err(StartError::Filter)?;
    // Colours would be escape codes; the writer escapes those, wherever they come from.
    let lines = fmt::layer().with_ansi(false).with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format.unwrap_or(if io::stdout().is_terminal() { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => registry.with(lines).try_init()?,
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false).fmt_fields(format::SpanFields);
            registry.with(lines).try_init()?;
        }
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let reason = payload.downcast_ref::<&str>().copied();
        let reason = reason.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, reason, "panic");
    }));
    //{% if measured %}
    let meters = SdkMeterProvider::builder();
    //{% endif %}
    //{% if metrics %}
    let (meters, metrics) = Metrics::read(meters)?;
    //{% endif %}
    //{% if measured %}
    opentelemetry::global::set_meter_provider(meters.build());
    //{% endif %}
    Ok(Telemetry {
        // Held to the end of the process.
        log_filter,
        log,
        //{% if metrics %}
        metrics,
        //{% endif %}
    })
}

impl Telemetry {
    /// Reads and replaces the log filter.
    #[must_use]
    pub fn log_filter(&self) -> LogFilter {
        self.log_filter.clone()
    }

    //{% if metrics %}
    /// What is measured.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    //{% endif %}
    /// Logs how the service has ended, as the last line, and waits until it is written or its reader has had its chance.
    pub fn end(self, outcome: &str) {
        // Nothing is lost for a full queue that has yet to be written.
        self.log.flush();
        tracing::info!(target: ALWAYS, outcome, "stopped");
        self.log.flush();
    }
}
