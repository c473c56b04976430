//! Every row of the HTTP interface, at the router: no sockets, and time stands still.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
    response::Response,
};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::{
    http,
    lifecycle::{self, Phase, PhaseControl, Supervisor},
    store::{Options, Store},
};
use tokio::{
    task::yield_now,
    time::{self, Instant},
};
use tower::ServiceExt;

const SECOND: Duration = Duration::from_secs(1);

/// The interface on a store of its own.
struct Service {
    router: Router,
    control: PhaseControl,
}

/// A response that has been read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

fn start() -> Service {
    start_with(Options::default())
}

fn start_with(options: Options) -> Service {
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let store = Store::start(options, &Supervisor::new(phases.clone()), phases.clone());
    Service { router: http::router(store, phases), control }
}

impl Service {
    /// Sends a request and reads the head of the response.
    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn call_with(&self, call: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (method, uri) = call.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.send(request.body(body.into()).unwrap()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.into_body().collect().await.unwrap().to_bytes() }
    }

    async fn call(&self, call: &str) -> Answer {
        self.call_with(call, &[], Body::empty()).await
    }

    async fn put(&self, path: &str, value: &'static str) -> Answer {
        self.call_with(&format!("PUT {path}"), &[], value).await
    }
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that this is a problem document for its status, and gives the detail.
    fn problem(&self, status: StatusCode) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        assert_eq!(self.json()["status"], status.as_u16());
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_answers_201_then_200_with_the_revision_as_etag() {
    let service = start();
    let first = service.put("/v1/keys/k", "one").await;
    assert_eq!((first.status, first.header(header::ETAG)), (StatusCode::CREATED, "\"1\""));
    let second = service.put("/v1/keys/k", "two").await;
    assert_eq!((second.status, second.header(header::ETAG)), (StatusCode::OK, "\"2\""));

    let got = service.call("GET /v1/keys/k").await;
    assert_eq!((got.status, got.header(header::ETAG), &*got.body), (StatusCode::OK, "\"2\"", &b"two"[..]));
    assert_eq!(got.header(header::CONTENT_TYPE), "application/octet-stream");
}

#[tokio::test(start_paused = true)]
async fn a_delete_answers_204_and_then_404() {
    let service = start();
    service.put("/v1/keys/k", "one").await;
    assert_eq!(service.call("DELETE /v1/keys/k").await.status, StatusCode::NO_CONTENT);
    service.call("DELETE /v1/keys/k").await.problem(StatusCode::NOT_FOUND);
    service.call("GET /v1/keys/k").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn keys_are_any_text_percent_encoded() {
    let service = start();
    for (encoded, key) in [("a%2Fb", "a/b"), ("%C3%BC%20%25", "ü %"), ("..", ".."), ("+", "+"), ("%00", "\0")] {
        assert_eq!(service.put(&format!("/v1/keys/{encoded}"), "x").await.status, StatusCode::CREATED, "{key}");
        let listing = service.call("GET /v1/keys").await.json();
        assert_eq!(listing["keys"][0]["key"], key);
        assert_eq!(service.call(&format!("DELETE /v1/keys/{encoded}")).await.status, StatusCode::NO_CONTENT);
    }
    service.put("/v1/keys/%FF", "x").await.problem(StatusCode::BAD_REQUEST);
    service.call("GET /v1/keys?prefix=%FF").await.problem(StatusCode::BAD_REQUEST);
    service.put("/v1/keys/", "x").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn if_match_and_if_none_match_guard_changes() {
    let service = start();
    let statuses = [
        ("PUT /v1/keys/k", "if-match", "*", StatusCode::PRECONDITION_FAILED),
        ("PUT /v1/keys/k", "if-none-match", "*", StatusCode::CREATED),
        ("PUT /v1/keys/k", "if-none-match", "*", StatusCode::PRECONDITION_FAILED),
        ("PUT /v1/keys/k", "if-match", "\"7\", \"1\"", StatusCode::OK),
        ("PUT /v1/keys/k", "if-match", "\"1\"", StatusCode::PRECONDITION_FAILED),
        ("PUT /v1/keys/k", "if-match", "W/\"2\"", StatusCode::PRECONDITION_FAILED),
        ("PUT /v1/keys/k", "if-match", "2", StatusCode::BAD_REQUEST),
        ("PUT /v1/keys/k", "if-match", "*", StatusCode::OK),
        ("GET /v1/keys/k", "if-none-match", "\"3\"", StatusCode::NOT_MODIFIED),
        ("GET /v1/keys/k", "if-none-match", "\"2\"", StatusCode::OK),
        ("DELETE /v1/keys/k", "if-match", "\"1\"", StatusCode::PRECONDITION_FAILED),
        ("DELETE /v1/keys/k", "if-match", "\"3\"", StatusCode::NO_CONTENT),
    ];
    for (call, name, value, status) in statuses {
        let answer = service.call_with(call, &[(name, value)], "x").await;
        assert_eq!(answer.status, status, "{call} {name}: {value}");
        if status.is_client_error() {
            answer.problem(status);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_ttl_goes_away_and_a_put_without_one_keeps_it() {
    let service = start();
    service.put("/v1/keys/gone?ttl=5s", "x").await;
    service.put("/v1/keys/kept?ttl=250ms", "x").await;
    service.put("/v1/keys/kept", "x").await;
    let listing = service.call("GET /v1/keys").await.json();
    assert_eq!(listing["keys"][0]["expires_in_ms"], 5000);
    time::advance(5 * SECOND).await;
    assert_eq!(service.call("GET /v1/keys/gone").await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.call("GET /v1/keys/kept").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_exactly_this() {
    let service = start();
    for key in ["p2", "p1", "q", "p3"] {
        service.put(&format!("/v1/keys/{key}"), "abc").await;
    }
    let item = |key, revision| json!({"key": key, "revision": revision, "size": 3, "expires_in_ms": null});
    assert_eq!(
        service.call("GET /v1/keys?prefix=p&limit=2").await.json(),
        json!({"keys": [item("p1", 2), item("p2", 1)], "more": true})
    );
    assert_eq!(service.call("GET /v1/keys?prefix=q").await.json(), json!({"keys": [item("q", 3)], "more": false}));
    assert_eq!(service.call("GET /v1/keys?prefix=z").await.json(), json!({"keys": [], "more": false}));
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_never_longer_than_a_thousand_keys() {
    let service = start();
    for number in 0..=1000 {
        service.put(&format!("/v1/keys/{number}"), "x").await;
    }
    for call in ["GET /v1/keys", "GET /v1/keys?limit=5000"] {
        let listing = service.call(call).await.json();
        assert_eq!((listing["keys"].as_array().unwrap().len(), &listing["more"]), (1000, &json!(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_answers_as_soon_as_there_is_something_newer() {
    let service = start();
    let put = async {
        time::sleep(SECOND).await;
        service.put("/v1/keys/k", "one").await
    };
    let (missing, _) = tokio::join!(service.call("GET /v1/keys/k?after=0&wait=5s"), put);
    assert_eq!((missing.status, missing.header(header::ETAG), &*missing.body), (StatusCode::OK, "\"1\"", &b"one"[..]));

    let began = Instant::now();
    let (newer, _) = tokio::join!(service.call("GET /v1/keys/k?after=1&wait=5s"), service.put("/v1/keys/k", "two"));
    assert_eq!((newer.status, newer.header(header::ETAG)), (StatusCode::OK, "\"2\""));
    assert_eq!(service.call("GET /v1/keys/k?after=1&wait=5s").await.status, StatusCode::OK);
    assert!(began.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_nothing_ends_with_204() {
    let service = start();
    service.put("/v1/keys/k", "one").await;
    let began = Instant::now();
    let unchanged = service.call("GET /v1/keys/k?after=1&wait=5s").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NO_CONTENT, 0));
    assert!(began.elapsed() >= 5 * SECOND);
    assert_eq!(service.call("GET /v1/keys/missing?after=0&wait=5s").await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.call("GET /v1/keys/k?after=1").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn a_wait_learns_that_its_key_was_removed() {
    let service = start();
    service.put("/v1/keys/k", "one").await;
    let (waited, _) = tokio::join!(service.call("GET /v1/keys/k?after=1&wait=5s"), service.call("DELETE /v1/keys/k"));
    waited.problem(StatusCode::NOT_FOUND);
    service.call("GET /v1/keys/k?after=1&wait=5s").await.problem(StatusCode::NOT_FOUND);
    assert_eq!(service.call("GET /v1/keys/k?after=0&wait=5s").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn the_drain_ends_waits_with_204() {
    let service = start();
    let began = Instant::now();
    let drain = async {
        time::sleep(SECOND).await;
        service.control.advance(Phase::Draining);
    };
    let (waited, ()) = tokio::join!(service.call("GET /v1/keys/k?after=0&wait=60s"), drain);
    assert_eq!(waited.status, StatusCode::NO_CONTENT);
    assert!(began.elapsed() < 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_wrong_or_unknown_is_named() {
    let service = start();
    for (call, named) in [
        ("PUT /v1/keys/k?ttl=5", "ttl"),
        ("PUT /v1/keys/k?ttl=0s", "ttl"),
        ("PUT /v1/keys/k?ttl=", "ttl"),
        ("PUT /v1/keys/k?ttl=1s&ttl=2s", "ttl"),
        ("PUT /v1/keys/k?tll=5s", "tll"),
        ("GET /v1/keys/k?after=x&wait=5s", "after"),
        ("GET /v1/keys/k?after=-1", "after"),
        ("GET /v1/keys/k?after=1&wait=5", "wait"),
        ("GET /v1/keys/k?after=1&wait=0ms", "wait"),
        ("GET /v1/keys/k?wait=5s", "wait"),
        ("DELETE /v1/keys/k?ttl=5s", "ttl"),
        ("GET /v1/keys?limit=0", "limit"),
        ("GET /v1/keys?limit=many", "limit"),
        ("GET /v1/keys?offset=3", "offset"),
        ("GET /v1/events?after=3", "after"),
    ] {
        let detail = service.call(call).await.problem(StatusCode::BAD_REQUEST);
        assert!(detail.contains(named), "{call}: {detail}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_routes_and_methods_are_problems() {
    let service = start();
    for call in ["GET /", "GET /v1/keys/a/b", "GET /v2/keys", "POST /nowhere"] {
        service.call(call).await.problem(StatusCode::NOT_FOUND);
    }
    for (call, allowed) in
        [("POST /v1/keys/k", "GET,HEAD,PUT,DELETE"), ("PUT /v1/keys", "GET,HEAD"), ("DELETE /v1/events", "GET,HEAD")]
    {
        let answer = service.call(call).await;
        answer.problem(StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header(header::ALLOW), allowed, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_description_is_a_route_and_the_store_is_described() {
    const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
    let service = start();
    let description = service.call("GET /openapi.json").await.json();
    let paths = description["paths"].as_object().unwrap();
    let mut described = Vec::new();
    for (path, operations) in paths {
        for method in METHODS {
            let operation = operations.get(method);
            described.extend(operation.map(|_| format!("{method} {path}")));
            // With a parameter that they don't have, most routes say so and do nothing.
            let path = path.split('/').map(|part| if part.starts_with('{') { "k" } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let call = format!("{} {path}?no-such-parameter=", method.to_uppercase());
            let request = Request::builder().method(&*method.to_uppercase()).uri(call.split_once(' ').unwrap().1);
            let status = service.send(request.body(Body::empty()).unwrap()).await.status();
            assert_ne!(status, StatusCode::NOT_FOUND, "{call}");
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, operation.is_some(), "{call}");
        }
    }
    for route in [
        "delete /v1/keys/{key}",
        "get /openapi.json",
        "get /v1/events",
        "get /v1/keys",
        "get /v1/keys/{key}",
        "put /v1/keys/{key}",
    ] {
        assert!(described.iter().any(|described| described == route), "{route} is not in {described:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_description_says_what_comes_in_and_what_goes_out() {
    let description = start().call("GET /openapi.json").await.json();
    let put = &description["paths"]["/v1/keys/{key}"]["put"];
    let names: Vec<_> = put["parameters"].as_array().unwrap().iter().map(|each| &each["name"]).collect();
    assert_eq!(names, ["key", "ttl", "If-Match", "If-None-Match"]);
    assert!(put["requestBody"]["content"]["application/octet-stream"].is_object(), "{put}");
    assert!(put["responses"]["201"]["headers"]["ETag"].is_object(), "{put}");
    for status in ["400", "408", "412", "413", "415", "500", "503", "504"] {
        let schema = &put["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem", "{status}");
    }
    assert!(description["components"]["schemas"]["Problem"]["properties"]["status"].is_object());
    assert!(description["components"]["schemas"]["Listing"].is_object());
    let events = &description["paths"]["/v1/events"]["get"];
    assert!(events["responses"]["200"]["content"]["text/event-stream"].is_object(), "{events}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_stores_nothing() {
    let service = start();
    let broken = Body::from_stream(stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("reset"))]));
    service.call_with("PUT /v1/keys/k", &[], broken).await.problem(StatusCode::BAD_REQUEST);
    service.call("GET /v1/keys/k").await.problem(StatusCode::NOT_FOUND);
}

/// Opens an event stream; what it sends is read with [`read_events`].
async fn events(service: &Service, query: &str) -> Body {
    let request = Request::get(format!("/v1/events{query}")).body(Body::empty()).unwrap();
    let response = service.send(request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    response.into_body()
}

/// Reads a stream until it ends or pauses, and gives the events as `name data`.
async fn read_events(body: &mut Body) -> Vec<String> {
    let mut events = Vec::new();
    while let Ok(Some(frame)) = time::timeout(SECOND, body.frame()).await {
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        let mut lines = text.trim_end().lines();
        let name = lines.next().unwrap().strip_prefix("event: ").unwrap();
        let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
        events.push(format!("{name} {data}"));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_of_every_change_under_its_prefix() {
    let service = start();
    service.put("/v1/keys/p1", "before").await;
    let mut body = events(&service, "?prefix=p").await;
    service.put("/v1/keys/p1?ttl=250ms", "x").await;
    service.put("/v1/keys/q", "x").await;
    service.put("/v1/keys/p%0A%22", "x").await;
    service.call("DELETE /v1/keys/p%0A%22").await;
    assert_eq!(
        read_events(&mut body).await,
        [
            r#"put {"key":"p1","revision":2}"#,
            r#"put {"key":"p\n\"","revision":4}"#,
            r#"delete {"key":"p\n\"","revision":5}"#,
            r#"expire {"key":"p1","revision":6}"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_what_it_missed_and_goes_on() {
    let service = start_with(Options::default().events(4));
    let mut body = events(&service, "").await;
    for number in 1..=16 {
        service.put(&format!("/v1/keys/{number}"), "x").await;
    }
    let first = read_events(&mut body).await;
    assert_eq!(first[..2], [r#"lagged {"missed":12}"#, r#"put {"key":"13","revision":13}"#]);
    assert_eq!(first.len(), 5);
    service.put("/v1/keys/next", "x").await;
    assert_eq!(read_events(&mut body).await, [r#"put {"key":"next","revision":17}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_is_alive() {
    let service = start();
    let mut body = events(&service, "").await;
    let frame = time::timeout(60 * SECOND, body.frame()).await.unwrap().unwrap().unwrap();
    assert!(frame.into_data().unwrap().starts_with(b":"));
}

#[tokio::test(start_paused = true)]
async fn the_drain_ends_streams() {
    let service = start();
    let mut body = events(&service, "").await;
    service.control.advance(Phase::Draining);
    assert!(time::timeout(SECOND, body.frame()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_client_goes_away_has_happened_once_or_not_at_all() {
    const POLLS: usize = 12;
    let mut last = None;
    for polls in 0..POLLS {
        let service = start();
        // A body in pieces, so that there is something to wait for before the store.
        let pieces = stream::unfold(0, |piece| async move {
            yield_now().await;
            (piece < 3).then_some((Ok::<_, std::io::Error>("piece "), piece + 1))
        });
        let request = Request::put("/v1/keys/k").body(Body::from_stream(pieces)).unwrap();
        {
            let mut call = pin!(service.send(request));
            for _ in 0..polls {
                let poll = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                if poll.is_ready() {
                    break;
                }
                yield_now().await;
            }
        }
        time::sleep(SECOND).await;
        let got = service.call("GET /v1/keys/k").await;
        let there = got.status == StatusCode::OK;
        assert!(!there || &*got.body == b"piece piece piece ", "dropped after {polls} polls");
        let next = service.put("/v1/keys/next", "x").await;
        assert_eq!(next.header(header::ETAG), if there { "\"2\"" } else { "\"1\"" });
        last = Some(there);
    }
    assert_eq!(last, Some(true), "the last round is not cut short");
}
