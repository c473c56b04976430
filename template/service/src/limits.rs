//! What is laid around all routes: a name for every request, and bounds for what it may take.

mod body;
mod guard;

pub use body::{Bodies, bounded};

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, response::Response};
use process::work::Name;
use tokio::sync::Semaphore;

use crate::{
    config::Settings,
    lifecycle::Supervisor,
    net::{InFlight, OpenEnded},
};

use guard::Guard;

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
    /// How many bytes its protocol puts into a body around what [`Bodies::max_bytes`] bounds.
    pub framing: usize,
}

/// The bounds, shared by all interfaces that speak HTTP.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Knows the work that is going on.
    supervisor: Supervisor,
    /// Places for requests, of all interfaces together.
    in_flight: Arc<Semaphore>,
    /// Places for responses that have no end of their own.
    streams: Arc<Semaphore>,
    /// From the head of a request to the head of its response.
    request_timeout: Duration,
    /// For request bodies.
    bodies: Bodies,
}

impl Limits {
    /// The bounds that the settings name.
    #[must_use]
    pub fn new(settings: &Settings, supervisor: &Supervisor) -> Self {
        Self {
            supervisor: supervisor.clone(),
            in_flight: Arc::new(Semaphore::new(settings.max_in_flight.get() as usize)),
            // As many as there may be connections: over HTTP/2, one alone could have hundreds.
            streams: Arc::new(Semaphore::new(settings.max_connections.get() as usize)),
            request_timeout: settings.request_timeout,
            bodies: Bodies { max_bytes: settings.max_body_bytes.get() as usize, timeout: settings.body_timeout },
        }
    }

    /// The bounds of request bodies, for routes that have no others.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        self.bodies
    }

    /// Lays the bounds around all routes of `app`.
    pub fn around(&self, interface: Interface, app: Router) -> Router {
        app.layer(Guard::new(self.clone(), interface))
    }

    /// Lets `response` pass if it has an end, or a place among those that have none; it is kept until the last byte.
    fn admit_stream(&self, response: Response, in_flight: Option<&InFlight>) -> Result<Response, Refusal> {
        if response.extensions().get::<OpenEnded>().is_some() {
            let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::Overloaded)?;
            if let Some(in_flight) = in_flight {
                in_flight.holds_place(place);
            }
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Extension,
        body::Body,
        http::StatusCode,
        routing::{get, put},
    };
    use clap::Parser;
    use tower::ServiceExt;

    use super::{
        guard::{LONGEST_ID, REQUEST_ID},
        *,
    };
    use crate::{lifecycle, problem};

    async fn panics() {
        panic!("on purpose")
    }

    /// What the stack makes of a request to a route that does `handler`, and of the work that went on meanwhile.
    async fn answer(request: axum::http::request::Builder, settings: &[&str]) -> (Response, Supervisor) {
        answer_with(request, Body::empty(), settings).await
    }

    async fn answer_with(
        request: axum::http::request::Builder,
        body: impl Into<Body>,
        settings: &[&str],
    ) -> (Response, Supervisor) {
        let (_control, phases) = lifecycle::channel();
        let supervisor = Supervisor::new(phases);
        let settings = Settings::parse_from([&["service"], settings].concat());
        let reports = supervisor.clone();
        let names = async move || reports.unfinished().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let app = Router::new()
            .route("/panic", get(panics))
            .route("/stuck", get(async || std::future::pending::<()>().await))
            .route("/read", put(async |body: String| body))
            .route("/work/{id}", get(names));
        let app = Limits::new(&settings, &supervisor).around(problem::INTERFACE, app);
        (app.oneshot(request.body(body.into()).unwrap()).await.unwrap(), supervisor)
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
    async fn work_is_named_by_its_route_until_its_response_is_written() {
        let written = Arc::new(InFlight::alone());
        let (_, supervisor) = answer(Request::get("/work/7").extension(Arc::clone(&written)), &[]).await;
        assert_eq!(supervisor.unfinished(), ["http GET /work/{id}"]);
        drop(written);
        assert!(supervisor.unfinished().is_empty());
        let written = Arc::new(InFlight::alone());
        let (_, supervisor) = answer(Request::get("/nowhere").extension(Arc::clone(&written)), &[]).await;
        assert_eq!(supervisor.unfinished(), ["http GET unmatched"], "never by what a client made up");
    }

    #[tokio::test]
    async fn streams_have_places_of_their_own() {
        let (_control, phases) = lifecycle::channel();
        let settings = Settings::parse_from(["service", "--max-in-flight=1", "--max-connections=2"]);
        let app = Router::new().route("/stream", get(async || Extension(OpenEnded)));
        let app = Limits::new(&settings, &Supervisor::new(phases)).around(problem::INTERFACE, app);
        let open = async || {
            let in_flight = Arc::new(InFlight::alone());
            let request = Request::get("/stream").extension(Arc::clone(&in_flight)).body(Body::empty()).unwrap();
            (app.clone().oneshot(request).await.unwrap().status(), in_flight)
        };
        let ((first, _first), (second, second_stream)) = (open().await, open().await);
        assert_eq!((first, second), (StatusCode::OK, StatusCode::OK), "they hold no place of a request");
        assert_eq!(open().await.0, StatusCode::SERVICE_UNAVAILABLE);
        drop(second_stream);
        assert_eq!(open().await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn work_without_a_connection_ends_with_its_response_head() {
        let (response, supervisor) = answer(Request::get("/work/7"), &[]).await;
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(body, "http GET /work/{id}");
        assert!(supervisor.unfinished().is_empty());
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_by_who_reads_it() {
        let long = ["--max-body-bytes=10"];
        for (method, path, status) in [
            ("PUT", "/read", StatusCode::PAYLOAD_TOO_LARGE),
            ("POST", "/read", StatusCode::METHOD_NOT_ALLOWED),
            ("POST", "/nowhere", StatusCode::NOT_FOUND),
        ] {
            let request = Request::builder().method(method).uri(path);
            let (response, _) = answer_with(request, "x".repeat(11), &long).await;
            assert_eq!(response.status(), status, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_callers_id_is_kept_if_it_can_be_an_id() {
        let (response, _) = answer(Request::get("/nowhere").header(REQUEST_ID, "abc-1"), &[]).await;
        assert_eq!(response.headers()[REQUEST_ID], "abc-1");
        let (response, _) = answer(Request::get("/nowhere").header(REQUEST_ID, "x".repeat(1000)), &[]).await;
        assert!(response.headers()[REQUEST_ID].len() < LONGEST_ID);
    }
}
