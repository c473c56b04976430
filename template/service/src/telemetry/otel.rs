//! Traces and measurements for a collector, by OTLP. The standard's variables (`OTEL_…`) say where to and how; while
//! they name no endpoint, nothing is exported.
//!
//! What is exported waits in bounded queues, and what finds no place there is dropped: a collector that is slow or gone
//! costs nothing but what it would have learnt. The exporters run on a thread with a runtime of its own. On the
//! service's they would be gone when the last spans are to be sent, and a runtime with one worker would wait for itself.

mod aside;
mod variables;

pub use variables::check;

use std::{
    env,
    fmt::Display,
    io,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    metrics::{MeterProviderBuilder, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use tracing::{
    Instrument, Span,
    field::{Empty, display},
    level_filters::LevelFilter,
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry, filter::Targets};

use aside::{Aside, runtime};
use variables::Signal;

/// How long the end of the service waits for the collector to take the last of it.
const FLUSH: Duration = Duration::from_millis(1500);

/// Whether spans are exported: what only they need is left out otherwise.
static TRACES: AtomicBool = AtomicBool::new(false);

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The thread of the exporters.
    #[error("can't start the thread that exports telemetry")]
    Thread(#[from] io::Error),
    /// What the variables say.
    #[error("can't export telemetry")]
    Build(#[from] ExporterBuildError),
}

/// What takes spans from the program.
type Spans = Box<dyn Layer<Registry> + Send + Sync>;

/// What is exported, until the service ends.
#[derive(Debug, Default)]
pub(super) struct Otel {
    /// Where spans go.
    traces: Option<SdkTracerProvider>,
    /// Where measurements go.
    metrics: Option<SdkMeterProvider>,
}

impl Otel {
    /// Has `meters` export, too, and gives what exports spans, if the variables want it.
    pub(super) fn start(
        mut meters: MeterProviderBuilder,
    ) -> Result<(Self, MeterProviderBuilder, Option<Spans>), ExportError> {
        let mut otel = Self::default();
        let mut layer = None;
        if !Signal::Traces.is_on() && !Signal::Metrics.is_on() {
            return Ok((otel, meters, layer));
        }
        let runtime = runtime()?;
        // tonic spawns a task when its client is made.
        let _entered = runtime.enter();
        if Signal::Traces.is_on() {
            let exporter = Aside::new(SpanExporter::builder().build()?, &runtime);
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
            let spans = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("service"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                // Ours, so that the exporters' own are never exported; and whatever the log filter says.
                .with_filter(Targets::new().with_target("service", LevelFilter::INFO));
            layer = Some(spans.boxed());
            otel.traces = Some(provider);
            TRACES.store(true, Ordering::Relaxed);
        }
        if Signal::Metrics.is_on() {
            let exporter = Aside::new(MetricExporter::builder().build()?, &runtime);
            meters = meters.with_periodic_exporter(exporter).with_resource(resource());
        }
        Ok((otel, meters, layer))
    }

    /// The provider of what is measured: it is flushed at the end.
    pub(super) fn measures(&mut self, meters: &SdkMeterProvider) {
        if Signal::Metrics.is_on() {
            self.metrics = Some(meters.clone());
        }
    }

    /// Exports what is left, if the collector takes it in time.
    #[expect(clippy::disallowed_methods, reason = "it is called at the end of `main`, when no task is left")]
    pub(super) fn flush(self) {
        let deadline = Instant::now() + FLUSH;
        let (done, is_done) = sync_channel(2);
        let all_done = done.clone();
        let (traces, metrics) = (self.traces, self.metrics);
        // Errors say that the collector takes nothing, or that nobody waits any more; that has been reported.
        let traces =
            traces.map(|traces| thread::spawn(move || drop((traces.shutdown_with_timeout(FLUSH), done.send(())))));
        let metrics = metrics.map(|metrics| thread::spawn(move || drop((metrics.shutdown(), all_done.send(())))));
        for _thread in traces.into_iter().chain(metrics) {
            is_done.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_default();
        }
    }
}

/// Who exports: as the variables say, else the name of the program.
fn resource() -> Resource {
    let resource = Resource::builder().build();
    let named = resource.get(&"service.name".into()).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let program = env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    match program {
        Some(program) if !named => Resource::builder().with_service_name(program).build(),
        _ => resource,
    }
}

/// Makes a request's `span` part of the trace that its caller names in `traceparent`, or the first of a new one; its log
/// lines carry the trace's id. `name` is what the trace calls it.
pub fn join(span: &Span, name: &str, headers: &HeaderMap) {
    if !TRACES.load(Ordering::Relaxed) {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&Incoming(headers));
    // An error says that the span is not traced.
    drop(span.set_parent(parent));
    let context = span.context();
    let traced = context.span();
    traced.update_name(name.to_owned());
    if traced.span_context().is_valid() {
        span.record("trace_id", display(traced.span_context().trace_id()));
    }
}

/// What a request that is sent carries, so that whoever gets it can join the trace of the current span: `traceparent`.
#[must_use]
pub fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if TRACES.load(Ordering::Relaxed) {
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Outgoing(&mut headers));
    }
    headers
}

/// A span for one attempt to reach others, which is called `name`. It says whether the attempt failed.
///
/// # Errors
/// Those of `attempt`.
///
/// # Cancel safety
/// That of `attempt`.
pub async fn sent<T, E: Display>(name: &str, attempt: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let span = tracing::info_span!(
        "sent",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
    );
    let result = attempt.instrument(span.clone()).await;
    if let Err(error) = &result {
        span.record("otel.status_code", "ERROR").record("otel.status_description", display(error));
    }
    result
}

/// The headers of a request that came.
struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The headers of a request that is sent.
struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
