//! What Prometheus is told, and what nobody can make it be told.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;

use common::Service;

/// The measurements, as Prometheus would get them.
fn scrape(service: &mut Service) -> String {
    let response = service.connect("admin").get("/metrics");
    assert_eq!(response.status, 200);
    assert!(response.headers["content-type"].starts_with("text/plain; version=0.0.4"), "{:?}", response.headers);
    String::from_utf8_lossy(&response.body).into_owned()
}

/// The value of a series, written as Prometheus writes it.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

#[test]
fn every_series_has_a_type_and_a_meaning_and_each_is_told_once() {
    let text = scrape(&mut Service::start(&[]));
    let names = |kind: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(kind)?.trim_start().split(' ').next()).collect()
    };
    let types = names("# TYPE");
    assert_eq!(types, names("# HELP"), "{text}");
    assert_eq!(types.len(), types.iter().collect::<BTreeSet<_>>().len(), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let is_known = |kind: &&str| ["", "_bucket", "_sum", "_count"].iter().any(|end| name == format!("{kind}{end}"));
        assert!(types.iter().any(is_known), "{line}");
        assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
    }
}

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
//{% if tcp %}

#[test]
fn commands_are_counted_by_name_errors_by_kind_and_what_came_together_is_timed() {
    use std::io::Read;
    let mut service = Service::start(&[]);
    let before = scrape(&mut service);
    let mut client = service.connect("tcp");
    client.send("SET k v\r\nget k\r\nGET k\r\nKEYS *\r\nGET\r\nMADE UP\r\nHELLO 3\r\nQUIT\r\n");
    let mut answers = String::new();
    let read = client.0.read_to_string(&mut answers);
    assert!(read.is_ok_and(|_| answers.ends_with("+OK\r\n")), "{answers}");
    let text = scrape(&mut service);
    for (series, count) in [
        (r#"resp_commands_total{command="get"}"#, 2.0),
        (r#"resp_commands_total{command="set"}"#, 1.0),
        (r#"resp_commands_total{command="keys"}"#, 1.0),
        (r#"resp_commands_total{command="ping"}"#, 0.0),
        (r#"resp_errors_total{error="ERR"}"#, 2.0),
        (r#"resp_errors_total{error="NOPROTO"}"#, 1.0),
        (r#"resp_errors_total{error="BUSY"}"#, 0.0),
        (r#"requests_shed_total{interface="tcp"}"#, 0.0),
    ] {
        assert_eq!(value(&text, series), Some(count), "{series} in\n{text}");
    }
    let series = |text: &str| text.lines().filter(|line| line.starts_with("resp_")).count();
    assert_eq!(series(&text), series(&before), "a client makes no series");
    let mut client = service.connect("tcp");
    client.send("PING\r\n");
    let mut pong = [0; 7];
    assert!(client.0.read_exact(&mut pong).is_ok());
    while value(&scrape(&mut service), "resp_batch_duration_seconds_count") != Some(1.0) {}
}
//{% endif %}
