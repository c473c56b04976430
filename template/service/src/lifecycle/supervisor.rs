//! Tasks with a name: each is tracked, none dies unseen, and the drain can say who is still there.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{Phase, Phases};

/// What a task or a piece of work is called in logs: its interface and route, or what it owns.
pub type Name = Cow<'static, str>;

/// Starts every task of the service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Where the service stands: a task may end once the drain has begun, not before.
    phases: Phases,
    /// Every task, so that the end of the service can wait for the last one.
    tracker: TaskTracker,
    /// The first task that failed; it stops the service.
    failed: watch::Sender<Option<Name>>,
    /// Work that the drain waits for.
    work: Arc<Mutex<Unfinished>>,
}

/// Work by the order in which it began.
#[derive(Debug, Default)]
struct Unfinished {
    /// The number that the next piece of work gets.
    next: u64,
    /// What has begun and not ended.
    names: BTreeMap<u64, Name>,
}

impl Supervisor {
    /// A supervisor without tasks.
    #[must_use]
    pub fn new(phases: Phases) -> Self {
        Self { phases, tracker: TaskTracker::new(), failed: watch::Sender::new(None), work: Arc::default() }
    }

    /// Runs a task that the service can't be without: its panic, or its end before the drain, stops the service.
    pub fn spawn(&self, name: impl Into<Name>, task: impl Future<Output = ()> + Send + 'static) {
        let (name, supervisor) = (name.into(), self.clone());
        self.track(async move {
            let end = AssertUnwindSafe(task).catch_unwind().await;
            let cause = match end {
                Err(_) => "panicked",
                Ok(()) if supervisor.phases.current() < Phase::Draining => "ended early",
                Ok(()) => return,
            };
            tracing::error!(task = %name, cause, "task failed");
            supervisor.failed.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(name);
                is_first
            });
        });
    }

    /// Runs `work` to its end even if the caller goes away: a client that hangs up drops its handler at whatever
    /// `.await` it has reached, and work that is only half done there would leave a state that nobody asked for.
    ///
    /// # Cancel safety
    /// Dropping the future drops the answer, never the work.
    ///
    /// # Panics
    /// When `work` panics, with its payload.
    pub async fn finish<T: Send + 'static>(
        &self,
        name: impl Into<Name>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let unfinished = self.begin(name);
        let task = self.track(async move {
            let result = work.await;
            drop(unfinished);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // Nobody holds a handle to cancel by, so the runtime is going down, and this future with it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Runs a task that may end at any time, as a connection does. Its panic is logged by the panic hook.
    pub(crate) fn track<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tracker.spawn(task)
    }

    /// Names a piece of work that the drain has to wait for, until the guard is dropped.
    #[must_use]
    pub fn begin(&self, name: impl Into<Name>) -> Work {
        let mut unfinished = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let id = unfinished.next;
        unfinished.next += 1;
        unfinished.names.insert(id, name.into());
        Work { id, all: Arc::clone(&self.work) }
    }

    /// The names of the work that has begun and not ended, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Name> {
        let unfinished = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.names.values().cloned().collect()
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
    /// Dropping it forgets nothing; tasks may still be started.
    pub async fn idle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// A piece of work that has begun. It ends by being dropped.
pub struct Work {
    /// Its place among the unfinished.
    id: u64,
    /// Where it is crossed out.
    all: Arc<Mutex<Unfinished>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut unfinished = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.names.remove(&self.id);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Work({})", self.id)
    }
}
