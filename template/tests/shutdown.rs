//! The end of the service, and its beginning, as those see them who operate it: signals, exit codes, health, log filter.

mod common;

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use common::{PROGRAM, Service, outcome};

#[test]
fn each_signal_drains_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut service = Service::start(&[]);
        service.until_ready();
        service.signal(signal);
        let (code, log) = service.ended();
        assert_eq!((code, outcome(&log)), (0, "drained"));
    }
}

#[test]
fn it_is_not_ready_at_once_after_the_signal_and_still_alive_for_the_delay() {
    let mut service = Service::start(&["--shutdown-delay", "60s", "--shutdown-grace", "60s"]);
    assert_eq!(service.connect("admin").get("/livez").status, 200);
    service.signal("TERM");
    service.logged(|line| line["message"] == "stopping");
    let ready = service.connect("admin").get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(String::from_utf8_lossy(&ready.body).contains("stopping"));
    assert!(ready.says_close());
    assert_eq!(service.connect("admin").get("/livez").status, 200);
}

#[test]
fn the_delay_is_kept() {
    let mut service = Service::start(&["--shutdown-delay", "1s"]);
    service.until_ready();
    let asked = Instant::now();
    service.signal("TERM");
    let (code, _) = service.ended();
    assert_eq!(code, 0);
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_second_signal_ends_it_at_once_with_the_code_of_that_signal() {
    for (signal, expected) in [("TERM", 143), ("INT", 130)] {
        let mut service = Service::start(&["--shutdown-delay", "60s", "--shutdown-grace", "60s"]);
        service.connect("admin");
        service.signal("TERM");
        service.logged(|line| line["message"] == "stopping");
        service.signal(signal);
        let (code, log) = service.ended();
        assert_eq!((code, outcome(&log)), (expected, "forced"));
    }
}

#[test]
fn no_log_filter_hides_what_listens_and_how_it_ended() {
    let mut service = Service::start(&["--log-filter", "off"]);
    service.connect("admin");
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(log.iter().all(|line| line["target"] == "process::always"));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block, where tasks may not")]
fn a_port_that_is_taken_fails_the_start_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log) = Service::run(Command::new(PROGRAM).args(["--admin-addr", &address])).ended();
    assert_eq!((code, outcome(&log)), (1, "failed"));
    assert!(log.iter().any(|line| line["error"].as_str().is_some_and(|error| error.contains(&address))), "{log:?}");
    assert!(log.iter().all(|line| line["message"] != "task failed"), "{log:?}");
}

#[test]
fn the_log_filter_changes_while_it_runs() {
    let mut service = Service::start(&[]);
    let mut admin = service.connect("admin");
    assert_eq!(admin.get("/log-filter").body, b"info\n");
    assert_eq!(admin.put("/log-filter", "warn,service=debug").status, 204);
    assert_eq!(admin.get("/log-filter").body, b"warn,service=debug\n");
    let refused = admin.put("/log-filter", "info=info=info");
    assert_eq!(refused.status, 400);
    assert_eq!(admin.get("/log-filter").body, b"warn,service=debug\n");
}

#[test]
fn a_delay_as_long_as_the_grace_cuts_nothing_when_there_is_no_work() {
    let mut service = Service::start(&["--shutdown-delay", "300ms", "--shutdown-grace", "300ms"]);
    let idle = service.connect("admin");
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    drop(idle);
}
