//! The webhook of the running service: nothing of it is lost at the end, and its secrets are told to nobody.

#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use common::{PROGRAM, Service, outcome};
use serde_json::Value;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

/// What the webhook must not tell anyone.
const SECRETS: [&str; 3] = ["hunter2", "T0KEN", "sesame"];

fn with_secrets(host: impl std::fmt::Display) -> String {
    format!("http://user:{}@{host}/{}?key={}", SECRETS[0], SECRETS[1], SECRETS[2])
}

fn lost(log: &[Value]) -> u64 {
    log.iter()
        .filter(|line| line["message"] == "events were not delivered")
        .filter_map(|line| line["events"].as_u64())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_delivered_before_the_service_ends() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_millis(100));
    Mock::given(method("POST")).respond_with(slow).mount(&server).await;
    let mut service = Service::start(&["--webhook-url", &server.uri()]);
    let mut client = service.connect("http");
    for number in 0..100 {
        assert_eq!(client.put(&format!("/v1/keys/k{number}"), "v").status, 201);
    }
    drop(client);
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log), lost(&log)), (0, "drained", 0));
    let mut revisions: Vec<_> = server.received_requests().await.unwrap();
    revisions.sort_by_key(|request| request.body_json::<Value>().unwrap()["revision"].as_u64());
    let revisions = revisions.iter().map(|request| request.body_json::<Value>().unwrap()["revision"].as_u64().unwrap());
    assert_eq!(revisions.collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_webhook_that_is_dead_holds_nothing_up_and_its_secrets_stay_secret() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = with_secrets(gone.local_addr().unwrap());
    drop(gone);
    let mut service = Service::run(Command::new(PROGRAM).arg("--log-filter=trace").env("APP_WEBHOOK_URL", url));
    let mut client = service.connect("http");
    for number in 0..10 {
        assert_eq!(client.put(&format!("/v1/keys/k{number}"), "v").status, 201);
    }
    drop(client);
    let asked = Instant::now();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log), lost(&log)), (0, "drained", 10));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    for line in log {
        assert!(!SECRETS.iter().any(|secret| line.to_string().contains(secret)), "{line}");
    }
}

#[test]
fn neither_the_help_nor_a_refusal_tells_what_may_be_secret() {
    let url = with_secrets("example.com");
    let help = Command::new(PROGRAM).arg("--help").env("APP_WEBHOOK_URL", &url).output().unwrap();
    let bad = url.replace("http://", "htp://");
    let by_flag = Command::new(PROGRAM).args(["--webhook-url", &bad]).output().unwrap();
    let by_variable = Command::new(PROGRAM).env("APP_WEBHOOK_URL", &bad).output().unwrap();
    assert_eq!((help.status.code(), by_flag.status.code(), by_variable.status.code()), (Some(0), Some(2), Some(2)));
    for output in [help, by_flag, by_variable] {
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("--webhook-url"), "{said}");
        assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{said}");
    }
}
//{% if otel %}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_can_join_the_trace_of_a_delivery_in_which_each_attempt_is_a_span() {
    for (endpoint, is_traced) in [("http://127.0.0.1:9", true), ("", false)] {
        let server = MockServer::start().await;
        let not_now = ResponseTemplate::new(503);
        Mock::given(method("POST")).respond_with(not_now).up_to_n_times(1).mount(&server).await;
        let (sender, delivered) = std::sync::mpsc::channel();
        let now = move |_: &wiremock::Request| {
            sender.send(()).unwrap();
            ResponseTemplate::new(200)
        };
        Mock::given(method("POST")).respond_with(now).mount(&server).await;
        let mut command = Command::new(PROGRAM);
        command.args(["--webhook-url", &server.uri()]).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        let mut service = Service::run(&mut command);
        assert_eq!(service.connect("http").put("/v1/keys/k", "v").status, 201);
        // Stopping, it would not try again.
        delivered.recv_timeout(common::PATIENCE).unwrap();
        let attempts = server.received_requests().await.unwrap();
        let parents: Vec<Vec<_>> = attempts
            .iter()
            .filter_map(|attempt| attempt.headers.get("traceparent"))
            .map(|parent| parent.to_str().unwrap().split('-').collect())
            .collect();
        if is_traced {
            let [first, second] = &parents[..] else { panic!("{parents:?}") };
            assert_eq!((first[1].len(), first[2].len(), first[3]), (32, 16, "01"));
            assert_eq!(first[1], second[1], "one trace");
            assert_ne!(first[2], second[2], "a span for each attempt");
        } else {
            assert_eq!((attempts.len(), parents.len()), (2, 0));
        }
    }
}
//{% endif %}
