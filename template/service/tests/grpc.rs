//! Every call of the gRPC interface and how it ends, at the router: no sockets, and time stands still.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{self, HeaderMap, StatusCode, header},
};
use clap::Parser;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use prost::Message;
use service::{
    config::Settings,
    grpc::{
        self,
        v1::{
            DeleteRequest, GetRequest, ListRequest, Listed, PutRequest, WatchRequest, WatchResponse,
            key_value_client::KeyValueClient, watch_response::Kind,
        },
    },
    lifecycle::{self, Phase, PhaseControl, Supervisor},
    limits::Limits,
    store::{Options, Store},
};
use tokio::time;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tower::ServiceExt;

/// The interface on a store of its own, without sockets.
struct Interface {
    router: Router,
    keys: KeyValueClient<Router>,
    health: HealthClient<Router>,
    control: PhaseControl,
}

fn start() -> Interface {
    start_with(Options::default(), &[])
}

fn start_with(options: Options, flags: &[&str]) -> Interface {
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let supervisor = Supervisor::new(phases.clone());
    let store = Store::start(options, &supervisor, phases.clone());
    let limits = Limits::new(&Settings::parse_from([&["service"], flags].concat()), &supervisor);
    let router = grpc::router(&limits, store, &phases).unwrap().fallback(grpc::unmatched);
    let (keys, health) = (KeyValueClient::new(router.clone()), HealthClient::new(router.clone()));
    Interface { router, keys, health, control }
}

impl Interface {
    async fn put(&mut self, key: &str, value: &'static str) -> u64 {
        self.keys.put(put(key, value, None)).await.unwrap().into_inner().revision
    }

    async fn get(&mut self, key: &str) -> Result<(Bytes, u64, Option<u64>), Code> {
        let found = self.keys.get(GetRequest { key: key.into() }).await.map_err(|status| status.code())?.into_inner();
        Ok((found.value, found.revision, found.ttl_ms))
    }

    async fn list(&mut self, prefix: &str, limit: u32) -> (Vec<Listed>, bool) {
        let list = self.keys.list(ListRequest { prefix: prefix.into(), limit }).await.unwrap().into_inner();
        (list.keys, list.more)
    }

    async fn watch(&mut self, prefix: &str) -> Streaming<WatchResponse> {
        self.keys.watch(WatchRequest { prefix: prefix.into() }).await.unwrap().into_inner()
    }

    /// Sends a body that no client of gRPC would send.
    async fn send(&self, path: &str, headers: &[(&str, &str)], body: Body) -> http::Response<Body> {
        let mut request = http::Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    /// As [`Interface::send`], for the status alone.
    async fn code(&self, path: &str, headers: &[(&str, &str)], body: Body) -> Code {
        code(self.send(path, &[&[("content-type", "application/grpc")], headers].concat(), body).await.headers())
    }
}

const GET: &str = "/kv.v1.KeyValue/Get";
const PUT: &str = "/kv.v1.KeyValue/Put";

fn put(key: &str, value: impl Into<Bytes>, ttl_ms: Option<u64>) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ttl_ms }
}

fn code(headers: &HeaderMap) -> Code {
    Status::from_header_map(headers).unwrap().code()
}

/// A message as it stands in a body.
fn framed(message: &[u8]) -> Vec<u8> {
    [&[0], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// A body that goes on, but nothing comes.
fn stuck() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())
}

fn event(kind: Kind, key: &str, revision: u64) -> WatchResponse {
    WatchResponse { kind: kind.into(), key: key.into(), revision, missed: 0 }
}

