//! tokio-console: off until it is asked for, and then no burden on the end.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]
#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use common::{PATIENCE, PROGRAM, Service, outcome};

/// Asks for the updates of the runtime, by a call of gRPC.
fn watch(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // In HPACK: `:method` and `:scheme`, and literals that are not to be remembered.
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/rs.tokio.console.instrument.Instrument/WatchUpdates"),
        (":authority", "test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        head.push(0);
        for text in [name, value] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend(text.bytes());
        }
    }
    // The preface with settings; the head; and a message that is empty.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend([0, 0, u8::try_from(head.len()).unwrap(), 1, 4, 0, 0, 0, 1]);
    bytes.extend(head);
    bytes.extend([0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn it_is_off_by_default() {
    let mut service = Service::start(&[]);
    service.connect("admin").get("/readyz");
    service.signal("TERM");
    let (_, log) = service.ended();
    assert!(log.iter().all(|line| line["listener"] != "console"));
}

#[test]
fn it_shows_the_tasks_of_the_runtime_and_does_not_hold_the_end() {
    let mut service = Service::start(&["--console-addr", "127.0.0.1:0"]);
    let mut stream = watch(&service.address("console"));
    let mut seen = Vec::new();
    // The place in the source where a task was spawned.
    while !seen.windows(13).any(|part| part == b"supervisor.rs") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&part[..length]);
    }
    let asked = Instant::now();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn an_address_that_is_taken_fails_the_start_and_a_bad_one_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log) = Service::start(&["--console-addr", &address]).ended();
    assert_eq!((code, outcome(&log)), (1, "failed"));
    let output = Command::new(PROGRAM).args(["--console-addr", "localhost"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
