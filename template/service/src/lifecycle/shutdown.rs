//! The way from the signal to the end: delay, drain, deadline.

use std::{pin::pin, sync::OnceLock, time::Duration};

use process::{Outcome, log::ALWAYS};
use tokio::{
    runtime::Runtime,
    select,
    time::{Instant, interval_at, sleep_until},
};

use super::{Phase, PhaseControl, Signals, Supervisor};

/// How often the drain says who is still there.
const REPORT: Duration = Duration::from_secs(5);

/// Tasks get this long to end once nobody needs them, even if work took all of the grace.
const TASKS: Duration = Duration::from_secs(1);

/// How long a blocking call that does not return may hold the end of the process.
const STUCK: Duration = Duration::from_millis(200);

/// How long the shutdown may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the signal to the drain.
    pub delay: Duration,
    /// From the signal to the forced end.
    pub grace: Duration,
}

/// Serves until a signal comes or a task fails, then stops. `serving` resolves when the last listener and connection is
/// gone, which they strive for once the drain has begun.
///
/// # Cancel safety
/// Dropping it leaves the phase where it is: nothing stops, and nobody will stop it.
pub async fn serve_until_stopped(
    control: PhaseControl,
    supervisor: &Supervisor,
    signals: &mut Signals,
    times: Times,
    serving: impl Future<Output = ()> + Send,
) -> Outcome {
    let has_failed = select! {
        _ = signals.next() => false,
        _ = supervisor.failed() => true,
    };
    let asked = Instant::now();
    control.advance(Phase::Stopping);
    tracing::info!(delay = ?times.delay, grace = ?times.grace, "stopping");
    let stopped = OnceLock::new();
    let mut drain = pin!(async {
        // Who can't do its work should not pretend to for the length of the delay.
        select! {
            () = sleep_until(asked + times.delay) => {}
            _ = supervisor.failed() => {}
        }
        control.advance(Phase::Draining);
        serving.await;
        control.advance(Phase::Stopped);
        stopped.get_or_init(Instant::now);
        supervisor.idle().await;
    });
    let mut report = interval_at(asked + times.delay + REPORT, REPORT);
    let outcome = loop {
        let grace = asked + times.grace;
        let deadline = stopped.get().map_or(grace, |stopped| grace.max(*stopped + TASKS));
        select! {
            biased;
            code = signals.next() => break if has_failed { Outcome::Failed } else { Outcome::Killed(code) },
            () = &mut drain => break if supervisor.has_failed() { Outcome::Failed } else { Outcome::Drained },
            () = sleep_until(deadline) => {
                // The last work may have ended in the last moment: that has moved the deadline.
                if stopped.get().is_some_and(|stopped| stopped.elapsed() < TASKS) {
                    continue;
                }
                let cut = supervisor.unfinished();
                for task in &cut {
                    tracing::warn!(target: ALWAYS, %task, "still running");
                }
                // With nothing to cut, only idle connections were left.
                break match supervisor.has_failed() {
                    true => Outcome::Failed,
                    false if cut.is_empty() => Outcome::Drained,
                    false => Outcome::Cut,
                };
            }
            _ = report.tick() => tracing::info!(tasks = ?supervisor.unfinished(), "draining"),
        }
    };
    // Whatever still runs is meant to end now: that is no failure of its own.
    control.advance(Phase::Stopped);
    outcome
}

/// Ends the runtime, whatever still runs in it: nothing is logged after that.
pub fn end(runtime: Runtime) {
    runtime.shutdown_timeout(STUCK);
}
