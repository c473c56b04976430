//! Exporters beside the service: on a thread with a runtime of its own.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::SpanData,
};
use tokio::runtime::{Builder, Handle};

/// How often a collector that takes nothing is complained about.
const REPORT: Duration = Duration::from_secs(60);

/// The runtime of the exporters. Its thread ends with the process.
pub(super) fn runtime() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("otlp".to_owned()).spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// An exporter that finds its runtime wherever it is called from, and complains with measure.
#[derive(Debug)]
pub(super) struct Aside<E> {
    /// What exports.
    exporter: E,
    /// Where its connections live.
    runtime: Handle,
    /// When it was last said that it can't, if it can't.
    complained: Mutex<Option<Instant>>,
}

impl<E: Send + Sync> Aside<E> {
    pub(super) fn new(exporter: E, runtime: &Handle) -> Self {
        Self { exporter, runtime: runtime.clone(), complained: Mutex::new(None) }
    }

    async fn done(&self, export: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
        let mut export = pin!(export);
        let result = poll_fn(|cx| {
            let _entered = self.runtime.enter();
            export.as_mut().poll(cx)
        })
        .await;
        self.report(&result);
        result
    }

    fn report(&self, result: &OTelSdkResult) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if complained.take().is_some() {
                    tracing::info!("telemetry is exported again");
                }
            }
            Err(error) => {
                if complained.is_none_or(|last| last.elapsed() > REPORT) {
                    tracing::warn!(%error, "the collector takes no telemetry: it is dropped, and tried again");
                    *complained = Some(Instant::now());
                }
            }
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Aside<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.done(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl PushMetricExporter for Aside<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.done(self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
