//! The end of the service under load: no request that it had taken is lost, and nobody idle holds it up.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]
#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    ops::RangeInclusive,
    process::Command,
    sync::mpsc::{Sender, channel},
    thread,
    time::{Duration, Instant},
};

use common::{
    Client, PATIENCE, PROGRAM, Service,
    http2::{DATA, GOAWAY, HEADERS, PING, WINDOW_UPDATE, connect, frame, get, next_frame},
    outcome, stop_while,
};

/// Every request by when it was sent, and whether it was answered.
type Requests = Vec<(Instant, bool)>;

const GET: &[u8] = b"GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n";

/// Sends requests until the service has gone, each on a connection of its own or all on as few as it allows. Says when it
/// has sent a few.
fn load(address: &str, keeps_alive: bool, has_begun: &Sender<()>) -> Requests {
    let mut requests = Vec::new();
    let mut connection: Option<Client> = None;
    loop {
        let mut client = match connection.take() {
            Some(client) => client,
            None => match TcpStream::connect(address) {
                Ok(stream) => Client(BufReader::new(stream)),
                // Refused: the listener is closed.
                Err(_) => return requests,
            },
        };
        let written = client.0.get_mut().write_all(GET);
        // Before that nobody can know of it.
        let begun = Instant::now();
        let answer = written.and_then(|()| client.try_response());
        requests.push((begun, answer.is_ok()));
        if requests.len() == 20 {
            has_begun.send(()).unwrap();
        }
        if let Ok(response) = answer {
            assert_eq!(response.status, 200);
            connection = (keeps_alive && !response.says_close()).then_some(client);
        }
    }
}

/// Stops the service under load from several clients, and returns between which moments the signal came and what became
/// of requests.
fn stop_under_load(flags: &[&str]) -> (RangeInclusive<Instant>, Requests) {
    let mut service = Service::start(flags);
    let address = service.address("http");
    assert_eq!(service.connect("http").put("/v1/keys/k", "v").status, 201);
    let (begins, has_begun) = channel();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (address, begins) = (address.clone(), begins.clone());
            thread::spawn(move || load(&address, number % 2 == 0, &begins))
        })
        .collect();
    for _ in &clients {
        has_begun.recv_timeout(PATIENCE).unwrap();
    }
    let before = Instant::now();
    service.signal("TERM");
    let asked = before..=Instant::now();
    let requests = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    (asked, requests)
}

#[test]
fn no_request_begun_before_the_signal_is_lost() {
    let (asked, requests) = stop_under_load(&[]);
    let before: Vec<_> = requests.iter().filter(|(begun, _)| begun <= asked.start()).collect();
    let lost = before.iter().filter(|(_, answered)| !answered).count();
    assert_eq!(lost, 0, "of {}", before.len());
}

#[test]
fn no_request_begun_up_to_20_ms_before_the_end_of_the_delay_is_lost() {
    let delay = Duration::from_millis(500);
    let (asked, requests) = stop_under_load(&["--shutdown-delay", "500ms"]);
    let in_time = *asked.start() + delay.saturating_sub(Duration::from_millis(20));
    let before: Vec<_> = requests.iter().filter(|(begun, _)| *begun <= in_time).collect();
    let lost = before.iter().filter(|(_, answered)| !answered).count();
    assert_eq!(lost, 0, "of {}", before.len());
    assert!(requests.iter().any(|(begun, answered)| begun > asked.end() && *answered), "it should still serve");
}

