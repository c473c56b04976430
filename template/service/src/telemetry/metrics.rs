//! Measurements for Prometheus, in its text format.

use opentelemetry_sdk::{error::OTelSdkError, metrics::MeterProviderBuilder};
use prometheus::{Registry, TextEncoder};
use tokio::task::{JoinError, spawn_blocking};

/// Everything that is measured. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Registry);

/// Why the measurements can't be told.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// They have no such form.
    #[error("a measurement can't be written: {0}")]
    Encode(#[from] prometheus::Error),
    /// The thread did not come to its end.
    #[error("the thread that writes them has failed: {0}")]
    Thread(#[from] JoinError),
}

impl Metrics {
    /// Has `meters` report here.
    pub(super) fn read(meters: MeterProviderBuilder) -> Result<(MeterProviderBuilder, Self), OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Prometheus knows by itself whom it asks.
            .without_target_info()
            .scope_info_enabled(false);
        Ok((meters.with_reader(exporter.build()?), Self(registry)))
    }

    /// All measurements, at this moment. They are read and written on a thread of their own: with many series that takes
    /// longer than a task may.
    ///
    /// # Errors
    /// When they can't be written.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn text(&self) -> Result<String, ScrapeError> {
        let registry = self.0.clone();
        Ok(spawn_blocking(move || TextEncoder::new().encode_to_string(&registry.gather())).await??)
    }
}
