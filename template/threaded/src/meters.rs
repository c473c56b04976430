//! What is counted and timed, for Prometheus. Each label has few values, all of them ours: clients make no series.

use std::sync::LazyLock;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

/// The upper bounds of the buckets for durations, in seconds: from an answer out of memory to the longest waits.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

static ACCEPTED: LazyLock<IntCounterVec> =
    LazyLock::new(|| counters("connections_accepted_total", "Connections that have come", "listener"));

static OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    known(IntGaugeVec::new(Opts::new("connections_open", "Connections that there are"), &["listener"]))
});

/// Takes part in what is told. A name that is no name, or is there twice, is a mistake that a test sees.
#[expect(clippy::expect_used, reason = "names are constants")]
fn known<C: Collector + Clone + 'static>(collector: prometheus::Result<C>) -> C {
    let collector = collector.expect("a name that Prometheus takes");
    REGISTRY.register(Box::new(collector.clone())).expect("a name that is there once");
    collector
}

/// Counters with this name, told apart by a label.
pub fn counters(name: &str, meaning: &str, label: &str) -> IntCounterVec {
    known(IntCounterVec::new(Opts::new(name, meaning), &[label]))
}

/// Times something.
pub fn seconds(name: &str, meaning: &str) -> Histogram {
    known(Histogram::with_opts(HistogramOpts::new(name, meaning).buckets(SECONDS.to_vec())))
}

/// All measurements, at this moment.
///
/// # Errors
/// When they can't be written.
pub fn text() -> prometheus::Result<String> {
    TextEncoder::new().encode_to_string(&REGISTRY.gather())
}

/// The connections of a listener.
#[derive(Debug)]
pub struct Connections {
    /// How many have come.
    accepted: IntCounter,
    /// How many there are.
    open: IntGauge,
}

/// A connection that is there until this is dropped.
#[derive(Debug)]
pub struct Open(IntGauge);

impl Connections {
    /// Those of `listener`.
    #[must_use]
    pub fn of(listener: &str) -> Self {
        Self { accepted: ACCEPTED.with_label_values(&[listener]), open: OPEN.with_label_values(&[listener]) }
    }

    /// One more has come.
    #[must_use]
    pub fn accepted(&self) -> Open {
        self.accepted.inc();
        self.open.inc();
        Open(self.open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
