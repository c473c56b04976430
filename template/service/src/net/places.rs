//! Places for connections: a listener has so many, and all of them together what the system gives the process in file
//! descriptors. Who finds none waits in the kernel's queue.

use std::sync::{Arc, LazyLock};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Descriptors that clients' connections leave to the rest of the process: files, connections to others, operators.
const RESERVE: u64 = 256;

/// Connections of operators; they come out of [`RESERVE`].
const OPERATORS: usize = 128;

/// Descriptors for clients' connections. The process has them, so it is the process's one static.
static DESCRIPTORS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(descriptors())));

/// The places of one listener.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Its own.
    own: Arc<Semaphore>,
    /// Those that it shares with others.
    shared: Option<Arc<Semaphore>>,
}

/// Where a connection belongs to its listener: made when it is accepted, dropped when it is over.
#[derive(Debug)]
pub(super) struct Place {
    /// Given back with it.
    _permits: Permits,
}

/// What has to be there before a connection is accepted.
type Permits = Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>;

impl Places {
    /// For clients, at most this many at once.
    pub(super) fn for_clients(listener: &'static str, limit: usize) -> Self {
        let shared = Arc::clone(&DESCRIPTORS);
        let available = shared.available_permits();
        if limit > available {
            tracing::warn!(
                listener,
                limit,
                available,
                "file descriptors will be short before --max-connections is reached: raise the hard limit (ulimit -n)"
            );
        }
        Self { own: Arc::new(Semaphore::new(limit)), shared: Some(shared) }
    }

    /// For operators, who are served whatever clients do.
    pub(super) fn for_operators() -> Self {
        Self { own: Arc::new(Semaphore::new(OPERATORS)), shared: None }
    }

    /// Resolves when another connection may be accepted.
    ///
    /// # Cancel safety
    /// Dropping it gives back what it has taken.
    pub(super) async fn free(&self) -> Permits {
        let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
        match &self.shared {
            Some(shared) => Some((own, Some(Arc::clone(shared).acquire_owned().await.ok()?))),
            None => Some((own, None)),
        }
    }

    /// A connection was accepted, with what [`Places::free`] gave, or beyond the cap.
    pub(super) fn take(&self, permits: Permits) -> Place {
        Place { _permits: permits }
    }
}

/// How many descriptors are left for clients, after the process has asked for as many as it may have: the limit that it
/// is started with is often 1024, for the sake of programs that call select(2) and can't have more.
fn descriptors() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        // Some systems have a limit beyond the one they tell.
        Err(_) => current,
    };
    let all = limit.unwrap_or(u64::MAX);
    let left = usize::try_from(all - RESERVE.min(all / 2)).unwrap_or(usize::MAX);
    left.min(Semaphore::MAX_PERMITS)
}
