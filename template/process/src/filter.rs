//! Which events are logged, and how that is changed while the process runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tracing::{Metadata, level_filters::LevelFilter, span, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter, Registry,
    filter::ParseError,
    layer::{Context, Filter},
    reload,
};

/// The target of what operators must never miss: what listens, what panicked, what was lost or cut off, how it ended. No
/// filter hides it.
pub const ALWAYS: &str = "process::always";

/// Reads and replaces the log filter of the running service.
#[derive(Clone, Debug)]
pub struct LogFilter {
    /// Where it acts.
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was written: the filter itself would come out in another order.
    text: Arc<Mutex<String>>,
    /// See [`Filtering`].
    looks_at_spans: Arc<AtomicBool>,
}

impl LogFilter {
    /// A handle to the filter that `text` describes, and what does the filtering.
    pub(super) fn new(text: &str) -> Result<(Self, Filtering), String> {
        let (filter, handle) = reload::Layer::new(parse_filter(text)?);
        let looks_at_spans = Arc::new(AtomicBool::new(looks_at_spans(text)));
        let filtering = Filtering { filter, looks_at_spans: Arc::clone(&looks_at_spans) };
        Ok((Self { handle, text: Arc::new(Mutex::new(text.trim().to_owned())), looks_at_spans }, filtering))
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
        self.looks_at_spans.store(looks_at_spans(text), Ordering::Relaxed);
        text.trim().clone_into(&mut current);
        Ok(())
    }
}

/// Whether a filter asks in which span an event is, as `[request{id=7}]=debug` does.
fn looks_at_spans(text: &str) -> bool {
    text.contains('[')
}

/// Filters. Whether an event is logged is remembered where it is made, so most filters cost nothing when they have been
/// asked once. Only those that look at spans have to be told of each, and that takes two locks whenever one is entered or
/// left: hardly anybody uses those, and every request would pay for them.
pub(super) struct Filtering {
    /// The filter in use.
    filter: reload::Layer<EnvFilter, Registry>,
    /// Whether it has to know of spans.
    looks_at_spans: Arc<AtomicBool>,
}

impl Filtering {
    fn of_spans(&self) -> Option<&reload::Layer<EnvFilter, Registry>> {
        self.looks_at_spans.load(Ordering::Relaxed).then_some(&self.filter)
    }
}

impl Filter<Registry> for Filtering {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, Registry>) -> bool {
        Filter::enabled(&self.filter, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.filter.callsite_enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::max_level_hint(&self.filter)
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, Registry>) {
        if let Some(filter) = self.of_spans() {
            Filter::on_new_span(filter, attributes, id, context);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, Registry>) {
        if let Some(filter) = self.of_spans() {
            Filter::on_record(filter, id, values, context);
        }
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, Registry>) {
        if let Some(filter) = self.of_spans() {
            Filter::on_enter(filter, id, context);
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, Registry>) {
        if let Some(filter) = self.of_spans() {
            Filter::on_exit(filter, id, context);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, Registry>) {
        if let Some(filter) = self.of_spans() {
            Filter::on_close(filter, id, context);
        }
    }
}

/// Whether a directive may be meant as it stands. [`EnvFilter`] takes any word for the name of a target, a misspelt level
/// too; and then it logs that target, and nothing else.
fn plausible(directive: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let target = directive.split('=').next().unwrap_or_default().trim();
    if let Some(odd) = target.chars().find(|c| !c.is_alphanumeric() && !"_-:.".contains(*c)) {
        return Err(format!("{odd:?} is in no target: {target:?}"));
    }
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(target));
    let meant = LEVELS.into_iter().find(|level| strsim::damerau_levenshtein(level, &target.to_lowercase()) == 1);
    match meant {
        Some(level) if !is_level && target == directive.trim() => {
            Err(format!("{target:?} is no level; {level}, perhaps?"))
        }
        _ => Ok(()),
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
    if !text.contains(['[', '{']) {
        text.split(',').try_for_each(plausible)?;
    }
    let life = format!("{ALWAYS}=info").parse().map_err(|error: ParseError| error.to_string())?;
    Ok(EnvFilter::try_new(text.trim()).map_err(|error| error.to_string())?.add_directive(life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for filter in ["", "inof", "warn,debg", "bad filter!!", "service=loud", "service=info,a b=debug"] {
            assert!(parse_filter(filter).is_err(), "{filter:?}");
        }
        for filter in
            ["off", "INFO", "3", "hyper", "info,service::net=debug", "my-crate=trace", "[request{id=7}]=debug"]
        {
            assert!(parse_filter(filter).is_ok(), "{filter:?}");
        }
    }
}