#[test]
fn a_burst_of_clients_finds_room_in_the_queue_and_an_answer_in_the_drain() {
    let mut service = Service::start(&["--max-connections", "1"]);
    let address = service.address("http").parse().unwrap();
    let connect = || {
        // A full queue drops the SYN, and the next comes after a second.
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        client.send(GET);
        client
    };
    let waiting: Vec<_> = std::iter::repeat_with(connect).take(300).collect();
    service.signal("TERM");
    for mut client in waiting {
        assert_eq!(client.response().status, 404);
    }
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn who_waits_in_the_queue_is_served_even_when_descriptors_are_short() {
    let mut service = Service::run(Command::new("sh").args(["-c", "ulimit -n 40; exec \"$0\"", PROGRAM]));
    let idle: Vec<_> = (0..40).map(|_| service.connect("http")).collect();
    let mut waiting: Vec<_> = (0..10).map(|_| service.connect("http")).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    service.signal("TERM");
    for mut client in waiting {
        assert_eq!(client.response().status, 404);
    }
    drop(idle);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    // The others too may look for clients meanwhile, and have no descriptor for that either.
    let of_http =
        |line: &&serde_json::Value| line["message"] == "can't accept; clients wait" && line["listener"] == "http";
    assert_eq!(log.iter().filter(of_http).count(), 1, "once, however long it lasts");
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
fn a_slow_reader_of_http2_gets_its_answer_to_the_last_byte() {
    const SIZE: usize = 1_000_000;
    let mut service = Service::start(&[]);
    assert_eq!(service.connect("http").put("/v1/keys/k", &"x".repeat(SIZE)).status, 201);
    let mut client = connect(&mut service, &[]);
    client.send(get(1, "/v1/keys/k"));
    // The window of 64 KiB that a client has when it says nothing is used up.
    let mut got = 0;
    let mut read = |client: &mut Client, until: usize| {
        while got < until {
            match next_frame(client) {
                Some((DATA, payload)) => got += payload.len(),
                Some(_) => {}
                None => break,
            }
        }
        got
    };
    assert_eq!(read(&mut client, 65_535), 65_535);
    service.signal("TERM");
    service.until_not_ready();
    // Longer than the drain waits for a connection without work.
    thread::sleep(Duration::from_secs(2));
    let window = 2_000_000_u32.to_be_bytes();
    client.send([frame(WINDOW_UPDATE, 0, 0, &window), frame(WINDOW_UPDATE, 0, 1, &window)].concat());
    assert_eq!(read(&mut client, SIZE), SIZE);
    drop(client);
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn an_answer_that_http2_holds_back_is_unfinished_work() {
    let mut service = Service::start(&["--shutdown-grace", "2s"]);
    assert_eq!(service.connect("http").put("/v1/keys/k", &"x".repeat(100_000)).status, 201);
    let mut client = connect(&mut service, &[]);
    client.send(get(1, "/v1/keys/k"));
    while next_frame(&mut client).unwrap().0 != DATA {}
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (3, "forced"));
    let cut: Vec<_> = log.iter().filter(|line| line["message"] == "still running").map(|line| &line["task"]).collect();
    assert_eq!(cut, ["http GET /v1/keys/{key}"]);
}

#[test]
fn an_http2_client_is_told_to_go_away() {
    let mut service = Service::start(&[]);
    let mut client = connect(&mut service, &[]);
    service.signal("TERM");
    assert!(std::iter::from_fn(|| next_frame(&mut client)).any(|(kind, _)| kind == GOAWAY));
    // It does not answer the PING that goes with it, and holds nothing up by that.
    while next_frame(&mut client).is_some() {}
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

#[test]
fn a_head_that_drips_does_not_hold_the_drain() {
    let mut service = Service::start(&["--header-timeout", "20s", "--shutdown-grace", "15s"]);
    let mut client = service.connect("http");
    client.send("GET /v1/keys/k HTTP/1.1\r\nx: ");
    stop_while(service, client, b"x");
}

#[test]
fn no_client_of_the_admin_listener_holds_the_drain() {
    let mut service = Service::start(&[]);
    let mut half_body = service.connect("admin");
    half_body.send("PUT /log-filter HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nin");
    let mut half_head = service.connect("admin");
    half_head.send("GET /livez HTTP/1.1\r\nx: ");
    // Both have been read: what is sent later on another connection has been answered.
    assert_eq!(service.connect("admin").get("/livez").status, 200);
    stop_while(service, half_head, b"x");
    drop(half_body);
}

#[test]
fn an_http2_client_that_only_pings_does_not_hold_the_drain() {
    let mut service = Service::start(&[]);
    let client = connect(&mut service, &[]);
    stop_while(service, client, &frame(PING, 0, 0, b"12345678"));
}

#[test]
fn a_stream_that_nobody_reads_does_not_hold_the_drain() {
    let mut service = Service::start(&[]);
    let mut events = service.connect("http");
    events.send("GET /v1/events HTTP/1.1\r\nhost: test\r\n\r\n");
    let mut head = [0; 12];
    events.0.read_exact(&mut head).unwrap();
    // A window of 0 bytes.
    let mut events_of_http2 = connect(&mut service, &[0, 4, 0, 0, 0, 0]);
    events_of_http2.send(get(1, "/v1/events"));
    while next_frame(&mut events_of_http2).unwrap().0 != HEADERS {}
    let mut client = service.connect("http");
    // More than the kernel takes in for a client that does not read.
    let path = format!("/v1/keys/{}", "k".repeat(4_000));
    for _ in 0..4_000 {
        assert!(client.put(&path, "v").status < 300);
    }
    let asked = Instant::now();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    drop((events, events_of_http2));
}
