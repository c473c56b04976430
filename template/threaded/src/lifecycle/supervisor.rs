//! Threads with a name that the service can't be without: none dies unseen.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Phase, Phases};

/// The name of a thread that has failed.
pub type Report = &'static str;

/// Starts the threads of the service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Where the service stands: a thread may end once the drain has begun, not before.
    phases: Phases,
    /// Where failures are reported.
    failed: Sender<Report>,
}

impl Supervisor {
    /// A supervisor without threads, and what it reports.
    #[must_use]
    pub fn new(phases: Phases) -> (Self, Receiver<Report>) {
        // One message for each thread at most, and these are few.
        let (failed, reports) = unbounded();
        (Self { phases, failed }, reports)
    }

    /// Runs a thread that the service can't be without: its panic, or its end before the drain, stops the service.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn(&self, name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let Self { phases, failed } = self.clone();
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            let cause = match catch_unwind(AssertUnwindSafe(work)) {
                Err(_) => "panicked",
                Ok(()) if phases.current() >= Phase::Draining => return,
                Ok(()) => "ended early",
            };
            tracing::error!(task = name, cause, "task failed");
            // An error says that the service has ended.
            failed.send(name).unwrap_or_default();
        })?;
        Ok(())
    }

    /// Where the service stands.
    #[must_use]
    pub fn phases(&self) -> &Phases {
        &self.phases
    }
}
