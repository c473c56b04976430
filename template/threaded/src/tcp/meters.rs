//! What is counted and timed of commands.

use std::time::Instant;

use prometheus::{Histogram, IntCounter};
use resp::{COMMANDS, Spec};

use crate::meters;

/// With what word an error reply begins; in doubt it is the first.
const ERRORS: [&str; 3] = ["ERR", "BUSY", "NOPROTO"];

/// What is measured of all connections together.
pub(super) struct Meters {
    /// In the order of the commands: what comes often is found first.
    commands: Vec<(&'static Spec, IntCounter)>,
    /// As [`ERRORS`] has them.
    errors: [IntCounter; 3],
    /// Commands that were too many.
    shed: IntCounter,
    /// From commands to their answers.
    batches: Histogram,
}

impl Meters {
    pub(super) fn new() -> Self {
        let commands = meters::counters("resp_commands_total", "RESP commands that were understood", "command");
        let errors = meters::counters("resp_errors_total", "RESP commands that were answered with an error", "error");
        let shed = meters::counters("requests_shed_total", "Requests that were refused as too many", "interface");
        Self {
            commands: COMMANDS.iter().map(|spec| (spec, commands.with_label_values(&[spec.name]))).collect(),
            errors: ERRORS.map(|kind| errors.with_label_values(&[kind])),
            shed: shed.with_label_values(&["tcp"]),
            batches: meters::seconds(
                "resp_batch_duration_seconds",
                "From RESP commands that have come together to their answers",
            ),
        }
    }

    /// A command is understood.
    pub(super) fn called(&self, spec: &'static Spec) {
        if let Some((_, counter)) = self.commands.iter().find(|(known, _)| std::ptr::eq(*known, spec)) {
            counter.inc();
        }
    }

    /// A command is answered with an error.
    pub(super) fn failed(&self, error: &str) {
        let kind = ERRORS.iter().position(|kind| error.starts_with(kind)).unwrap_or_default();
        self.errors[kind].inc();
        if ERRORS[kind] == "BUSY" {
            self.shed.inc();
        }
    }

    /// Commands that came together have their answers.
    pub(super) fn answered(&self, began: Instant) {
        self.batches.observe(began.elapsed().as_secs_f64());
    }
}
