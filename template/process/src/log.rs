//! The log: one event a line on stdout, filtered, and never in the way of the process.

use std::io::{self, IsTerminal};

use tracing_subscriber::{Layer, Registry, fmt};

use crate::{
    Outcome,
    format::{SpanFields, TextFields},
    writer::{Flush, Lines},
};
pub use crate::{
    filter::{ALWAYS, LogFilter, parse_filter},
    format::LogFormat,
};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The thread that writes.
    #[error("can't start the thread that writes the log")]
    Thread(#[from] io::Error),
    /// The filter.
    #[error("the log filter is not one: {0}")]
    Filter(String),
}

/// The log, from its first line to the last.
#[derive(Debug)]
pub struct Log {
    /// Which events are logged.
    filter: LogFilter,
    /// The way to the reader.
    flush: Flush,
}

impl Log {
    /// The log, and what sends events there. `format` is [`LogFormat::Text`] on a terminal, unless it is given.
    ///
    /// # Errors
    /// When the writing thread can't be started, or the filter is not one.
    pub fn start(filter: &str, format: Option<LogFormat>) -> Result<(Self, impl Layer<Registry>), LogError> {
        let (writer, flush) = Lines::start()?;
        let (log_filter, filter) = LogFilter::new(filter).map_err(LogError::Filter)?;
        let is_text = format.map_or_else(|| io::stdout().is_terminal(), |format| format == LogFormat::Text);
        // Colours would be escape codes; the writer escapes those, wherever they come from.
        let lines = fmt::layer().with_ansi(false).with_writer(writer);
        let lines = match is_text {
            true => lines.fmt_fields(TextFields).boxed(),
            false => lines.json().flatten_event(true).with_span_list(false).fmt_fields(SpanFields).boxed(),
        };
        // The filter is that of the log alone: what else listens has one of its own.
        Ok((Self { filter: log_filter, flush }, lines.with_filter(filter)))
    }

    /// Reads and replaces the filter.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Logs how the process has ended, as the last line, and waits until it is written or its reader has had its chance.
    /// Threads that still run are not heard any more.
    pub fn end(self, outcome: Outcome) {
        self.flush.announce_last();
        // Nothing is lost for a full queue that has yet to be written.
        self.flush.flush();
        tracing::info!(target: ALWAYS, outcome = outcome.as_str(), "stopped");
        self.flush.flush();
    }
}

/// Logs panics from now on, instead of writing them to stderr; no filter hides them.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let reason = payload.downcast_ref::<&str>().copied();
        let reason = reason.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(target: ALWAYS, place, reason, "panic");
    }));
}
