//! What is laid around all routes: a name for every request, and bounds for what it may take.

use std::{
    hash::{BuildHasher, RandomState},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::error::Overloaded};
use tracing::Instrument;

use crate::{
    config::Settings,
    lifecycle::{Name, Supervisor},
};

/// Names a request in the answer and in every log line about it; a caller's own is kept.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const LONGEST_ID: usize = 128;

/// Why a request was not served.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// As many requests as are allowed are in flight.
    Overloaded,
    /// No response head came in time.
    TimedOut,
    /// The handler panicked; it is logged.
    Panicked,
    /// The body is longer than this many bytes.
    TooLarge(usize),
    /// The body took longer than this.
    TooSlow(Duration),
    /// The body is compressed or otherwise encoded.
    Encoded,
}

/// What an interface says about its requests.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// What a request is called in logs: interface and route, never what a client made up.
    pub name: fn(&Request) -> Name,
    /// How its clients are told that a request is not served.
    pub refuse: fn(Refusal) -> Response,
}

/// The bounds, shared by all interfaces that speak HTTP.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Knows the work that is going on.
    supervisor: Supervisor,
    /// Places for requests; one semaphore, however many routers it is laid around.
    in_flight: GlobalConcurrencyLimitLayer,
    /// From the head of a request to the head of its response.
    request_timeout: Duration,
    /// For request bodies.
    bodies: Bodies,
}

/// The bounds of a request body.
#[derive(Clone, Copy, Debug)]
pub struct Bodies {
    /// Its length.
    pub max_bytes: usize,
    /// Its time.
    pub timeout: Duration,
}

impl Limits {
    /// The bounds that the settings name.
    #[must_use]
    pub fn new(settings: &Settings, supervisor: &Supervisor) -> Self {
        Self {
            supervisor: supervisor.clone(),
            in_flight: GlobalConcurrencyLimitLayer::new(settings.max_in_flight.get() as usize),
            request_timeout: settings.request_timeout,
            bodies: Bodies { max_bytes: settings.max_body_bytes.get() as usize, timeout: settings.body_timeout },
        }
    }

    /// The bounds of request bodies, for routes that have no others.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        self.bodies
    }

    /// Lays the bounds around all routes of `app`. A request passes from the top to the bottom.
    ///
    /// `load_shed` only sees that the limit is reached when it stands right above it, in the same builder: with a layer
    /// of axum's between them, requests would queue (axum #2582). A place is given back with the response head, so
    /// open streams hold none.
    pub fn around(&self, interface: Interface, app: Router) -> Router {
        app.layer(
            ServiceBuilder::new()
                // First, so that whatever is said about the request below carries its id.
                .layer(from_fn_with_state((self.supervisor.clone(), interface), named))
                // Above the limit: a panic gives its place back.
                .layer(from_fn_with_state(interface, rescued))
                // Above the timeout: when both deadlines are the same, a body's comes first, and the client's fault is
                // not called ours.
                .layer(from_fn_with_state((self.bodies, interface), bounded))
                .layer(HandleErrorLayer::new(async move |error: BoxError| refused(&error, interface)))
                .load_shed()
                .layer(self.in_flight.clone())
                .timeout(self.request_timeout),
        )
    }
}

/// Gives the request an id, a span, and a name among the work that the drain waits for.
async fn named(
    State((supervisor, interface)): State<(Supervisor, Interface)>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id(&request);
    let task = (interface.name)(&request);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %task);
    //{% if measured %}
    let meter = crate::meters::Request::begin(&task);
    //{% endif %}
    let work = Arc::new(supervisor.begin(task));
    async move {
        let start = Instant::now();
        let mut response = next.run(request).await;
        //{% if measured %}
        meter.answered(&response);
        //{% endif %}
        tracing::debug!(status = response.status().as_u16(), elapsed = ?start.elapsed(), "answered");
        response.headers_mut().insert(REQUEST_ID, id);
        // The connection takes it out, and drops it when the last byte of the response has left.
        response.extensions_mut().insert(work);
        response
    }
    .instrument(span)
    .await
}

fn request_id(request: &Request) -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    match request.headers().get(REQUEST_ID) {
        Some(id) if (1..=LONGEST_ID).contains(&id.len()) && id.to_str().is_ok() => id.clone(),
        _ => {
            let id = format!("{:016x}-{:x}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed));
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
        }
    }
}

/// Answers for a handler that panics. The panic hook has logged it, inside the request's span.
async fn rescued(State(interface): State<Interface>, request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => (interface.refuse)(Refusal::Panicked),
    }
}

