//! What happens on one HTTP connection: its bytes, its requests and its task report here, and the deadlines are taken from
//! it.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use process::work::Work;
use tokio::{sync::OwnedSemaphorePermit, task::yield_now, time::sleep};

use super::{held::Held, io::Inbox};

/// What happens on one connection.
#[derive(Debug)]
pub(super) struct Traffic {
    /// What has come in.
    pub(super) inbox: Inbox,
    /// Reads and writes that moved something.
    transfers: AtomicU64,
    /// Request heads that were complete.
    requests: AtomicU64,
    /// Requests whose response has not been written to its last byte, and what waits for them.
    pub(super) held: Held,
    /// Those of them that the drain ends rather than waits for.
    streams: AtomicUsize,
    /// Responses, and parts of them, that wait for their client to read.
    unread: AtomicUsize,
    /// Parts of responses that went out.
    progress: AtomicU64,
    /// What the client owes, as [`Owed`] has it.
    owed: AtomicU64,
    /// Whether it began with the HTTP/2 preface.
    is_http2: AtomicBool,
    /// Whether the body of the request that is being answered comes in chunks that nobody has read to their end.
    has_unread_chunks: AtomicBool,
    /// Whether a response with an end is on its way to an HTTP/1.1 client.
    is_answering: AtomicBool,
    /// Whether the connection should end with what has come in so far.
    is_closed_to_new: AtomicBool,
}

/// What a client has to send within a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// Nothing.
    Nothing,
    /// It has closed its side while it waits for an answer. It may be content with that, or be gone.
    SignOfLife,
    /// The head or frame of this number.
    Head(u64),
}

const NOTHING: u64 = u64::MAX;
const SIGN_OF_LIFE: u64 = u64::MAX - 1;

impl Traffic {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::default(),
            transfers: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            held: Held::new(),
            streams: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            progress: AtomicU64::new(0),
            // The first head, from the start.
            owed: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            has_unread_chunks: AtomicBool::new(false),
            is_answering: AtomicBool::new(false),
            is_closed_to_new: AtomicBool::new(false),
        })
    }

    /// A request head is complete; a body of this length follows, or one of unknown length.
    pub(super) fn begin(self: &Arc<Self>, length: Option<u64>) -> InFlight {
        if !self.is_http2() {
            self.inbox.begin(length);
            self.is_answering.store(false, Relaxed);
            self.has_unread_chunks.store(length.is_none(), Relaxed);
        }
        self.requests.fetch_add(1, Relaxed);
        self.held.begin();
        InFlight {
            traffic: Arc::clone(self),
            work: Mutex::default(),
            is_stream: AtomicBool::new(false),
            place: OnceLock::new(),
        }
    }

    /// A body in chunks has been read to its end.
    pub(super) fn chunks_are_read(&self) {
        self.has_unread_chunks.store(false, Relaxed);
    }

    /// Whether the connection of HTTP/1.1 ends with the response to the request that was begun last: it does when the
    /// request's body stands between that and the next, and if `is_ending`, when nothing has come behind it.
    pub(super) fn is_last(&self, is_ending: bool) -> bool {
        let standing = self.inbox.standing();
        let is_in_the_way = !standing.is_whole || self.has_unread_chunks.load(Relaxed);
        is_in_the_way || ((is_ending || self.is_closed_to_new()) && standing.is_last)
    }

    /// Something was read or written.
    pub(super) fn has_moved(&self) {
        self.transfers.fetch_add(1, Relaxed);
    }

    /// It began with the HTTP/2 preface.
    pub(super) fn becomes_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    /// Whether it began with the HTTP/2 preface.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Relaxed)
    }

    /// The client owes the head or frame of this number, or none.
    pub(super) fn owes(&self, head: Option<u64>) {
        self.owed.store(head.unwrap_or(NOTHING), Relaxed);
    }

    /// The client has closed its side, of an HTTP/1.1 connection with a request in flight.
    pub(super) fn is_half_closed(&self) {
        if !self.is_answering.load(Relaxed) {
            self.owed.store(SIGN_OF_LIFE, Relaxed);
        }
    }

    /// What the client owes.
    pub(super) fn owed(&self) -> Owed {
        match self.owed.load(Relaxed) {
            NOTHING => Owed::Nothing,
            SIGN_OF_LIFE => Owed::SignOfLife,
            number => Owed::Head(number),
        }
    }

    /// Request heads that have come so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Whether nobody waits for a response.
    pub(super) fn is_idle(&self) -> bool {
        self.held.in_flight() == 0
    }

    /// How much has gone out, if there is something that waits to be read by the client.
    pub(super) fn unread(&self) -> Option<u64> {
        (self.unread.load(Relaxed) > 0).then(|| self.progress.load(Relaxed))
    }

    /// From now on, no more is taken in than belongs to what has begun, and answers say that they are the last.
    pub(super) fn close_to_new(&self) {
        self.is_closed_to_new.store(true, Relaxed);
    }

    /// Whether no more is taken in than belongs to what has begun.
    pub(super) fn is_closed_to_new(&self) -> bool {
        self.is_closed_to_new.load(Relaxed)
    }

    /// Resolves when nothing has moved for the length of `calm` and the drain waits for no response; without a response
    /// to wait for it is over after three times `calm`, whatever moves: bytes alone are no work. What comes later than
    /// the first `calm` is not waited for.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing; the next call begins to wait anew.
    pub(super) async fn quiet(&self, calm: Duration) {
        let mut idle = 0;
        while idle < 3 {
            let before = self.transfers.load(Relaxed);
            sleep(calm).await;
            // Where nobody got to run for that long, as on a machine that is overloaded, what has come meanwhile is only
            // seen when the connection has had its turn again.
            yield_now().await;
            self.close_to_new();
            if self.held.in_flight() <= self.streams.load(Relaxed) {
                if self.transfers.load(Relaxed) == before {
                    return;
                }
                idle += 1;
            }
        }
    }
}

