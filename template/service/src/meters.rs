//! What is counted and timed: every instrument once, with its name and its labels.
//!
//! The instruments are OpenTelemetry's; `telemetry` says where their values go, and where that is nowhere they do
//! nothing. Each label has few values, all of them ours: who makes up paths or methods makes up no series. What is
//! counted often is bound to its labels beforehand: then a count takes 3 ns, and 300 otherwise.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use axum::response::Response;
use opentelemetry::{
    KeyValue, global,
    metrics::{BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Histogram, Meter, UpDownCounter},
};
use tokio::{runtime::Handle, time::Instant};

use crate::limits::Refusal;

/// The upper bounds of the buckets for durations, in seconds: from an answer out of memory to the request timeout.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Requests that are named differently get series of their own up to this number; it takes a mistake to reach it.
const ROUTES: usize = 500;

/// The status of a call of gRPC that has begun to be answered without an error.
const GRPC_OK: u16 = 0;

/// Stands for a status where the client had gone before there was one.
const CANCELLED: u16 = u16::MAX;

/// Made when it is first used: `telemetry` has said by then where values go.
static METER: LazyLock<Meter> = LazyLock::new(|| global::meter("service"));

/// The series of requests.
static REQUESTS: LazyLock<Requests> = LazyLock::new(|| Requests {
    total: METER.u64_counter("requests").with_description("Requests that were answered").build(),
    seconds: METER
        .f64_histogram("request.duration")
        .with_description("From the head of a request to the head of its response")
        .with_unit("s")
        .with_boundaries(SECONDS.to_vec())
        .build(),
    in_flight: METER
        .i64_up_down_counter("requests.in_flight")
        .with_description("Requests whose response has not begun")
        .build(),
    shed: METER.u64_counter("requests.shed").with_description("Requests that were refused as too many").build(),
    routes: RwLock::default(),
});

/// What is measured of requests.
struct Requests {
    /// By interface, method, route and status.
    total: Counter<u64>,
    /// By interface, method and route.
    seconds: Histogram<f64>,
    /// By interface.
    in_flight: UpDownCounter<i64>,
    /// By interface.
    shed: Counter<u64>,
    /// The series of requests by their name.
    routes: RwLock<HashMap<String, Arc<Route>>>,
}

/// The series of requests with one name.
struct Route {
    /// Interface, method and route.
    labels: [KeyValue; 3],
    /// How long they take.
    seconds: BoundHistogram<f64>,
    /// How many there are.
    in_flight: BoundUpDownCounter<i64>,
    /// How many were too many.
    shed: BoundCounter<u64>,
    /// How many were answered, by status; there are few.
    answered: RwLock<Vec<(u16, BoundCounter<u64>)>>,
}

impl Route {
    /// The series of requests that are called `name`: an interface, perhaps a method, and a route.
    fn of(name: &str) -> Arc<Self> {
        let routes = REQUESTS.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(name) {
            return Arc::clone(route);
        }
        let name = if routes.len() < ROUTES { name } else { "other other other" };
        drop(routes);
        let mut routes = REQUESTS.routes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(name.to_owned()).or_insert_with(|| Arc::new(Self::new(name))))
    }

    fn new(name: &str) -> Self {
        let (interface, call) = name.split_once(' ').unwrap_or((name, "unmatched"));
        // All calls of gRPC have one method, so their names leave it out.
        let (method, route) = call.split_once(' ').unwrap_or(("POST", call));
        let shed = shed(interface);
        let interface = KeyValue::new("interface", interface.to_owned());
        let labels =
            [interface.clone(), KeyValue::new("method", method.to_owned()), KeyValue::new("route", route.to_owned())];
        Self {
            seconds: REQUESTS.seconds.bind(&labels),
            in_flight: REQUESTS.in_flight.bind(&[interface]),
            shed,
            answered: RwLock::default(),
            labels,
        }
    }

    fn count(&self, status: u16) {
        let answered = self.answered.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = answered.iter().find(|(known, _)| *known == status) {
            return count.add(1);
        }
        drop(answered);
        let label = match status {
            CANCELLED => KeyValue::new("status", "cancelled"),
            status => KeyValue::new("status", i64::from(status)),
        };
        let [interface, method, route] = self.labels.clone();
        let count = REQUESTS.total.bind(&[interface, method, route, label]);
        count.add(1);
        // Who else bound it meanwhile has bound the same series.
        self.answered.write().unwrap_or_else(PoisonError::into_inner).push((status, count));
    }
}

/// Counts what an interface refuses as too much; keep it, and `add` to it.
pub fn shed(interface: &str) -> BoundCounter<u64> {
    let shed = REQUESTS.shed.bind(&[KeyValue::new("interface", interface.to_owned())]);
    // The series is there before the first is shed: a rate can't be told from a series that begins with its event.
    shed.add(0);
    shed
}

/// A request that is being answered.
pub struct Request {
    /// Where it counts.
    route: Arc<Route>,
    /// When its head had come.
    began: Instant,
    /// What it was answered with.
    status: u16,
}