/// Tells a client which bound it has met.
fn refused(error: &BoxError, interface: Interface) -> Response {
    (interface.refuse)(if error.is::<Overloaded>() {
        Refusal::Overloaded
    } else if error.is::<tower::timeout::error::Elapsed>() {
        Refusal::TimedOut
    } else {
        tracing::error!(%error, "a layer failed in a way that nobody expects");
        Refusal::Panicked
    })
}

/// Bounds the request's body, and answers for a handler that could not read it for that reason.
pub async fn bounded(State((bodies, interface)): State<(Bodies, Interface)>, request: Request, next: Next) -> Response {
    if request.headers().get_all(header::CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        return (interface.refuse)(Refusal::Encoded);
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    if request.body().size_hint().lower() > bodies.max_bytes as u64 {
        return (interface.refuse)(Refusal::TooLarge(bodies.max_bytes));
    }
    let fault = Arc::new(OnceLock::new());
    let request = request.map(|body| {
        let timer = Box::pin(sleep_until(Instant::now() + bodies.timeout));
        Body::new(Bounded { body, left: bodies.max_bytes, timer, fault: Arc::clone(&fault) })
    });
    let response = next.run(request).await;
    match fault.get() {
        Some(Fault::TooLarge) => (interface.refuse)(Refusal::TooLarge(bodies.max_bytes)),
        Some(Fault::TooSlow) => (interface.refuse)(Refusal::TooSlow(bodies.timeout)),
        None => response,
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Fault {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body takes too long")]
    TooSlow,
}

/// A request body that ends with an error when it meets a bound.
struct Bounded {
    /// What is read.
    body: Body,
    /// How many bytes may still come.
    left: usize,
    /// When it must have come.
    timer: Pin<Box<Sleep>>,
    /// Tells [`bounded`] what happened: the handler sees only that reading failed.
    fault: Arc<OnceLock<Fault>>,
}

impl Bounded {
    fn fail(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let fault = *self.fault.get_or_init(|| fault);
        Poll::Ready(Some(Err(fault.into())))
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.timer.as_mut().poll(cx));
            return self.fail(Fault::TooSlow);
        };
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return self.fail(Fault::TooLarge),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, routing::get};
    use clap::Parser;
    use tower::ServiceExt;

    use super::*;
    use crate::{lifecycle, problem};

    async fn panics() {
        panic!("on purpose")
    }

    /// What the stack makes of a request to a route that does `handler`, and of the work that went on meanwhile.
    async fn answer(request: axum::http::request::Builder, settings: &[&str]) -> (Response, Supervisor) {
        let (_control, phases) = lifecycle::channel();
        let supervisor = Supervisor::new(phases);
        let settings = Settings::parse_from([&["service"], settings].concat());
        let reports = supervisor.clone();
        let app = Router::new()
            .route("/panic", get(panics))
            .route("/stuck", get(async || std::future::pending::<()>().await))
            .route("/work/{id}", get(async move || reports.unfinished().join(", ")));
        let app = Limits::new(&settings, &supervisor).around(problem::INTERFACE, app);
        (app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap(), supervisor)
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_500_and_gives_its_place_back() {
        let (response, supervisor) = answer(Request::get("/panic"), &[]).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(REQUEST_ID));
        drop(response);
        assert!(supervisor.unfinished().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_is_stuck_is_answered_for_with_504() {
        let (response, _) = answer(Request::get("/stuck"), &["--request-timeout=5s"]).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }

    #[tokio::test]
    async fn work_is_named_by_its_route_until_its_response_is_gone() {
        let (response, supervisor) = answer(Request::get("/work/7"), &[]).await;
        assert_eq!(supervisor.unfinished(), ["http GET /work/{id}"]);
        drop(response);
        assert!(supervisor.unfinished().is_empty());
        let (_response, supervisor) = answer(Request::get("/nowhere"), &[]).await;
        assert_eq!(supervisor.unfinished(), ["http GET unmatched"], "never by what a client made up");
    }

    #[tokio::test]
    async fn a_callers_id_is_kept_if_it_can_be_an_id() {
        let (response, _) = answer(Request::get("/nowhere").header(REQUEST_ID, "abc-1"), &[]).await;
        assert_eq!(response.headers()[REQUEST_ID], "abc-1");
        let (response, _) = answer(Request::get("/nowhere").header(REQUEST_ID, "x".repeat(1000)), &[]).await;
        assert!(response.headers()[REQUEST_ID].len() < LONGEST_ID);
    }
}
