//! The admin listener: it answers whatever goes on elsewhere, and says what it does not know.

mod common;

use common::Service;
use serde_json::{Value, json};

#[test]
fn what_it_knows_is_json_and_what_it_does_not_know_a_problem() {
    let mut service = Service::start(&[]);
    service.until_ready();
    let mut client = service.connect("admin");
    let unknown = client.get("/nowhere");
    let wrong = client.put("/livez", "");
    assert_eq!((unknown.status, wrong.status), (404, 405));
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    client.send(b"PUT /log-filter HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\n\xff");
    let no_text = client.response();
    assert_eq!(no_text.status, 400);
    for response in [unknown, wrong, no_text] {
        assert_eq!(response.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        assert_eq!(problem["status"], response.status);
    }
    for (path, said) in [("/livez", json!({ "alive": true })), ("/readyz", json!({ "ready": true, "reasons": [] }))] {
        let response = client.get(path);
        assert_eq!((response.status, &*response.headers["content-type"]), (200, "application/json"));
        assert_eq!(serde_json::from_slice::<Value>(&response.body).unwrap(), said);
    }
}

#[test]
fn what_has_been_left_out_is_answered_as_what_there_never_was() {
    let mut service = Service::start(&[]);
    service.until_ready();
    let mut client = service.connect("admin");
    let status = client.get("/metrics").status;
    assert!(matches!(status, 200 | 404), "{status}");
    let refused = if status == 200 { 405 } else { 404 };
    assert_eq!(client.put("/metrics", "").status, refused);
    assert_eq!(client.get("/livez").status, 200, "it is still there");
}

#[test]
fn the_cap_for_clients_is_not_one_for_operators() {
    let mut service = Service::start(&["--max-connections", "1"]);
    service.until_ready();
    let mut operators: Vec<_> = (0..20).map(|_| service.connect("admin")).collect();
    for operator in &mut operators {
        assert_eq!(operator.get("/readyz").status, 200);
    }
}
