//! What is counted and timed of commands. A count must cost next to nothing beside a command, so all are bound to their
//! labels beforehand.

use std::{ptr, time::Instant};

use opentelemetry::metrics::{BoundCounter, BoundHistogram};
use resp::{COMMANDS, Spec};

use crate::meters;

/// With what word an error reply begins; in doubt it is the first.
const ERRORS: [&str; 3] = ["ERR", "BUSY", "NOPROTO"];

/// What is measured of all connections together.
#[derive(Debug)]
pub(super) struct Meters {
    /// In the order of the commands: what comes often is found first.
    commands: Vec<(&'static Spec, BoundCounter<u64>)>,
    /// As [`ERRORS`] has them.
    errors: [BoundCounter<u64>; 3],
    /// Commands that were too many, as every interface counts them.
    shed: BoundCounter<u64>,
    /// From commands to their answers.
    batches: BoundHistogram<f64>,
}

impl Meters {
    pub(super) fn new() -> Self {
        let commands: Vec<_> = COMMANDS.iter().map(|spec| (spec, meters::commands(spec.name))).collect();
        let errors = ERRORS.map(meters::errors);
        for counter in commands.iter().map(|(_, counter)| counter).chain(&errors) {
            counter.add(0);
        }
        Self { commands, errors, shed: meters::shed("tcp"), batches: meters::batches() }
    }

    /// A command is understood.
    pub(super) fn called(&self, spec: &'static Spec) {
        if let Some((_, counter)) = self.commands.iter().find(|(known, _)| ptr::eq(*known, spec)) {
            counter.add(1);
        }
    }

    /// A command is answered with an error.
    pub(super) fn failed(&self, error: &str) {
        let kind = ERRORS.iter().position(|kind| error.starts_with(kind)).unwrap_or_default();
        self.errors[kind].add(1);
        if ERRORS[kind] == "BUSY" {
            self.shed.add(1);
        }
    }

    /// Commands that came together have their answers.
    pub(super) fn answered(&self, began: Instant) {
        self.batches.record(began.elapsed().as_secs_f64());
    }
}
