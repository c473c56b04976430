//! Computing, off the runtime: a pool of threads for what takes long without waiting.
//!
//! A task that computes keeps a worker of the runtime from every other task on it: beyond 100 µs or so the work belongs
//! here. Jobs wait in front of the pool, not in it, so one whose caller goes away while it waits is gone as well. How
//! many may wait is bounded; whoever comes then is refused at once.

mod digest;

pub use digest::{Digest, DigestError, digest};

use std::{num::NonZeroUsize, sync::Arc};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

//{% if measured %}
use crate::meters;

//{% endif %}
/// Why a job came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// All threads are busy, and as many jobs wait as may. Later it may work.
    #[error("too many jobs wait to be computed")]
    Overloaded,
    /// The job panicked; it is logged.
    #[error("a computation failed")]
    Panicked,
}

/// The threads, and the places in front of them. Cheap to clone.
///
/// The threads end when the last handle is gone and the last job is done. Nobody waits for that: a job that is stuck
/// does not hold the end of the process.
#[derive(Clone, Debug)]
pub struct Pool {
    threads: Arc<ThreadPool>,
    /// A permit for each thread, so that a job in the pool never waits there.
    idle: Arc<Semaphore>,
    /// A permit for each job that may wait.
    queue: Arc<Semaphore>,
    /// How many may.
    places: usize,
}

impl Pool {
    /// Starts `threads` threads, for which `places` jobs may wait.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(threads: NonZeroUsize, places: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|index| format!("compute-{index}"))
            // The panic hook has logged it, and the caller is told. Without a handler, rayon would abort the process.
            .panic_handler(drop)
            .build()?;
        let pool = Self {
            threads: Arc::new(pool),
            idle: Arc::new(Semaphore::new(threads.get())),
            queue: Arc::new(Semaphore::new(places)),
            places,
        };
        //{% if measured %}
        pool.measure();
        //{% endif %}
        Ok(pool)
    }
    //{% if measured %}

    /// Tells whoever measures how busy it is.
    fn measure(&self) {
        // Not the pool itself: whoever measures must not keep its threads alive.
        let taken = |places: usize, free: &Arc<Semaphore>| {
            let free = Arc::downgrade(free);
            move || u64::try_from(places.saturating_sub(free.upgrade()?.available_permits())).ok()
        };
        let threads = self.threads.current_num_threads();
        meters::observe("compute.waiting", "Jobs that wait for a thread", taken(self.places, &self.queue));
        meters::observe("compute.running", "Threads that compute", taken(threads, &self.idle));
    }
    //{% endif %}

    /// How many jobs wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places - self.queue.available_permits()
    }

    /// How many threads are taken.
    #[must_use]
    pub fn running(&self) -> usize {
        self.threads.current_num_threads() - self.idle.available_permits()
    }

    /// Waits for a thread, and keeps it for one job. Who needs memory to prepare a job asks for the thread first: then
    /// only as many prepare as there are threads.
    ///
    /// # Errors
    /// [`ComputeError::Overloaded`], at once.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in the queue.
    pub async fn reserve(&self) -> Result<Thread, ComputeError> {
        let permit = match Arc::clone(&self.idle).try_acquire_owned() {
            Ok(permit) => permit,
            // Who waits is served first, so there is none to be had past the queue.
            Err(_) => {
                let _place = self.queue.try_acquire().map_err(|_| ComputeError::Overloaded)?;
                // The semaphore is never closed.
                Arc::clone(&self.idle).acquire_owned().await.map_err(|_| ComputeError::Overloaded)?
            }
        };
        Ok(Thread { pool: Arc::clone(&self.threads), permit })
    }
}

/// A thread of the pool that is free for one job. Dropping it gives it back.
#[derive(Debug)]
pub struct Thread {
    pool: Arc<ThreadPool>,
    /// Given back when the job has ended, however it does.
    permit: OwnedSemaphorePermit,
}

impl Thread {
    /// Runs a job, and waits for what it comes to.
    ///
    /// The token is cancelled when nobody waits any more. A job should look at it every few milliseconds, and return
    /// `None` then.
    ///
    /// # Errors
    /// [`ComputeError::Panicked`].
    ///
    /// # Cancel safety
    /// Dropping it cancels the token. What the job has done by then is lost.
    ///
    /// # Panics
    /// Never: a panic in the job ends only the job.
    pub async fn run<T, J>(self, job: J) -> Result<T, ComputeError>
    where
        T: Send + 'static,
        J: FnOnce(&CancellationToken) -> Option<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let unwanted = CancellationToken::new();
        let _cancels_when_dropped = unwanted.clone().drop_guard();
        // What the job logs belongs to the request that asked for it.
        let span = tracing::Span::current();
        let Self { pool, permit } = self;
        pool.spawn(move || {
            let _busy = permit;
            if !unwanted.is_cancelled()
                && let Some(result) = span.in_scope(|| job(&unwanted))
            {
                // An error says that nobody waits any more.
                drop(reply.send(result));
            }
        });
        // The caller waits, so the job has not given up: without an answer it has panicked.
        answer.await.map_err(|_| ComputeError::Panicked)
    }
}
