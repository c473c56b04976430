//! Tasks with a name: each is tracked, none dies unseen, and the drain can say who is still there.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use process::work::{Name, Names, Work};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::task::TaskTracker;

use super::{Phase, Phases};

/// Starts every task of the service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Where the service stands: a task may end once the drain has begun, not before.
    phases: Phases,
    /// Tasks that the service can't be without.
    tasks: TaskTracker,
    /// What they are called.
    running: Names,
    /// The first task that failed; it stops the service.
    failed: watch::Sender<Option<Name>>,
    /// Work that the drain waits for.
    work: Names,
}

impl Supervisor {
    /// A supervisor without tasks.
    #[must_use]
    pub fn new(phases: Phases) -> Self {
        Self {
            phases,
            tasks: TaskTracker::new(),
            running: Names::default(),
            failed: watch::Sender::new(None),
            work: Names::default(),
        }
    }

    /// Runs a task that the service can't be without: its panic, or its end before the drain, stops the service. The
    /// handle resolves when the task has ended.
    pub fn spawn(&self, name: impl Into<Name>, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (name, supervisor) = (name.into(), self.clone());
        let running = self.running.enter(name.clone());
        self.tasks.spawn(async move {
            let end = AssertUnwindSafe(task).catch_unwind().await;
            drop(running);
            let cause = match end {
                Err(_) => "panicked",
                Ok(()) if supervisor.phases.is_ending() => return,
                Ok(()) => "ended early",
            };
            tracing::error!(task = %name, cause, "task failed");
            supervisor.failed.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(name);
                is_first
            });
        })
    }

    /// Names a piece of work that the drain has to wait for, until the guard is dropped.
    #[must_use]
    pub fn begin(&self, name: impl Into<Name>) -> Work {
        self.work.enter(name.into())
    }

    /// What has begun and should have ended, oldest first: work, and once that is done, the tasks that served it.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Name> {
        match self.phases.current() {
            Phase::Stopped => self.running.all(),
            _ => self.work.all(),
        }
    }

    /// Whether a task has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }

    /// Resolves with the name of the first task that failed; never, if none does.
    ///
    /// # Cancel safety
    /// A failure stays known: calling again after a drop resolves at once.
    pub async fn failed(&self) -> Name {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await.ok().and_then(|name| name.clone()) {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }

    /// Resolves when the last task has ended.
    ///
    /// # Cancel safety
    /// Dropping it forgets nothing.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