/// A request in flight. The body of its response holds it, and so does every part of the body until it is written: one
/// that hyper has taken may still wait for a slow reader, or for the flow control of HTTP/2.
///
/// It stands in the extensions of the request too, for whoever knows what the request is called.
#[derive(Debug)]
pub struct InFlight {
    /// Of the request's connection.
    traffic: Arc<Traffic>,
    /// What ends with it, if it has a name.
    work: Mutex<Option<Work>>,
    /// Whether its response is a stream of events.
    is_stream: AtomicBool,
    /// Its place among streams, given back with it.
    place: OnceLock<OwnedSemaphorePermit>,
}

impl InFlight {
    /// A request that came over no connection.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Traffic::new().begin(None)
    }

    /// `work` ends when the response has been written to its last byte.
    pub fn holds(&self, work: Work) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }

    /// `place` is taken until the response has been written to its last byte.
    pub fn holds_place(&self, place: OwnedSemaphorePermit) {
        // A request has one response, so it has no place yet.
        drop(self.place.set(place));
    }

    /// There is a response.
    pub(super) fn responds(&self) {
        self.traffic.is_answering.store(true, Relaxed);
        if self.traffic.owed() == Owed::SignOfLife {
            self.traffic.owes(None);
        }
    }

    /// There is a response that has no end of its own: the drain ends it, so it is no work that could be unfinished.
    pub(super) fn streams(&self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        if !self.is_stream.swap(true, Relaxed) {
            self.traffic.streams.fetch_add(1, Relaxed);
            //{% if measured %}
            crate::meters::streams(1);
            //{% endif %}
        }
    }

    /// Something waits for the client to read, until the guard is dropped.
    pub(super) fn unread(self: &Arc<Self>) -> Unread {
        self.traffic.unread.fetch_add(1, Relaxed);
        Unread(Arc::clone(self))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // The stream first: in between, the drain may wait for one more than there is, never for one fewer.
        if *self.is_stream.get_mut() {
            self.traffic.streams.fetch_sub(1, Relaxed);
            //{% if measured %}
            crate::meters::streams(-1);
            //{% endif %}
        }
        self.traffic.held.end();
    }
}

/// Something that waits for the client to read.
#[derive(Debug)]
pub(super) struct Unread(Arc<InFlight>);

impl Unread {
    /// Some of it has gone out.
    pub(super) fn advances(&self) {
        self.0.traffic.progress.fetch_add(1, Relaxed);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.traffic.unread.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use tokio::{select, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_come_while_nobody_could_run_is_waited_for() {
        const CALM: Duration = Duration::from_secs(1);
        let (traffic, start) = (Traffic::new(), Instant::now());
        let mut has_read = false;
        select! {
            biased;
            () = traffic.quiet(CALM) => {}
            // The connection, which comes to read at the same moment as the calm ends.
            () = poll_fn(|_| {
                if start.elapsed() >= CALM && !has_read {
                    has_read = true;
                    traffic.has_moved();
                }
                Poll::Pending
            }) => {}
        }
        assert!(has_read && start.elapsed() >= 2 * CALM, "{:?}", start.elapsed());
    }
}