fn health(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn what_is_put_can_be_got_listed_and_deleted() {
    let mut service = start();
    let first = service.keys.put(put("a/b", "one", None)).await.unwrap().into_inner();
    assert_eq!((first.revision, first.created), (1, true));
    let second = service.keys.put(put("a/b", "three", None)).await.unwrap().into_inner();
    assert_eq!((second.revision, second.created), (2, false));
    assert_eq!(service.get("a/b").await, Ok(("three".into(), 2, None)));
    let listed = Listed { key: "a/b".into(), revision: 2, size: 5, ttl_ms: None };
    assert_eq!(service.list("a", 0).await, (vec![listed], false));
    let deleted = service.keys.delete(DeleteRequest { key: "a/b".into() }).await.unwrap().into_inner();
    assert_eq!(deleted.revision, 3);
    assert_eq!(service.list("a", 0).await, (vec![], false));
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_found() {
    let mut service = start();
    assert_eq!(service.get("k").await, Err(Code::NotFound));
    let deleted = service.keys.delete(DeleteRequest { key: "k".into() }).await;
    assert_eq!(deleted.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_empty_key_and_a_life_of_no_time_are_invalid_arguments() {
    let mut service = start();
    assert_eq!(service.get("").await, Err(Code::InvalidArgument));
    for request in [put("", "v", None), put("k", "v", Some(0))] {
        assert_eq!(service.keys.put(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let deleted = service.keys.delete(DeleteRequest { key: String::new() }).await;
    assert_eq!(deleted.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(service.get("k").await, Err(Code::NotFound), "nothing was stored");
}

#[tokio::test(start_paused = true)]
async fn a_key_lives_as_long_as_its_put_says() {
    let mut service = start();
    service.keys.put(put("k", "v", Some(60_000))).await.unwrap();
    time::advance(Duration::from_secs(20)).await;
    assert_eq!(service.get("k").await, Ok(("v".into(), 1, Some(40_000))));
    assert_eq!(service.list("", 0).await.0[0].ttl_ms, Some(40_000));
    time::advance(Duration::from_secs(40)).await;
    assert_eq!(service.get("k").await, Err(Code::NotFound));

    service.keys.put(put("k", "v", Some(60_000))).await.unwrap();
    service.keys.put(put("k", "v", None)).await.unwrap();
    time::advance(Duration::from_secs(600)).await;
    assert_eq!(service.get("k").await.map(|(_, _, ttl_ms)| ttl_ms), Ok(None), "a put without ttl drops the expiry");
}

#[tokio::test]
async fn a_list_says_when_there_is_more_than_its_limit() {
    let mut service = start();
    for key in ["a", "b1", "b2", "b3", "c"] {
        service.put(key, "v").await;
    }
    let keys =
        |(keys, more): (Vec<Listed>, bool)| (keys.into_iter().map(|listed| listed.key).collect::<String>(), more);
    assert_eq!(keys(service.list("b", 2).await), ("b1b2".into(), true));
    assert_eq!(keys(service.list("b", 3).await), ("b1b2b3".into(), false));
    assert_eq!(keys(service.list("b", 5000).await), ("b1b2b3".into(), false));
    assert_eq!(keys(service.list("", 0).await), ("ab1b2b3c".into(), false));
}

#[tokio::test]
async fn a_list_is_cut_where_its_message_would_be_too_large() {
    let mut service = start_with(Options::default(), &["--max-body-bytes=1000"]);
    for number in 0..10 {
        service.put(&format!("{number}{}", "k".repeat(300)), "v").await;
    }
    let list = service.keys.list(ListRequest::default()).await.unwrap().into_inner();
    assert!(list.encoded_len() <= 1000);
    assert_eq!((list.keys.len(), list.more), (3, true));
    assert_eq!(service.list("9", 0).await.0.len(), 1, "a longer prefix shows the others");

    let longest = "x".repeat(990);
    service.put(&longest, "v").await;
    assert_eq!(service.list("x", 0).await.0[0].key, longest, "one key is always told");
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_every_change_under_its_prefix_in_order() {
    let mut service = start();
    let mut events = service.watch("a/").await;
    service.put("b", "v").await;
    service.put("a/1", "v").await;
    service.keys.put(put("a/2", "v", Some(1000))).await.unwrap();
    service.keys.delete(DeleteRequest { key: "a/1".into() }).await.unwrap();
    time::advance(Duration::from_secs(1)).await;
    for expected in [
        event(Kind::Put, "a/1", 2),
        event(Kind::Put, "a/2", 3),
        event(Kind::Delete, "a/1", 4),
        event(Kind::Expire, "a/2", 5),
    ] {
        assert_eq!(events.message().await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_much_it_missed_and_goes_on() {
    let mut service = start_with(Options::default().events(4), &[]);
    let mut events = service.watch("").await;
    for _ in 0..10 {
        service.put("k", "v").await;
    }
    let lagged = WatchResponse { kind: Kind::Lagged.into(), missed: 6, ..WatchResponse::default() };
    assert_eq!(events.message().await.unwrap(), Some(lagged));
    for revision in 7..=10 {
        assert_eq!(events.message().await.unwrap(), Some(event(Kind::Put, "k", revision)));
    }
    service.put("k", "v").await;
    assert_eq!(events.message().await.unwrap(), Some(event(Kind::Put, "k", 11)));
}

#[tokio::test]
async fn the_drain_ends_a_watch_with_unavailable_after_what_had_happened() {
    let mut service = start();
    let mut events = service.watch("").await;
    service.put("k", "v").await;
    service.control.advance(Phase::Stopping);
    service.put("k", "v").await;
    service.control.advance(Phase::Draining);
    for revision in [1, 2] {
        assert_eq!(events.message().await.unwrap(), Some(event(Kind::Put, "k", revision)));
    }
    assert_eq!(events.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn the_clients_deadline_ends_a_watch() {
    let mut service = start();
    let mut request = Request::new(WatchRequest::default());
    request.set_timeout(Duration::from_secs(30));
    let mut events = service.keys.watch(request).await.unwrap().into_inner();
    service.put("k", "v").await;
    assert_eq!(events.message().await.unwrap(), Some(event(Kind::Put, "k", 1)));
    let start = time::Instant::now();
    assert_eq!(events.message().await.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(start.elapsed() >= Duration::from_secs(29));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_stuck_ends_at_the_earlier_of_the_two_deadlines() {
    let service = start_with(Options::default(), &["--request-timeout=5s", "--body-timeout=60s"]);
    for (timeout, expected) in [("2S", 2), ("300S", 5)] {
        let start = time::Instant::now();
        assert_eq!(service.code(PUT, &[("grpc-timeout", timeout)], stuck()).await, Code::DeadlineExceeded);
        assert_eq!(start.elapsed().as_secs(), expected);
    }
    assert_eq!(service.code(PUT, &[("grpc-timeout", "0S")], stuck()).await, Code::DeadlineExceeded);
    assert_eq!(service.code(PUT, &[("grpc-timeout", "soon")], stuck()).await, Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_is_given_up_with_deadline_exceeded() {
    let service = start_with(Options::default(), &["--request-timeout=60s", "--body-timeout=5s"]);
    assert_eq!(service.code(PUT, &[], stuck()).await, Code::DeadlineExceeded);
    assert_eq!(service.code("/grpc.health.v1.Health/Check", &[], stuck()).await, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_message_may_have_as_many_bytes_as_the_limit_and_no_more() {
    let mut service = start_with(Options::default(), &["--max-body-bytes=1000"]);
    let sized = |bytes: usize| {
        let request = put("k", vec![b'x'; bytes - 6], None);
        assert_eq!(request.encoded_len(), bytes);
        request
    };
    service.keys.put(sized(1000)).await.unwrap();
    assert_eq!(service.keys.put(sized(1001)).await.unwrap_err().code(), Code::ResourceExhausted);
    // What is claimed counts, and what comes.
    let claimed = [0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(service.code(PUT, &[], Body::from(claimed.to_vec())).await, Code::ResourceExhausted);
    let twice = [framed(&sized(900).encode_to_vec()), framed(&sized(900).encode_to_vec())].concat();
    assert_eq!(service.code(PUT, &[], Body::from(twice)).await, Code::ResourceExhausted);
    let check = "/grpc.health.v1.Health/Check";
    assert_eq!(service.code(check, &[], Body::from(vec![0; 2000])).await, Code::ResourceExhausted);
    assert!(service.get("k").await.is_ok());
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_harms_nobody() {
    let mut service = start();
    for body in [
        vec![],                                  // no message
        vec![0, 0, 0],                           // half a prefix
        vec![0, 0, 0, 0, 9, b'x'],               // half a message
        vec![7, 0, 0, 0, 1, b'x'],               // neither compressed nor not
        vec![1, 0, 0, 0, 1, b'x'],               // compressed, nobody knows how
        framed(&[0xff; 16]),                     // no protobuf
        framed(&[0x0a, 0x02, 0xc3, 0x28]),       // a key that is no UTF-8
        framed(&[0x0a, 0xff, 0xff, 0xff, 0x0f]), // a key that is longer than the message
    ] {
        assert_eq!(service.code(GET, &[], Body::from(body.clone())).await, Code::Internal, "{body:?}");
    }
    let compressed = [("grpc-encoding", "gzip")];
    assert_eq!(service.code(GET, &compressed, Body::from(framed(b""))).await, Code::Unimplemented);
    assert_eq!(service.get("k").await, Err(Code::NotFound), "the next call works");
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented_and_what_is_no_call_is_told_so() {
    let service = start();
    for path in ["/kv.v1.KeyValue/Nothing", "/kv.v1.Nothing/Get", "/nothing", "/grpc.health.v1.Health/Nothing"] {
        assert_eq!(service.code(path, &[], Body::from(framed(b""))).await, Code::Unimplemented, "{path}");
    }
    let reflection = "/grpc.reflection.v1.ServerReflection/Nothing";
    assert_eq!(service.code(reflection, &[], Body::from(framed(b""))).await, Code::Unimplemented);
    for content_type in ["application/json", "application/grpc-web", "application/grpc+json", ""] {
        let response = service.send(GET, &[("content-type", content_type)], Body::empty()).await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    let response = service.send("/nothing", &[], Body::empty()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let mut service = start();
    let mut request = Request::new(GetRequest { key: "k".into() });
    request.metadata_mut().insert("x-request-id", "abc-1".parse().unwrap());
    let status = service.keys.get(request).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "abc-1");
    let answered = service.keys.put(put("k", "v", None)).await.unwrap();
    assert!(answered.metadata().contains_key("x-request-id"));
}

#[tokio::test]
async fn health_follows_the_phases() {
    let mut service = start();
    for name in ["", "kv.v1.KeyValue"] {
        let status = service.health.check(health(name)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let mut watched = service.health.watch(health("kv.v1.KeyValue")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    service.control.advance(Phase::Stopping);
    assert_eq!(service.health.check(health("")).await.unwrap().into_inner().status(), ServingStatus::NotServing);
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let mut late = service.health.watch(health("")).await.unwrap().into_inner();
    assert_eq!(late.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(late.message().now_or_never().is_none(), "it says so once");

    service.control.advance(Phase::Draining);
    for mut stream in [watched, late] {
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn who_watches_health_learns_why_even_when_the_drain_begins_at_once() {
    let mut service = start();
    let mut watched = service.health.watch(health("")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    service.control.advance(Phase::Draining);
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watched.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn the_health_of_what_nobody_knows_is_unknown() {
    let mut service = start();
    assert_eq!(service.health.check(health("nothing")).await.unwrap_err().code(), Code::NotFound);
    let mut watched = service.health.watch(health("nothing")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    service.control.advance(Phase::Draining);
    assert_eq!(watched.message().await.unwrap_err().code(), Code::Unavailable);
}

/// Asks reflection, and leaves the question's stream open.
fn ask(question: MessageRequest) -> impl Stream<Item = ServerReflectionRequest> + Send + 'static {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    stream::iter([request]).chain(stream::pending())
}

#[tokio::test]
async fn reflection_describes_every_service() {
    let service = start();
    let mut reflection = ServerReflectionClient::new(service.router.clone());
    let mut answers =
        reflection.server_reflection_info(ask(MessageRequest::ListServices(String::new()))).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("expected a list");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "kv.v1.KeyValue"]);
    let symbol = MessageRequest::FileContainingSymbol("kv.v1.KeyValue.Watch".into());
    let mut files = reflection.server_reflection_info(ask(symbol)).await.unwrap().into_inner();
    let answer = files.message().await.unwrap().unwrap().message_response;
    assert!(matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))), "{answer:?}");

    service.control.advance(Phase::Draining);
    for mut stream in [answers, files] {
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable, "it does not hold the drain");
    }
    let older = service.code("/grpc.reflection.v1alpha.ServerReflection/Nothing", &[], Body::empty()).await;
    assert_eq!(older, Code::Unimplemented);
}
