//! The end of the service under load: no request that it had taken is lost, and nobody idle holds it up.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

mod common;

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use common::{Client, PATIENCE, Service, outcome};

/// Every request by when it was begun, and whether it was answered.
type Requests = Vec<(Instant, bool)>;

const GET: &[u8] = b"GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n";

/// Sends requests until the service has gone, each on a connection of its own or all on as few as it allows.
fn load(address: &str, keeps_alive: bool, has_begun: &Barrier) -> Requests {
    let mut requests = Vec::new();
    let mut connection: Option<Client> = None;
    loop {
        let begun = Instant::now();
        let mut client = match connection.take() {
            Some(client) => client,
            None => match TcpStream::connect(address) {
                Ok(stream) => Client(BufReader::new(stream)),
                // Refused: the listener is closed.
                Err(_) => return requests,
            },
        };
        let answer = client.0.get_mut().write_all(GET).and_then(|()| client.try_response());
        requests.push((begun, answer.is_ok()));
        if requests.len() == 20 {
            has_begun.wait();
        }
        if let Ok(response) = answer {
            assert_eq!(response.status, 200);
            connection = (keeps_alive && !response.says_close()).then_some(client);
        }
    }
}

/// Stops the service under load from several clients, and returns when it was asked to and what became of requests.
fn stop_under_load(flags: &[&str]) -> (Instant, Requests) {
    let mut service = Service::start(flags);
    let address = service.address("http");
    assert_eq!(service.connect("http").put("/v1/keys/k", "v").status, 201);
    let has_begun = Arc::new(Barrier::new(9));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (address, has_begun) = (address.clone(), Arc::clone(&has_begun));
            thread::spawn(move || load(&address, number % 2 == 0, &has_begun))
        })
        .collect();
    has_begun.wait();
    let asked = Instant::now();
    service.signal("TERM");
    let requests = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    (asked, requests)
}

#[test]
fn no_request_begun_before_the_signal_is_lost() {
    let (asked, requests) = stop_under_load(&[]);
    let before: Vec<_> = requests.iter().filter(|(begun, _)| *begun <= asked).collect();
    let lost = before.iter().filter(|(_, answered)| !answered).count();
    assert_eq!(lost, 0, "of {}", before.len());
}

#[test]
fn no_request_begun_up_to_20_ms_before_the_end_of_the_delay_is_lost() {
    let delay = Duration::from_millis(500);
    let (asked, requests) = stop_under_load(&["--shutdown-delay", "500ms"]);
    let in_time = asked + delay.saturating_sub(Duration::from_millis(20));
    let before: Vec<_> = requests.iter().filter(|(begun, _)| *begun <= in_time).collect();
    let lost = before.iter().filter(|(_, answered)| !answered).count();
    assert_eq!(lost, 0, "of {}", before.len());
    assert!(requests.iter().any(|(begun, answered)| *begun > asked && *answered), "it should still serve");
}

#[test]
fn a_request_whose_body_is_still_coming_is_finished() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nfir");
    // The head has been read: what is sent later on another connection has been answered.
    assert_eq!(service.connect("http").get("/v1/keys/other").status, 404);
    service.signal("TERM");
    service.until_not_ready();
    client.send("sts");
    let response = client.response();
    assert_eq!(response.status, 201);
    assert!(response.says_close());
    drop(client);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn work_that_outlasts_the_grace_is_cut_and_named() {
    let mut service = Service::start(&["--shutdown-grace", "500ms"]);
    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nnever");
    assert_eq!(service.connect("http").get("/v1/keys/other").status, 404);
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (3, "forced"));
    let cut: Vec<_> = log.iter().filter(|line| line["message"] == "still running").map(|line| &line["task"]).collect();
    assert_eq!(cut, ["http PUT /v1/keys/{key}"]);
}

#[test]
fn silent_idle_and_half_open_connections_do_not_hold_the_drain() {
    let mut service = Service::start(&["--header-timeout", "20s"]);
    let silent = service.connect("http");
    let mut half = service.connect("http");
    half.send("GET /v1/keys/k HT");
    let mut idle = service.connect("http");
    assert_eq!(idle.get("/v1/keys/k").status, 404);
    let mut half_of_http2 = service.connect("http");
    half_of_http2.send("PRI * HTTP/2.0\r\n\r\n");
    let asked = Instant::now();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop((silent, half, idle, half_of_http2));
}

#[test]
fn streams_and_waits_are_told_to_end() {
    let mut service = Service::start(&["--request-timeout", "60s"]);
    let mut client = service.connect("http");
    let put = client.put("/v1/keys/k", "v");
    let revision = put.headers["etag"].trim_matches('"').to_owned();
    let mut wait = service.connect("http");
    wait.send(format!("GET /v1/keys/k?after={revision}&wait=60s HTTP/1.1\r\nhost: test\r\n\r\n"));
    let mut events = service.connect("http");
    events.send("GET /v1/events HTTP/1.1\r\nhost: test\r\n\r\n");
    let mut head = [0; 12];
    events.0.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    service.signal("TERM");
    assert_eq!(wait.response().status, 204);
    events.0.read_to_end(&mut Vec::new()).unwrap();
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn a_slow_reader_gets_its_answer_to_the_last_byte() {
    // More than the kernel takes in for a client that does not read.
    const SIZE: usize = 32 * 1024 * 1024;
    let mut service = Service::start(&["--max-body-bytes", "40000000"]);
    let mut client = service.connect("http");
    assert_eq!(client.put("/v1/keys/k", &"x".repeat(SIZE)).status, 201);
    client.send(GET);
    assert_eq!(service.connect("http").get("/v1/keys/other").status, 404);
    service.signal("TERM");
    service.until_not_ready();
    // Longer than the drain waits for a connection without work.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(client.response().body.len(), SIZE);
    drop(client);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn an_http2_client_is_told_to_go_away() {
    const GOAWAY: u8 = 7;
    let mut service = Service::start(&[]);
    let mut client = service.connect("http");
    // The preface, and SETTINGS without any.
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let mut frame = || {
        let mut head = [0; 9];
        client.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        client.0.read_exact(&mut payload).ok()?;
        Some(head[3])
    };
    assert_eq!(frame(), Some(4), "the service begins with its SETTINGS");
    service.signal("TERM");
    assert!(std::iter::from_fn(&mut frame).any(|kind| kind == GOAWAY));
    // It does not answer the PING that goes with it, and holds nothing up by that.
    while frame().is_some() {}
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn what_is_stuck_in_a_drain_is_reported_before_the_grace_ends() {
    let mut service = Service::start(&["--body-timeout", "60s", "--request-timeout", "60s"]);
    let mut client = service.connect("http");
    client.send("PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nnever");
    assert_eq!(service.connect("http").get("/v1/keys/other").status, 404);
    service.signal("TERM");
    let asked = Instant::now();
    let report = service.logged(|line| line["message"] == "draining");
    assert!(report["tasks"].as_str().unwrap().contains("http PUT /v1/keys/{key}"), "{report}");
    assert!(asked.elapsed() < PATIENCE);
    // A client that goes away takes its request along.
    drop(client);
    let (code, _) = service.ended();
    assert_eq!(code, 0);
}