impl Request {
    /// A request that is called `name` has come.
    #[must_use]
    pub fn begin(name: &str) -> Self {
        let route = Route::of(name);
        route.in_flight.add(1);
        Self { route, began: Instant::now(), status: CANCELLED }
    }

    /// It is not served.
    pub fn refused(&self, refusal: Refusal) {
        if matches!(refusal, Refusal::Overloaded) {
            self.route.shed.add(1);
        }
    }

    /// The head of its response is there. A call of gRPC has the status that gRPC gives it.
    pub fn answered(mut self, response: &Response) {
        let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
        let is_call = response.headers().get("content-type").is_some_and(|kind| kind == "application/grpc");
        self.status = code.unwrap_or(if is_call { GRPC_OK } else { response.status().as_u16() });
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.route.in_flight.add(-1);
        self.route.seconds.record(self.began.elapsed().as_secs_f64());
        self.route.count(self.status);
    }
}

/// Something that is there until it is dropped.
#[derive(Debug)]
pub struct Open(BoundUpDownCounter<i64>);

impl Open {
    fn new(counter: &BoundUpDownCounter<i64>) -> Self {
        counter.add(1);
        Self(counter.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// The connections of a listener.
pub struct Connections {
    /// How many have come.
    accepted: BoundCounter<u64>,
    /// How many there are.
    open: BoundUpDownCounter<i64>,
}

impl Connections {
    /// Those of `listener`.
    #[must_use]
    pub fn of(listener: &'static str) -> Self {
        let labels = [KeyValue::new("listener", listener)];
        let accepted = METER.u64_counter("connections.accepted").with_description("Connections that have come");
        let open = METER.i64_up_down_counter("connections.open").with_description("Connections that there are");
        let connections = Self { accepted: accepted.build().bind(&labels), open: open.build().bind(&labels) };
        connections.accepted.add(0);
        connections.open.add(0);
        connections
    }

    /// One more has come.
    pub fn accepted(&self) -> Open {
        self.accepted.add(1);
        Open::new(&self.open)
    }
}

/// Counts responses that have no end of their own: 1 for one that begins, -1 for one that ends.
pub fn streams(change: i64) {
    static OPEN: LazyLock<BoundUpDownCounter<i64>> = LazyLock::new(|| {
        let open = METER.i64_up_down_counter("streams.open").with_description("Streams of events that are being sent");
        open.build().bind(&[])
    });
    OPEN.add(change);
}

//{% if tcp %}
/// Counts RESP commands with this name; keep it, and `add` to it.
pub fn commands(name: &'static str) -> BoundCounter<u64> {
    let commands = METER.u64_counter("resp.commands").with_description("RESP commands that were understood");
    commands.build().bind(&[KeyValue::new("command", name)])
}

/// Counts RESP commands that were answered with this kind of error; keep it, and `add` to it.
pub fn errors(kind: &'static str) -> BoundCounter<u64> {
    let errors = METER.u64_counter("resp.errors").with_description("RESP commands that were answered with an error");
    errors.build().bind(&[KeyValue::new("error", kind)])
}

/// Times RESP commands that were sent in one go; keep it, and `record` to it.
pub fn batches() -> BoundHistogram<f64> {
    let seconds = METER.f64_histogram("resp.batch.duration").with_unit("s").with_boundaries(SECONDS.to_vec());
    seconds.with_description("From RESP commands that have come together to their answers").build().bind(&[])
}

//{% endif %}
//{% if outbound %}
/// Counts what becomes of deliveries to the webhook; keep it, and `add` to it.
pub fn deliveries(outcome: &'static str) -> BoundCounter<u64> {
    let deliveries = METER.u64_counter("outbound.deliveries").with_description("Deliveries that have ended");
    deliveries.build().bind(&[KeyValue::new("outcome", outcome)])
}

//{% endif %}
/// Reads a value whenever somebody looks: the length of a queue, for example. Nothing is told while it is `None`.
pub fn observe(name: &'static str, description: &'static str, value: impl Fn() -> Option<u64> + Send + Sync + 'static) {
    let gauge = METER.u64_observable_gauge(name).with_description(description);
    gauge.with_callback(move |observer| value().into_iter().for_each(|value| observer.observe(value, &[]))).build();
}

/// Reads what the runtime tells of itself.
pub fn runtime(runtime: &Handle) {
    let metrics = runtime.metrics();
    observe("tokio.workers", "Threads that run tasks", move || u64::try_from(metrics.num_workers()).ok());
    let metrics = runtime.metrics();
    observe("tokio.tasks", "Tasks that have not ended", move || u64::try_from(metrics.num_alive_tasks()).ok());
    let metrics = runtime.metrics();
    observe("tokio.queue.depth", "Tasks that wait for a thread to take them over", move || {
        u64::try_from(metrics.global_queue_depth()).ok()
    });
    let metrics = runtime.metrics();
    let busy = METER.f64_observable_counter("tokio.busy").with_unit("s");
    busy.with_description("Time that the threads have spent running tasks")
        .with_callback(move |observer| {
            let busy = (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker));
            observer.observe(busy.sum::<std::time::Duration>().as_secs_f64(), &[]);
        })
        .build();
}
