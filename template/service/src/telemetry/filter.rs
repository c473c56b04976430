//! Which events are logged, and how that is changed while the service runs.

use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::{EnvFilter, Registry, filter::ParseError, reload};

/// The target of what operators must never miss: what listens, what was cut off, how it ended. No filter hides it.
pub const ALWAYS: &str = "service::always";

/// Reads and replaces the log filter of the running service.
#[derive(Clone, Debug)]
pub struct LogFilter {
    /// Where it acts.
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was written: the filter itself would come out in another order.
    text: Arc<Mutex<String>>,
}

impl LogFilter {
    /// A handle to the filter that `text` describes, and what does the filtering.
    pub(super) fn new(text: &str) -> Result<(Self, reload::Layer<EnvFilter, Registry>), String> {
        let (filter, handle) = reload::Layer::new(parse_filter(text)?);
        Ok((Self { handle, text: Arc::new(Mutex::new(text.trim().to_owned())) }, filter))
    }

    /// The filter in use.
    #[must_use]
    pub fn current(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the filter, for every event from now on.
    ///
    /// # Errors
    /// Why the text is not a filter.
    pub fn replace(&self, text: &str) -> Result<(), String> {
        let filter = parse_filter(text)?;
        let mut current = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        text.trim().clone_into(&mut current);
        Ok(())
    }
}

/// Reads a filter in the syntax of [`EnvFilter`]; whatever it says, [`ALWAYS`] is logged.
///
/// # Errors
/// Why the text is not a filter.
pub fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    if text.trim().is_empty() {
        return Err("a filter must not be empty; `off` logs as little as possible".to_owned());
    }
    let life = format!("{ALWAYS}=info").parse().map_err(|error: ParseError| error.to_string())?;
    Ok(EnvFilter::try_new(text.trim()).map_err(|error| error.to_string())?.add_directive(life))
}
