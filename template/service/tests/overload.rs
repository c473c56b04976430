//! More than the service takes: it says so at once, and what fits goes on.

#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use common::{Client, PATIENCE, PROGRAM, Response, Service};

/// Repeats a request on fresh connections until its answer is as wanted.
fn until(service: &mut Service, path: &str, is_it: impl Fn(&Response) -> bool) -> Response {
    let start = Instant::now();
    loop {
        let response = service.connect("http").get(path);
        if is_it(&response) {
            return response;
        }
        assert!(start.elapsed() < PATIENCE, "{response:?}");
    }
}

#[test]
fn above_the_limit_it_sheds_at_once_and_admin_is_not_touched() {
    let mut service = Service::start(&["--max-in-flight", "1", "--request-timeout", "60s", "--body-timeout", "60s"]);
    let mut holding = service.connect("http");
    holding.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n");
    // The handler asks for the body: it has the place.
    let mut interim = String::new();
    holding.0.read_line(&mut interim).unwrap();
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");
    let shed = service.connect("http").get("/v1/keys/k");
    assert_eq!(shed.status, 503);
    assert!(shed.headers.contains_key("retry-after"));
    assert_eq!(shed.headers["content-type"], "application/problem+json");
    assert!(shed.headers.contains_key("x-request-id"));
    let start = Instant::now();
    assert_eq!(service.connect("http").get("/v1/keys/k").status, 503);
    assert!(start.elapsed() < PATIENCE, "it should not have waited for the place");
    assert_eq!(service.connect("admin").get("/readyz").status, 200);
    // The client goes, and its place is free again.
    drop(holding);
    until(&mut service, "/v1/keys/k", |response| response.status == 404);
}

#[test]
fn a_request_that_takes_too_long_is_answered_with_504() {
    let mut service = Service::start(&["--request-timeout", "100ms"]);
    let mut client = service.connect("http");
    let revision = client.put("/v1/keys/k", "v").headers["etag"].trim_matches('"').to_owned();
    assert_eq!(client.get(&format!("/v1/keys/k?after={revision}&wait=60s")).status, 504);
    assert_eq!(client.get("/v1/keys/k").status, 200, "the connection lives on");
}

#[test]
fn a_body_that_trickles_is_answered_with_408_and_closed() {
    let mut service = Service::start(&["--body-timeout", "100ms"]);
    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nnever");
    let response = client.response();
    assert_eq!(response.status, 408);
    assert!(response.says_close());
    client.is_closed();
}

#[test]
fn a_body_that_trickles_is_the_clients_fault_when_both_deadlines_are_the_same() {
    let mut service = Service::start(&["--body-timeout", "100ms", "--request-timeout", "100ms"]);
    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nnever");
    assert_eq!(client.response().status, 408);
}

#[test]
fn a_body_that_is_too_large_is_refused_with_413_while_it_is_still_being_sent() {
    let mut service = Service::start(&["--max-body-bytes", "1000"]);
    let body = vec![b'x'; 16 * 1024 * 1024];
    let mut client = service.connect("http");
    client.send(format!("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len()));
    client.send(&body);
    assert_eq!(client.response().status, 413);

    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n", body.len()));
    client.send(&body);
    assert_eq!(client.response().status, 413);

    assert_eq!(service.connect("http").get("/v1/keys/k").status, 404, "nothing was stored");
}

#[test]
fn an_encoded_body_is_refused_with_415() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("http");
    for encoding in ["gzip", "identity"] {
        let head = format!("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-encoding: {encoding}\r\n");
        client.send(head + "content-length: 1\r\n\r\nx");
        assert_eq!(client.response().status, 415, "{encoding}");
    }
}

#[test]
fn a_head_that_does_not_come_closes_the_connection() {
    let mut service = Service::start(&["--header-timeout", "100ms"]);
    for start in ["", "GET /v1/keys/k HT", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut client = service.connect("http");
        client.send(start);
        client.is_closed();
    }
    let mut client = service.connect("http");
    assert_eq!(client.get("/v1/keys/k").status, 404);
    client.send("GET /v1/keys/k HT");
    client.is_closed();
}

#[test]
fn an_idle_connection_outlives_the_header_timeout() {
    let mut service = Service::start(&["--header-timeout", "50ms"]);
    let mut client = service.connect("http");
    assert_eq!(client.put("/v1/keys/k", "v").status, 201);
    client.0.get_mut().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let nothing = client.0.read(&mut [0]).unwrap_err();
    assert!(matches!(nothing.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{nothing}");
    client.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.get("/v1/keys/k").status, 200);
}

#[test]
fn above_the_connection_cap_clients_wait_unaccepted() {
    let mut service = Service::start(&["--max-connections", "1"]);
    let mut first = service.connect("http");
    assert_eq!(first.get("/v1/keys/k").status, 404);
    let mut second = service.connect("http");
    second.send("GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(first.get("/v1/keys/k").status, 404);
    assert_eq!(service.connect("admin").get("/livez").status, 200);
    second.0.get_mut().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(second.0.read(&mut [0]).is_err(), "it should not be served yet");
    second.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    drop(first);
    assert_eq!(second.response().status, 404);
}

#[test]
fn when_descriptors_are_short_clients_wait_and_operators_do_not() {
    let mut service = Service::run(Command::new("sh").args(["-c", "ulimit -n 40; exec \"$0\"", PROGRAM]));
    assert!(service.logged(|line| line["listener"] == "http" && line["available"].is_u64())["level"] == "WARN");
    let address = service.address("http");
    let crowd: Vec<_> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut waiting = Client::to(&address);
    waiting.send("GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n");
    let operators: Vec<_> = (0..4)
        .map(|_| {
            let mut operator = service.connect("admin");
            assert_eq!(operator.get("/readyz").status, 200);
            operator
        })
        .collect();
    drop((crowd, operators));
    assert_eq!(waiting.response().status, 404);
    service.signal("TERM");
    let (_, log) = service.ended();
    assert!(log.iter().all(|line| line["message"] != "can't accept; clients wait"), "{log:?}");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_its_loss_is_counted() {
    let mut child = Service::spawn(Command::new(PROGRAM).args(["--log-filter", "service=debug"]));
    let mut log = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = log.find(|line| line.contains(r#""listener":"http""#)).unwrap();
    let address: serde_json::Value = serde_json::from_str(&listening).unwrap();
    // From here on nobody reads.
    let stream = TcpStream::connect(address["addr"].as_str().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A pipe holds 64 KiB, the queue 4096 lines: each request logs one of more than 100 bytes.
    let mut client = Client(BufReader::new(stream));
    for _ in 0..60 {
        client.send("GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n".repeat(100));
        for _ in 0..100 {
            assert_eq!(client.response().status, 404);
        }
    }
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let log: Vec<_> = log.collect();
    let counted =
        log.iter().filter_map(|line| line.split_once(r#""lines":"#)?.1.split(',').next()?.parse::<u64>().ok());
    assert!(counted.sum::<u64>() > 0);
    assert!(log.last().unwrap().contains(r#""outcome":"drained""#));
    assert!(child.wait().unwrap().success());
}
