//! The way from the signal to the end: delay, drain, deadline.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, at, never, select, tick};
use process::{Outcome, log::ALWAYS};

use super::{Phase, PhaseControl, Report, Signals};
use crate::net::Connections;

/// How often the drain says who is still there.
const REPORT: Duration = Duration::from_secs(5);

/// How long the shutdown may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the signal to the drain.
    pub delay: Duration,
    /// From the signal to the forced end.
    pub grace: Duration,
}

/// Serves until a signal comes or a thread fails, then stops.
pub fn serve_until_stopped(
    control: &PhaseControl,
    reports: &Receiver<Report>,
    signals: &mut Signals,
    times: Times,
    connections: &Connections,
) -> Outcome {
    let signals = signals.queue();
    let mut has_failed = select! {
        recv(signals) -> _ => false,
        recv(reports) -> _ => true,
    };
    let asked = Instant::now();
    control.advance(Phase::Stopping);
    tracing::info!(delay = ?times.delay, grace = ?times.grace, "stopping");
    // Who can't do its work should not pretend to for the length of the delay.
    let delay = if has_failed { Duration::ZERO } else { times.delay };
    let mut drain = at(asked + delay);
    let deadline = at(asked + times.grace);
    let (mut idle, mut report) = (never(), never());
    let outcome = loop {
        select! {
            recv(signals) -> code => break Outcome::Killed(code.unwrap_or_default()),
            recv(reports) -> _ => {
                has_failed = true;
                drain = after(Duration::ZERO);
            }
            recv(drain) -> _ => {
                drain = never();
                control.advance(Phase::Draining);
                idle = connections.drain();
                report = tick(REPORT);
            }
            recv(idle) -> _ => break Outcome::Drained,
            recv(deadline) -> _ => {
                let cut = connections.unfinished();
                for task in &cut {
                    tracing::warn!(target: ALWAYS, task, "still running");
                }
                // With nothing to cut, only idle connections were left.
                break if cut.is_empty() { Outcome::Drained } else { Outcome::Cut };
            }
            recv(report) -> _ => tracing::info!(tasks = ?connections.unfinished(), "draining"),
        }
    };
    control.advance(Phase::Stopped);
    if has_failed { Outcome::Failed } else { outcome }
}
