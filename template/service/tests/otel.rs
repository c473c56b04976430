//! What a collector gets, and that nobody waits for one.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]
#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use common::{PATIENCE, PROGRAM, Service, outcome};

/// A collector: where it listens, and what it gets, as the path and the body of each request.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, exports) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let head = String::from_utf8_lossy(&head).to_lowercase();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    let mut body = vec![0; length.unwrap_or(0)];
                    stream.read_exact(&mut body).unwrap();
                    if sender.send((path, body)).is_err() {
                        return;
                    }
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (address, exports)
}

fn service(variables: &[(&str, &str)]) -> Service {
    Service::run(Command::new(PROGRAM).args(["--worker-threads", "1"]).envs(variables.iter().copied()))
}

/// Ends the service; it has to be quick about it, whatever the collector does.
fn end(mut service: Service) {
    service.connect("admin").get("/readyz");
    let asked = Instant::now();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn measurements_reach_the_collector_at_the_end_under_the_programs_name_or_its_own() {
    for name in [None, Some("my-name")] {
        let (address, exports) = collector();
        let mut variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*address)];
        variables.extend(name.map(|name| ("OTEL_SERVICE_NAME", name)));
        end(service(&variables));
        let (_, body) = exports.iter().find(|(path, _)| path == "/v1/metrics").unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let program = std::path::Path::new(PROGRAM).file_name().unwrap().to_string_lossy();
        assert!(body.contains(name.unwrap_or(&program)), "{body}");
        assert!(body.contains("connections.accepted"), "{body}");
    }
}

#[test]
fn a_collector_that_is_gone_or_silent_is_waited_for_a_moment_only() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in ["http://127.0.0.1:9", &silent] {
        for protocol in ["grpc", "http/protobuf"] {
            end(service(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]));
        }
    }
}

#[test]
fn a_collector_may_speak_grpc() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service =
        service(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &address), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    let collector = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut preface = [0; 14];
        stream.read_exact(&mut preface).unwrap();
        preface
    });
    end(service);
    assert_eq!(&collector.join().unwrap(), b"PRI * HTTP/2.0");
}

#[test]
fn nothing_is_exported_when_the_standard_says_so() {
    for (variable, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")] {
        let (address, exports) = collector();
        end(service(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &address), (variable, value)]));
        assert!(exports.try_recv().is_err());
    }
}

/// Whether a service with these variables has the thread that exports.
#[cfg(target_os = "linux")]
fn can_export(variables: &[(&str, &str)]) -> bool {
    let mut service = service(variables);
    service.connect("admin").get("/readyz");
    let threads = std::fs::read_dir(format!("/proc/{}/task", service.id())).unwrap();
    // One that has ended meanwhile has no name.
    threads.flatten().any(|thread| std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|is| is == "otlp\n"))
}

#[cfg(target_os = "linux")]
#[test]
fn without_an_endpoint_there_is_nothing_that_could_export() {
    assert!(!can_export(&[]));
    assert!(!can_export(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_EXPORTER", "otlp")]));
    assert!(can_export(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]));
}

#[test]
fn a_bad_variable_is_refused_by_name() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "127.0.0.1:1"),
    ] {
        let mut command = Command::new(PROGRAM);
        let output =
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(variable), "{output:?}");
    }
}
//{% if http %}

#[test]
fn a_callers_trace_is_joined_and_its_id_is_in_the_log_whatever_the_filter_leaves_out_of_it() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (address, exports) = collector();
    let mut service = service(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address), ("APP_LOG_FILTER", "service=debug")]);
    let mut client = service.connect("http");
    let call = format!("GET /v1/keys/k HTTP/1.1\r\nhost: test\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n");
    client.send(&call);
    assert_eq!(client.response().status, 404);
    service.logged(|line| line["message"] == "answered" && line["span"]["trace_id"] == TRACE);

    assert_eq!(service.connect("admin").put("/log-filter", "off").status, 204);
    client.send(&call);
    assert_eq!(client.response().status, 404);
    drop(client);
    end(service);

    let id: Vec<u8> = (0..32).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap()).collect();
    let spans = exports.try_iter().filter(|(path, _)| path == "/v1/traces");
    let found: usize = spans.map(|(_, body)| body.windows(16).filter(|part| part == &id).count()).sum();
    assert_eq!(found, 2, "one span for each request");
}
//{% endif %}
