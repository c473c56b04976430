//! The life of the service from inside: supervised tasks, and what becomes of it when they fail.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{process::Command, time::Duration};

use common::{PROGRAM, Service, outcome};
use process::Outcome;
use service::lifecycle::{self, Phase, Signals, Supervisor, Times, serve_until_stopped};

#[test]
fn a_runtime_that_can_not_start_fails_the_start_with_1() {
    let mut command = Command::new("sh");
    let (code, log) = Service::run(command.args(["-c", "ulimit -n 4; exec \"$0\"", PROGRAM])).ended();
    assert_eq!((code, outcome(&log)), (1, "failed"));
    assert!(log.iter().any(|line| line["message"] == "failed to start"), "{log:?}");
}

/// Runs a service that consists of one task; with the outcome, whether the phase was [`Phase::Stopped`] in the end.
async fn outcome_of(task: impl Future<Output = ()> + Send + 'static, grace: Duration) -> (Outcome, bool) {
    let (control, phases) = lifecycle::channel();
    let supervisor = Supervisor::new(phases.clone());
    supervisor.spawn("the task", task);
    control.advance(Phase::Ready);
    let times = Times { delay: Duration::ZERO, grace };
    let mut signals = Signals::install().unwrap();
    let outcome = serve_until_stopped(control, &supervisor, &mut signals, times, async {}).await;
    (outcome, phases.current() == Phase::Stopped)
}

#[tokio::test]
async fn a_task_that_panics_stops_the_service_as_failed() {
    assert_eq!(outcome_of(async { panic!("on purpose") }, Duration::from_secs(60)).await, (Outcome::Failed, true));
}

#[tokio::test]
async fn a_task_that_ends_early_stops_the_service_as_failed() {
    assert_eq!(outcome_of(async {}, Duration::from_secs(60)).await, (Outcome::Failed, true));
}

#[tokio::test]
async fn a_task_that_is_stuck_is_given_up_when_the_grace_ends() {
    let (control, phases) = lifecycle::channel();
    let supervisor = Supervisor::new(phases);
    supervisor.spawn("a stuck task", std::future::pending());
    supervisor.spawn("a task that fails", async {});
    let times = Times { delay: Duration::ZERO, grace: Duration::from_millis(50) };
    let mut signals = Signals::install().unwrap();
    let outcome = serve_until_stopped(control, &supervisor, &mut signals, times, async {}).await;
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(supervisor.unfinished(), ["a stuck task"]);
}

#[tokio::test]
async fn work_and_then_tasks_are_known_by_name() {
    let (control, phases) = lifecycle::channel();
    let supervisor = Supervisor::new(phases);
    supervisor.spawn("a stuck task", std::future::pending());
    let work = supervisor.begin("http PUT /somewhere");
    assert_eq!(supervisor.unfinished(), ["http PUT /somewhere"]);
    drop(work);
    assert!(supervisor.unfinished().is_empty(), "the task serves until the service has stopped");
    control.advance(Phase::Stopped);
    assert_eq!(supervisor.unfinished(), ["a stuck task"]);
}

#[tokio::test]
async fn the_first_task_that_fails_is_the_one_that_is_known() {
    let (_control, phases) = lifecycle::channel();
    let supervisor = Supervisor::new(phases);
    for name in ["the first", "the second"] {
        supervisor.spawn(name, async {}).await.unwrap();
    }
    assert_eq!(supervisor.failed().await, "the first");
}
