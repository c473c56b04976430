//! One HTTP connection from its first byte to its last: what clients may do with it, and for how long they may be slow.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::Read,
    net::Shutdown,
    time::{Duration, Instant},
};

use common::{
    Client, PATIENCE, Response, Service,
    http2::{self, DATA, HEADERS, PING, PREFACE, SETTINGS, frame, next_frame},
    outcome,
};

const GET: &str = "GET /v1/keys/k HTTP/1.1\r\nhost: test\r\n\r\n";

/// A request for `/v1/keys/k` that is answered when the key changes, the service drains, or the wait ends.
fn wait(revision: &str, time: &str) -> String {
    format!("GET /v1/keys/k?after={revision}&wait={time} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// Makes the key, and returns its revision.
fn put(service: &mut Service) -> String {
    let response = service.connect("http").put("/v1/keys/k", "v");
    assert!(response.status < 300, "{response:?}");
    response.headers["etag"].trim_matches('"').to_owned()
}

/// Reads as many answers, of which only the last may say that it is.
fn answers(client: &mut Client, count: usize) -> Vec<u16> {
    let answers: Vec<Response> = std::iter::repeat_with(|| client.response()).take(count).collect();
    let (last, others) = answers.split_last().unwrap();
    assert!(others.iter().all(|answer| !answer.says_close()), "{answers:?}");
    assert!(last.says_close(), "{answers:?}");
    client.is_closed();
    answers.iter().map(|answer| answer.status).collect()
}

#[test]
fn pipelined_requests_are_all_answered_during_the_delay() {
    let mut service = Service::start(&["--shutdown-delay", "20s"]);
    put(&mut service);
    let mut client = service.connect("http");
    service.signal("TERM");
    service.until_not_ready();
    let body = "PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nnew";
    let chunks = "PUT /v1/keys/k HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n\r\n";
    client.send([GET, body, chunks, GET, GET].concat());
    assert_eq!(answers(&mut client, 5), [200; 5]);
}

#[test]
fn pipelined_requests_are_all_answered_in_the_drain() {
    let mut service = Service::start(&["--request-timeout", "60s"]);
    let revision = put(&mut service);
    let mut client = service.connect("http");
    client.send([wait(&revision, "60s"), GET.repeat(50)].concat());
    // All of it has been read: what is sent later on another connection has been answered.
    assert_eq!(service.connect("http").get("/v1/keys/other").status, 404);
    service.signal("TERM");
    assert_eq!(answers(&mut client, 51), [vec![204], vec![200; 50]].concat());
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]
fn a_client_that_pipelines_without_end_does_not_hold_the_drain() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("http");
    let mut reader = Client(std::io::BufReader::new(client.0.get_ref().try_clone().unwrap()));
    let reads = std::thread::spawn(move || while reader.try_response().is_ok() {});
    let writes =
        std::thread::spawn(move || while std::io::Write::write_all(client.0.get_mut(), GET.as_bytes()).is_ok() {});
    service.signal("TERM");
    let asked = Instant::now();
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    reads.join().unwrap();
    writes.join().unwrap();
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    let mut service = Service::start(&[]);
    let revision = put(&mut service);
    let mut quick = service.connect("http");
    quick.send([GET, GET].concat());
    let mut waiting = service.connect("http");
    waiting.send(wait(&revision, "300ms"));
    for client in [&quick, &waiting] {
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }
    assert_eq!([quick.response().status, quick.response().status], [200, 200]);
    assert_eq!(waiting.response().status, 204);
    quick.is_closed();
    waiting.is_closed();
}

#[test]
fn a_client_that_goes_gives_its_place_back_while_its_request_waits() {
    let mut service = Service::start(&["--max-in-flight", "1", "--request-timeout", "60s"]);
    let revision = put(&mut service);
    let start = Instant::now();
    let gone = loop {
        let mut waiting = service.connect("http");
        waiting.send(wait(&revision, "60s"));
        // The other may be the first to find the place.
        if service.connect("http").get("/v1/keys/k").status == 503 {
            break waiting;
        }
        assert!(start.elapsed() < PATIENCE, "the request should hold the place");
    };
    drop(gone);
    while service.connect("http").get("/v1/keys/k").status != 200 {
        assert!(start.elapsed() < PATIENCE, "the place should be free");
    }
}

#[test]
fn half_a_head_behind_a_request_has_its_deadline_too() {
    let mut service = Service::start(&["--header-timeout", "200ms"]);
    let revision = put(&mut service);
    for request in [GET, &wait(&revision, "300ms")] {
        let mut client = service.connect("http");
        let start = Instant::now();
        client.send(format!("{request}GET /v1/keys/k HT"));
        assert!(client.response().status < 300, "the deadline is not that of the request before");
        client.is_closed();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// Waits for longer than the header timeout of the test, in which nothing may come.
fn hears_nothing(client: &mut Client) {
    client.0.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let nothing = client.0.read(&mut [0]).unwrap_err();
    assert!(matches!(nothing.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{nothing}");
    client.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn an_empty_line_behind_a_request_is_no_head() {
    let mut service = Service::start(&["--header-timeout", "50ms"]);
    let mut client = service.connect("http");
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.response().status, 404);
        client.send("\r\n");
        hears_nothing(&mut client);
    }
}

#[test]
fn http2_owes_settings_and_whole_heads_in_time() {
    let mut service = Service::start(&["--header-timeout", "100ms"]);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let no_end = frame(HEADERS, 1, 1, &[0x82, 0x86, 0x84]);
    let half = &http2::get(1, "/v1/keys/k")[..12];
    for start in [PREFACE.to_vec(), [PREFACE, &settings, &no_end].concat(), [PREFACE, &settings, half].concat()] {
        let mut client = service.connect("http");
        client.send(start);
        let start = Instant::now();
        while next_frame(&mut client).is_some() {}
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    // One that is silent, but has all said, stays.
    let mut client = http2::connect(&mut service, &[]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        client.send(frame(PING, 0, 0, b"12345678"));
        assert!(std::iter::from_fn(|| next_frame(&mut client)).any(|(kind, _)| kind == PING));
    }
}

#[test]
fn a_refusal_says_close_when_the_rest_of_the_body_stands_in_the_way() {
    let mut service = Service::start(&["--max-body-bytes", "1000"]);
    for (request, status) in [
        ("PUT /v1/keys/k HTTP/1.1\r\ncontent-length: 2000\r\n", 413),
        ("PUT /nowhere HTTP/1.1\r\ncontent-length: 5\r\n", 404),
        ("POST /v1/keys/k HTTP/1.1\r\ncontent-length: 5\r\n", 405),
        ("PUT /v1/keys/k HTTP/1.1\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n", 415),
        ("PUT /nowhere HTTP/1.1\r\ntransfer-encoding: chunked\r\n", 404),
    ] {
        let mut client = service.connect("http");
        client.send(format!("{request}host: test\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.says_close()), (status, true), "{request}");
        client.is_closed();
    }
    let mut client = service.connect("http");
    client.send("PUT /nowhere HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nwhole");
    let response = client.response();
    assert_eq!((response.status, response.says_close()), (404, false));
    assert_eq!(client.get("/v1/keys/k").status, 404, "the connection lives on");
    client.send("PUT /nowhere HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n");
    assert!(client.response().says_close());
}

#[test]
fn a_request_without_its_host_or_with_two_is_refused_on_every_listener() {
    let mut service = Service::start(&[]);
    for listener in ["http", "admin"] {
        let mut client = service.connect(listener);
        for hosts in ["", "host: a\r\nhost: b\r\n", "host: a b\r\n"] {
            client.send(format!("GET /livez HTTP/1.1\r\n{hosts}\r\n"));
            let response = client.response();
            assert_eq!((response.status, response.says_close()), (400, false), "{hosts:?}");
            assert_eq!(response.headers["content-type"], "application/problem+json");
        }
    }
    let mut client = service.connect("admin");
    client.send("GET /livez HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200, "HTTP/1.0 knows no Host");
}

#[test]
fn a_refusal_reaches_an_http2_client_that_goes_on_sending() {
    const RST_STREAM: u8 = 3;
    let mut service = Service::start(&[]);
    let mut client = http2::connect(&mut service, &[]);
    client.send(frame(HEADERS, 4, 1, b"\x02\x03PUT\x86\x04\x08/nowhere\x41\x04test"));
    let mut ends = std::iter::from_fn(|| next_frame(&mut client)).map(|(kind, _)| kind);
    assert!(ends.any(|kind| kind == HEADERS));
    drop(ends);
    client.send([frame(DATA, 0, 1, &[0; 10_000]), frame(PING, 0, 0, b"12345678")].concat());
    let seen: Vec<_> =
        std::iter::from_fn(|| next_frame(&mut client)).map(|(kind, _)| kind).take_while(|kind| *kind != PING).collect();
    assert!(!seen.contains(&RST_STREAM), "some clients take that for the answer: {seen:?}");
    client.send([frame(DATA, 1, 1, &[0; 10]), http2::get(3, "/nowhere")].concat());
    assert!(std::iter::from_fn(|| next_frame(&mut client)).any(|(kind, _)| kind == HEADERS), "the connection lives on");
}
//{% if tcp %}

#[test]
fn the_keys_of_http_are_those_of_resp() {
    let mut service = Service::start(&[]);
    let (mut client, mut http) = (service.connect("tcp"), service.connect("http"));
    assert_eq!(http.put("/v1/keys/k", "from http").status, 201);
    client.send("GET k\r\nSET k 'from tcp'\r\n");
    let mut answers = [0; 20];
    client.0.read_exact(&mut answers).unwrap();
    assert_eq!(&answers, b"$9\r\nfrom http\r\n+OK\r\n");
    assert_eq!(http.get("/v1/keys/k").body, b"from tcp");
}
//{% endif %}
