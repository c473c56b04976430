//! How the process ends when a task does not do what it should. This program plays the service in a process of its own.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use service::{
    config::Settings,
    lifecycle::{self, Phase, Signals, Supervisor, Times},
    telemetry,
};
use tokio::{runtime::Builder, task::spawn_blocking};

/// Runs a service that consists of one task, sends it `signals`, and ends as `main` does.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "this is the end of the process")]
fn play(task: impl Future<Output = ()> + Send + 'static, signals: usize, grace: Duration) {
    let telemetry = telemetry::start(&Settings::parse_from(["service", "--log-format=json"])).unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let mut received = Signals::install().unwrap();
        let (control, phases) = lifecycle::channel();
        let supervisor = Supervisor::new(phases.clone());
        supervisor.spawn("the task", task);
        control.advance(Phase::Ready);
        thread::spawn(move || {
            for signal in [Signal::TERM, Signal::INT].into_iter().take(signals) {
                kill_process(getpid(), signal).unwrap();
            }
        });
        let times = Times { delay: Duration::ZERO, grace };
        lifecycle::serve_until_stopped(control, &supervisor, &mut received, times, async {}).await
    });
    lifecycle::end(runtime);
    telemetry.end(outcome);
    std::process::exit(outcome.code().into());
}

/// What becomes of the process in which this program plays `scene`: its exit code, its log, and how long it took.
#[expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]
fn ends(scene: &str) -> (i32, Vec<Value>, Duration) {
    let start = Instant::now();
    let mut program = Command::new(std::env::current_exe().unwrap());
    let output = program.args(["--exact", scene, "--ignored", "--nocapture"]).output().unwrap();
    // Between what the test harness says stands the log.
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let log = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()).filter(Value::is_object).collect();
    (output.status.code().unwrap(), log, start.elapsed())
}

fn last(log: &[Value]) -> (&str, &str) {
    let last = log.last().unwrap();
    (last["message"].as_str().unwrap(), last["outcome"].as_str().unwrap())
}

/// A blocking call that never returns, and a task that waits for it.
#[expect(clippy::disallowed_methods, reason = "that is the mistake")]
async fn stuck() {
    drop(spawn_blocking(|| thread::sleep(Duration::MAX)).await);
}

#[test]
#[ignore = "a scene"]
fn a_panic() {
    play(async { panic!("on purpose") }, 0, Duration::from_secs(60));
}

#[test]
fn a_task_that_panics_ends_the_process_with_1() {
    let (code, log, _) = ends("a_panic");
    assert_eq!((code, last(&log)), (1, ("stopped", "failed")));
    assert!(log.iter().any(|line| line["message"] == "panic" && line["reason"] == "on purpose"), "{log:?}");
    assert!(log.iter().any(|line| line["message"] == "task failed" && line["task"] == "the task"), "{log:?}");
}

#[test]
#[ignore = "a scene"]
fn a_blocking_call() {
    play(stuck(), 1, Duration::from_millis(300));
}

#[test]
fn a_blocking_call_that_never_returns_holds_the_process_no_longer_than_the_grace() {
    let (code, log, took) = ends("a_blocking_call");
    assert_eq!((code, last(&log)), (3, ("stopped", "forced")));
    assert!(log.iter().any(|line| line["message"] == "still running" && line["task"] == "the task"), "{log:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
#[ignore = "a scene"]
fn a_blocking_call_and_two_signals() {
    play(stuck(), 2, Duration::from_secs(60));
}

#[test]
fn a_second_signal_does_not_wait_for_a_blocking_call() {
    let (code, log, took) = ends("a_blocking_call_and_two_signals");
    assert!([130, 143].contains(&code), "whichever signal is taken second: {code}");
    assert_eq!(last(&log), ("stopped", "forced"));
    assert!(took < Duration::from_secs(10), "{took:?}");
}
