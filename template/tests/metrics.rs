//! What Prometheus is told by any shell.

mod common;

use std::collections::BTreeSet;

use common::{Service, scrape};

#[test]
fn every_series_has_a_type_and_a_meaning_and_each_is_told_once() {
    let mut service = Service::start(&[]);
    service.until_ready();
    let text = scrape(&mut service);
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
//{% if tcp %}

#[test]
fn commands_are_counted_by_name_errors_by_kind_and_what_came_together_is_timed() {
    use std::{io::Read, time::Instant};

    use common::{PATIENCE, value};

    let mut service = Service::start(&[]);
    service.until_ready();
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
    let start = Instant::now();
    while value(&scrape(&mut service), "resp_batch_duration_seconds_count") != Some(1.0) {
        assert!(start.elapsed() < PATIENCE, "one batch should have been timed");
    }
}
//{% endif %}
