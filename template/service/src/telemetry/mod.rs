//! What the service tells of itself, and how it gets out without ever blocking the service.

//{% if console %}
pub mod console;
//{% endif %}
mod filter;
mod format;
//{% if metrics %}
mod metrics;
//{% endif %}
//{% if otel %}
pub mod otel;
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
    Layer, fmt,
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
    //{% if otel %}
    /// A collector.
    #[error(transparent)]
    Export(#[from] otel::ExportError),
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
    let (writer, log) = Lines::start()?;
    let (log_filter, filter) = LogFilter::new(&settings.log_filter).map_err(StartError::Filter)?;
    let is_text = settings.log_format.map_or_else(|| io::stdout().is_terminal(), |format| format == LogFormat::Text);
    // Colours would be escape codes; the writer escapes those, wherever they come from.
    let lines = fmt::layer().with_ansi(false).with_writer(writer);
    let lines = match is_text {
        true => lines.fmt_fields(format::TextFields).boxed(),
        false => lines.json().flatten_event(true).with_span_list(false).fmt_fields(format::SpanFields).boxed(),
    };
    // The filter is that of the log alone: what else listens has one of its own.
    let layers = vec![lines.with_filter(filter).boxed()];
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
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let reason = payload.downcast_ref::<&str>().copied();
        let reason = reason.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, reason, "panic");
    }));
    Ok(Telemetry {
        // Held to the end of the process.
        log_filter,
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
        self.log_filter.clone()
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
    pub fn end(self, outcome: &str) {
        //{% if otel %}
        self.otel.flush();
        //{% endif %}
        // Nothing is lost for a full queue that has yet to be written.
        self.log.flush();
        tracing::info!(target: ALWAYS, outcome, "stopped");
        self.log.flush();
    }
}
