//! gRPC over sockets: on a port of its own or not, under overload, and to the end of the service.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    pin::pin,
    time::Duration,
};

use axum::http::uri::PathAndQuery;
use common::{PATIENCE, Service, outcome};
use futures_util::{FutureExt, future::BoxFuture, stream};
use service::grpc::v1::{
    GetRequest, PutRequest, PutResponse, WatchRequest, key_value_client::KeyValueClient, watch_response::Kind,
};
use tokio::{
    select,
    sync::oneshot,
    time::{Instant, timeout},
};
use tonic::{
    Code, Response, Result, Status,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

/// What gRPC is served on when nothing is said about it.
//{% filter replace("http", grpc_listener) %}
const LISTENER: &str = "http";
//{% endfilter %}

async fn connect(service: &mut Service, listener: &str) -> Channel {
    let address = "http://".to_owned() + &service.address(listener);
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

fn put() -> PutRequest {
    PutRequest { key: "k".into(), value: "v".into(), ttl_ms: None }
}

async fn get(channel: &Channel) -> Result<u64, Code> {
    let found = KeyValueClient::new(channel.clone()).get(GetRequest { key: "k".into() }).await;
    found.map(|found| found.into_inner().revision).map_err(|status| status.code())
}

async fn health(channel: &Channel) -> ServingStatus {
    let checked = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    checked.unwrap().into_inner().status()
}

/// Calls `Put` at once, and sends the message it is about when `message` comes.
async fn put_later(channel: Channel, message: oneshot::Receiver<PutRequest>) -> Result<Response<PutResponse>> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let messages = stream::unfold(Some(message), async |message| Some((message?.await.ok()?, None)));
    let path = PathAndQuery::from_static("/kv.v1.KeyValue/Put");
    client.client_streaming(tonic::Request::new(Box::pin(messages)), path, ProstCodec::default()).await
}

/// A call that has the only place, and what sends its message.
async fn hold(channel: &Channel) -> (oneshot::Sender<PutRequest>, BoxFuture<'static, Result<Response<PutResponse>>>) {
    loop {
        let (sender, message) = oneshot::channel();
        let mut holding = put_later(channel.clone(), message).boxed();
        loop {
            let mut other = pin!(get(channel));
            select! {
                refused = &mut holding => {
                    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted, "the other had the place");
                    assert!(other.await.is_err(), "there is no key yet");
                    break;
                }
                other = &mut other => if other == Err(Code::ResourceExhausted) {
                    return (sender, holding);
                }
            }
        }
    }
}

const ONE_PLACE: [&str; 6] = ["--max-in-flight", "1", "--request-timeout", "60s", "--body-timeout", "60s"];

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_told_at_once_and_health_and_reflection_still_answer() {
    let mut service = Service::start(&ONE_PLACE);
    let channel = connect(&mut service, LISTENER).await;
    let (sender, holding) = hold(&channel).await;

    assert_eq!(health(&channel).await, ServingStatus::Serving);
    let question = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = ServerReflectionClient::new(channel.clone()).server_reflection_info(stream::iter([question])).await;
    assert!(answers.unwrap().into_inner().message().await.unwrap().is_some());

    sender.send(put()).unwrap();
    assert_eq!(holding.await.unwrap().into_inner().revision, 1);
    assert_eq!(get(&channel).await, Ok(1), "its place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_watch_holds_no_place() {
    let mut service = Service::start(&ONE_PLACE);
    let channel = connect(&mut service, LISTENER).await;
    let mut keys = KeyValueClient::new(channel.clone());
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(keys.watch(WatchRequest::default()).await.unwrap().into_inner());
    }
    keys.put(put()).await.unwrap();
    for watch in &mut watches {
        assert_eq!(watch.message().await.unwrap().unwrap().kind(), Kind::Put);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_signal_health_turns_and_calls_are_still_served_until_the_drain_ends_every_stream() {
    let mut service = Service::start(&["--shutdown-delay", "500ms"]);
    let channel = connect(&mut service, LISTENER).await;
    let mut keys = KeyValueClient::new(channel.clone());
    let mut events = keys.watch(WatchRequest::default()).await.unwrap().into_inner();
    let mut statuses =
        HealthClient::new(channel.clone()).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(statuses.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let asks = ServerReflectionClient::new(channel.clone()).server_reflection_info(stream::pending()).await;
    let mut answers = asks.unwrap().into_inner();

    service.signal("TERM");
    let asked = Instant::now();
    let turned = timeout(Duration::from_millis(400), statuses.message()).await.unwrap();
    assert_eq!(turned.unwrap().unwrap().status(), ServingStatus::NotServing, "after {:?}", asked.elapsed());
    assert_eq!(health(&channel).await, ServingStatus::NotServing);
    keys.put(put()).await.unwrap();
    assert_eq!(events.message().await.unwrap().unwrap().kind(), Kind::Put, "it still serves");

    assert_eq!(events.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(statuses.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_finished_in_the_drain() {
    let mut service = Service::start(&ONE_PLACE);
    let channel = connect(&mut service, LISTENER).await;
    let (sender, holding) = hold(&channel).await;
    // Its end says that the drain has begun.
    let mut statuses = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    service.signal("TERM");
    while statuses.message().await.is_ok() {}
    sender.send(put()).unwrap();
    assert_eq!(holding.await.unwrap().into_inner().revision, 1);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cut_is_named_by_its_method() {
    let mut service = Service::start(&[&ONE_PLACE[..], &["--shutdown-grace", "100ms"]].concat());
    let channel = connect(&mut service, LISTENER).await;
    let (_sender, _holding) = hold(&channel).await;
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (3, "forced"));
    let cut = log.iter().find(|line| line["message"] == "still running").unwrap();
    assert_eq!(cut["task"], "grpc /kv.v1.KeyValue/Put");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_have_a_port_of_its_own() {
    let mut service = Service::start(&["--grpc-addr", "127.0.0.1:0"]);
    let channel = connect(&mut service, "grpc").await;
    assert_eq!(get(&channel).await, Err(Code::NotFound));
    //{% if http %}
    let channel = connect(&mut service, "http").await;
    assert_eq!(get(&channel).await, Err(Code::Unimplemented), "and only there");
    //{% endif %}
}
//{% if http %}

#[tokio::test(flavor = "multi_thread")]
async fn it_shares_a_port_and_the_keys_with_http() {
    let mut service = Service::start(&[]);
    let channel = connect(&mut service, "http").await;
    assert_eq!(service.connect("http").put("/v1/keys/k", "v").status, 201);
    assert_eq!(get(&channel).await, Ok(1));
    let nothing = service.connect("http").get("/nothing");
    assert_eq!((nothing.status, &*nothing.headers["content-type"]), (404, "application/problem+json"));
    let path = PathAndQuery::from_static("/kv.v1.Nothing/Get");
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let answer: Result<Response<PutResponse>> =
        client.unary(tonic::Request::new(put()), path, ProstCodec::default()).await;
    assert_eq!(answer.unwrap_err().message(), "there is no such service", "it is told in gRPC");
}
//{% endif %}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]
fn a_client_is_told_how_many_calls_it_may_make_at_once() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let mut service = Service::start(&[]);
    let mut stream = TcpStream::connect(service.address(LISTENER)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // With an empty SETTINGS frame; the service answers with its own (RFC 9113 §3.4).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).unwrap();
    let most = settings.chunks(6).find(|setting| setting[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes()).unwrap();
    assert!((1..=1000).contains(&u32::from_be_bytes(most[2..].try_into().unwrap())), "{most:?}");
}
