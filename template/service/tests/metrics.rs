//! What Prometheus is told of the runtime and of requests, and what nobody can make it be told.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::{Service, scrape, value};

#[test]
fn the_runtime_and_the_connections_are_measured() {
    let mut service = Service::start(&["--worker-threads", "3"]);
    let idle = service.connect("admin");
    let text = scrape(&mut service);
    assert_eq!(value(&text, "tokio_workers"), Some(3.0), "{text}");
    assert!(value(&text, "tokio_tasks") >= Some(1.0), "{text}");
    assert!(value(&text, "tokio_busy_seconds_total").is_some(), "{text}");
    assert_eq!(value(&text, r#"connections_accepted_total{listener="admin"}"#), Some(2.0), "{text}");
    assert_eq!(value(&text, r#"connections_open{listener="admin"}"#), Some(2.0), "{text}");
    drop(idle);
}
//{% if http %}

#[test]
fn requests_are_counted_and_timed_by_route_and_status() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("http");
    for (path, status) in [("/v1/keys/a", 404), ("/v1/keys/b", 404), ("/v1/keys?limit=no", 400)] {
        assert_eq!(client.get(path).status, status);
    }
    assert_eq!(client.put("/v1/keys/a", "value").status, 201);
    let text = scrape(&mut service);
    for (series, expected) in [
        (r#"requests_total{interface="http",method="GET",route="/v1/keys/{key}",status="404"}"#, 2.0),
        (r#"requests_total{interface="http",method="PUT",route="/v1/keys/{key}",status="201"}"#, 1.0),
        (r#"requests_total{interface="http",method="GET",route="/v1/keys",status="400"}"#, 1.0),
        (r#"request_duration_seconds_count{interface="http",method="GET",route="/v1/keys/{key}"}"#, 2.0),
        (r#"request_duration_seconds_bucket{interface="http",method="GET",route="/v1/keys/{key}",le="+Inf"}"#, 2.0),
        (r#"requests_in_flight{interface="http"}"#, 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
}

#[test]
fn what_a_client_makes_up_makes_no_series() {
    let mut service = Service::start(&[]);
    let series = |text: &str| text.lines().filter(|line| line.starts_with("requests_total")).count();
    let mut client = service.connect("http");
    let call = |client: &mut common::Client, n: usize| {
        let method = ["GET", "BREW", "M-SEARCH"][n % 3];
        client.send(format!("{method}{n} /made/up/{n}?x={n} HTTP/1.1\r\nhost: h{n}\r\n\r\n"));
        assert_eq!(client.response().status, 404);
        client.send(format!("{method}{n} /v1/keys/{n} HTTP/1.1\r\nhost: h{n}\r\n\r\n"));
        assert_eq!(client.response().status, 405);
    };
    call(&mut client, 0);
    let before = series(&scrape(&mut service));
    for n in 1..100 {
        call(&mut client, n);
    }
    let text = scrape(&mut service);
    assert_eq!(series(&text), before, "{text}");
    let unmatched = r#"requests_total{interface="http",method="other",route="unmatched",status="404"}"#;
    assert_eq!(value(&text, unmatched), Some(100.0), "{text}");
}

#[test]
fn what_is_shed_and_what_streams_is_counted_and_a_scrape_is_never_shed() {
    let mut service = Service::start(&["--max-in-flight", "1"]);
    let mut stream = service.connect("http");
    stream.send("GET /v1/events HTTP/1.1\r\nhost: test\r\n\r\n");
    while value(&scrape(&mut service), "streams_open") != Some(1.0) {}
    let mut waiting = service.connect("http");
    assert_eq!(waiting.put("/v1/keys/k", "value").status, 201);
    waiting.send("GET /v1/keys/k?after=1&wait=60s HTTP/1.1\r\nhost: test\r\n\r\n");
    let in_flight = r#"requests_in_flight{interface="http"}"#;
    while value(&scrape(&mut service), in_flight) != Some(1.0) {}
    assert_eq!(service.connect("http").get("/v1/keys/k").status, 503);
    let text = scrape(&mut service);
    assert_eq!(value(&text, r#"requests_shed_total{interface="http"}"#), Some(1.0), "{text}");
    drop(stream);
    while value(&scrape(&mut service), "streams_open") != Some(0.0) {}
}
//{% endif %}
