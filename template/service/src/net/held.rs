//! Requests in flight, and what is held back until the last of them is answered: no wake-up is lost between the two.

use std::task::Waker;

use super::sync::{
    AtomicUsize, AtomicWaker,
    Ordering::{AcqRel, Relaxed},
};

/// Set as long as something is held back.
const HOLDS: usize = 1 << (usize::BITS - 1);

/// The requests of a connection that are in flight, and what it holds back.
#[derive(Debug)]
pub(super) struct Held {
    /// How many there are, and [`HOLDS`]. In two numbers, whoever ends the last request and whoever begins to hold
    /// something back could each miss what the other does; in one, the second of them sees the first.
    state: AtomicUsize,
    /// Wakes the connection when something is held back that may be read.
    waker: AtomicWaker,
}

impl Held {
    pub(super) fn new() -> Self {
        Self { state: AtomicUsize::new(0), waker: AtomicWaker::new() }
    }

    /// A request has begun.
    pub(super) fn begin(&self) {
        self.state.fetch_add(1, Relaxed);
    }

    /// A request has ended.
    pub(super) fn end(&self) {
        if self.state.fetch_sub(1, AcqRel) == HOLDS + 1 {
            // Mostly it is the connection itself that ends it; but a handler may keep its request for longer.
            self.waker.wake();
        }
    }

    /// How many requests have begun and not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.state.load(Relaxed) & !HOLDS
    }

    /// Bytes, or the end of them, are held back from hyper, which waits for them and will not ask again by itself.
    pub(super) fn holds_back(&self, waker: &Waker) {
        self.waker.register(waker);
        self.state.fetch_or(HOLDS, AcqRel);
    }

    /// Whether hyper should ask again, because the request is answered that something was held back for.
    pub(super) fn gives_free(&self) -> bool {
        self.state.load(Relaxed) == HOLDS && self.state.compare_exchange(HOLDS, 0, Relaxed, Relaxed).is_ok()
    }
}
