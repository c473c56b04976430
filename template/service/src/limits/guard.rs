//! One layer around all routes: it gives a request its name and its bounds, and an answer whatever happens below.
//!
//! In one place, because order is everything here, and because layers of axum's or tower's for the same would box a
//! future and copy what stands below them for each request.

use std::{
    array,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tower::{Layer, Service};
use tracing::Instrument;

use super::{Interface, Limits, Refusal};
use crate::net::InFlight;

/// Names a request in the answer and in every log line about it; a caller's own is kept.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
pub(super) const LONGEST_ID: usize = 128;

/// Lays [`Guarded`] around a service.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Rules>);

/// What holds for every request of an interface.
#[derive(Debug)]
struct Rules {
    /// The bounds.
    limits: Limits,
    /// Names requests, and answers for them.
    interface: Interface,
}

/// A service that always answers.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    /// Shared: a clone is made for every request.
    rules: Arc<Rules>,
    /// What is guarded.
    inner: S,
}

impl Guard {
    pub(super) fn new(limits: Limits, interface: Interface) -> Self {
        Self(Arc::new(Rules { limits, interface }))
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rules: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
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
        let work = rules.limits.supervisor.begin(task);
        let in_flight = request.extensions_mut().remove::<Arc<InFlight>>();
        let work = match &in_flight {
            Some(in_flight) => {
                in_flight.holds(work);
                None
            }
            None => Some(work),
        };
        // Who finds no place is refused, not queued: a queue would only make everybody late.
        let place = Arc::clone(&rules.limits.in_flight).try_acquire_owned().map_err(|_| Refusal::Overloaded);
        let admitted = place.and_then(|place| {
            let (request, watch) = rules.limits.bodies.bound(rules.interface, request)?;
            Ok((place, watch, self.inner.call(request)))
        });
        let answered = async move {
            let refuse = rules.interface.refuse;
            //{% if measured %}
            let refuse = |refusal| {
                meter.refused(refusal);
                refuse(refusal)
            };
            //{% endif %}
            let start = Instant::now();
            let mut response = match admitted {
                Ok((place, watch, answer)) => {
                    let answer = AssertUnwindSafe(answer).catch_unwind();
                    // The answer is asked first: of two deadlines that are the same the body's comes before this one,
                    // so that the client's fault is not called the service's.
                    let response = match timeout(rules.limits.request_timeout, answer).await {
                        Ok(Ok(Ok(response))) => response,
                        // The panic hook has logged it, inside the request's span.
                        Ok(Err(_)) => refuse(Refusal::Panicked),
                        Err(_) => refuse(Refusal::TimedOut),
                    };
                    // With the head of the response: a stream that stays open holds a place among streams.
                    drop(place);
                    let response = watch.settle(rules.interface, response);
                    rules.limits.admit_stream(response, in_flight.as_deref()).unwrap_or_else(refuse)
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
    let id = u128::from(*PROCESS) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_bytes(&hex(id)).unwrap_or(HeaderValue::from_static("none"))
}

/// As 32 digits. Every request needs one: `format!` takes ten times as long.
fn hex(number: u128) -> [u8; 32] {
    let bytes = number.to_be_bytes();
    array::from_fn(|digit| {
        let byte = bytes[digit / 2];
        let half = if digit % 2 == 0 { byte >> 4 } else { byte & 0xf };
        b"0123456789abcdef"[usize::from(half)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers_in_hexadecimal() {
        for number in [0, 0x0123_4567_89ab_cdef, u128::MAX] {
            assert_eq!(hex(number), *format!("{number:032x}").as_bytes());
        }
    }
}
