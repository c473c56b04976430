//! The digest over HTTP, at the router.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::num::NonZeroUsize;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::{
    compute::Pool,
    http,
    lifecycle::{self, PhaseControl, Supervisor},
    store::{Options, Store},
};
use tower::ServiceExt;

/// The interface on a store and a pool of their own.
struct Service {
    router: Router,
    pool: Pool,
    /// The store ends without it.
    _control: PhaseControl,
}

fn start() -> Service {
    let (control, phases) = lifecycle::channel();
    let store = Store::start(Options::default(), &Supervisor::new(phases.clone()), phases.clone());
    let pool = Pool::start(NonZeroUsize::MIN, 1).unwrap();
    let routes = http::routes(store.clone(), phases).merge(http::digest::routes(store, pool.clone()));
    let router = http::described(routes);
    Service { router, pool, _control: control }
}

impl Service {
    async fn call(&self, call: &str, body: &'static str) -> (StatusCode, Option<String>, Value) {
        let (method, uri) = call.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(uri).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let retry = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, retry, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn digest(&self, prefix: &str) -> Value {
        let (status, _, body) = self.call(&format!("GET /v1/digest?prefix={prefix}"), "").await;
        assert_eq!(status, StatusCode::OK);
        body
    }
}

#[tokio::test]
async fn a_digest_counts_the_keys_of_the_prefix_and_changes_with_them() {
    let service = start();
    for (key, value) in [("u:2", "two"), ("u:1", "one"), ("other", "x")] {
        assert_eq!(service.call(&format!("PUT /v1/keys/{key}"), value).await.0, StatusCode::CREATED);
    }
    let before = service.digest("u:").await;
    // printf 'u:1oneu:2two' | sha256sum
    assert_eq!(
        before,
        json!({"prefix": "u:", "keys": 2, "sha256": "a3dc83e23a7236f57a8c729e12ac0475a27f0661fa5249dac5742d7e434782f2"})
    );
    assert_eq!(service.digest("u:").await, before);
    service.call("PUT /v1/keys/other", "y").await;
    assert_eq!(service.digest("u:").await, before, "other keys are not in it");
    service.call("PUT /v1/keys/u:1", "changed").await;
    assert_ne!(service.digest("u:").await["sha256"], before["sha256"]);
    assert_eq!(service.digest("").await["keys"], 3);
}

#[tokio::test]
async fn a_digest_for_which_there_is_no_place_is_refused_with_503() {
    let service = start();
    let _busy = service.pool.reserve().await.unwrap();
    let mut waits = Box::pin(service.pool.reserve());
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    let (status, retry, body) = service.call("GET /v1/digest", "").await;
    assert_eq!((status, retry.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(body["status"], 503);
}

#[tokio::test]
async fn other_methods_and_parameters_are_refused_as_on_every_route() {
    let service = start();
    let (status, _, body) = service.call("POST /v1/digest", "").await;
    assert_eq!((status, &body["status"]), (StatusCode::METHOD_NOT_ALLOWED, &json!(405)));
    let (status, _, body) = service.call("GET /v1/digest?prefx=a", "").await;
    assert_eq!((status, &body["status"]), (StatusCode::BAD_REQUEST, &json!(400)));
}

#[tokio::test]
async fn the_description_has_it_as_well() {
    let (_, _, description) = start().call("GET /openapi.json", "").await;
    let digest = &description["paths"]["/v1/digest"]["get"];
    assert_eq!(digest["parameters"][0]["name"], "prefix");
    assert_eq!(description["components"]["schemas"]["Digest"]["required"], json!(["prefix", "keys", "sha256"]));
    assert!(description["paths"]["/v1/keys"]["get"].is_object());
}
