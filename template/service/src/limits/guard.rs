//! The layer of our own: it gives a request its name, and an answer whatever happens below.
//!
//! One layer does what four of axum's `from_fn` would do better to look at: each of those boxes a future and clones all
//! that stands below it, for every request.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    io::Write,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};
use futures_util::FutureExt;
use tokio::time::Instant;
use tower::{Layer, Service, load_shed::error::Overloaded, timeout::error::Elapsed};
use tracing::Instrument;

use super::{Bodies, Interface, Refusal};
use crate::{lifecycle::Supervisor, net::InFlight};

/// Names a request in the answer and in every log line about it; a caller's own is kept.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
pub(super) const LONGEST_ID: usize = 128;

/// Lays [`Guarded`] around a service.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Rules>);

/// What every request is given.
#[derive(Debug)]
struct Rules {
    /// Knows the work that is going on.
    supervisor: Supervisor,
    /// Names requests, and answers for them.
    interface: Interface,
    /// The bounds of their bodies.
    bodies: Bodies,
}

/// A service that always answers.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    /// Shared: a clone is made for every request.
    rules: Arc<Rules>,
    /// What is guarded.
    inner: S,
    /// Why it can't be called.
    broken: Option<Refusal>,
}

impl Guard {
    pub(super) fn new(supervisor: &Supervisor, interface: Interface, bodies: Bodies) -> Self {
        Self(Arc::new(Rules { supervisor: supervisor.clone(), interface, bodies }))
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rules: Arc::clone(&self.0), inner, broken: None }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.broken = ready!(self.inner.poll_ready(cx)).err().map(|error| refusal(&error));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        let id = request_id(&request);
        let task = (rules.interface.name)(&request);
        //{% filter replace(', trace_id = tracing::field::Empty, otel.kind = "server"', traced_fields) %}
        let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %task, trace_id = tracing::field::Empty, otel.kind = "server");
        //{% endfilter %}
        //{% if otel %}
        crate::telemetry::otel::join(&span, &task, request.headers());
        //{% endif %}
        //{% if measured %}
        let meter = crate::meters::Request::begin(&task);
        //{% endif %}
        // A request that came over a connection is work until the last byte of its response has left.
        let work = rules.supervisor.begin(task);
        let in_flight = request.extensions_mut().remove::<Arc<InFlight>>();
        let work = match &in_flight {
            Some(in_flight) => {
                in_flight.holds(work);
                None
            }
            None => Some(work),
        };
        let answer = match self.broken.map_or_else(|| rules.bodies.bound(rules.interface, request), Err) {
            Ok((request, watch)) => Ok((AssertUnwindSafe(self.inner.call(request)).catch_unwind(), watch)),
            Err(refusal) => Err(refusal),
        };
        let answered = async move {
            let refuse = rules.interface.refuse;
            //{% if measured %}
            let refuse = |refusal| {
                meter.refused(refusal);
                refuse(refusal)
            };
            //{% endif %}
            let start = Instant::now();
            let mut response = match answer {
                Ok((answer, watch)) => {
                    let response = match answer.await {
                        Ok(Ok(response)) => response,
                        Ok(Err(error)) => refuse(refusal(&error)),
                        // The panic hook has logged it, inside the request's span.
                        Err(_) => refuse(Refusal::Panicked),
                    };
                    watch.settle(rules.interface, response)
                }
                Err(refusal) => refuse(refusal),
            };
            //{% if measured %}
            meter.answered(&response);
            //{% endif %}
            tracing::debug!(status = response.status().as_u16(), elapsed = ?start.elapsed(), "answered");
            response.headers_mut().insert(REQUEST_ID, id);
            drop((work, in_flight));
            Ok(response)
        };
        Box::pin(answered.instrument(span))
    }
}

/// Which bound a request has met.
fn refusal(error: &BoxError) -> Refusal {
    if error.is::<Overloaded>() {
        Refusal::Overloaded
    } else if error.is::<Elapsed>() {
        Refusal::TimedOut
    } else {
        tracing::error!(%error, "a layer failed in a way that nobody expects");
        Refusal::Panicked
    }
}

/// The caller's id, or one that no other request has: of this process, or of any other.
fn request_id(request: &Request) -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if let Some(id) = request.headers().get(REQUEST_ID)
        && (1..=LONGEST_ID).contains(&id.len())
        && id.to_str().is_ok()
    {
        return id.clone();
    }
    let mut text = [0; 16 + 1 + 16];
    let mut rest = &mut text[..];
    let written = write!(rest, "{:016x}-{:x}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed));
    let left = rest.len();
    let id = written.ok().and_then(|()| HeaderValue::from_bytes(text.get(..text.len() - left)?).ok());
    id.unwrap_or(HeaderValue::from_static("none"))
}
