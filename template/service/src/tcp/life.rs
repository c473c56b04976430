//! Where the service stands, as far as one connection has to know.

use std::{
    future::{pending, poll_fn},
    mem,
    pin::Pin,
    time::Duration,
};

use crate::{
    lifecycle::{Phase, Phases},
    net::Woken,
};

/// Resolves when a stage begins.
type Begins = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has asked for it.
    Serving,
    /// The signal has come: work is named from now on.
    Stopping,
    /// The connection has to end.
    Draining,
}

/// Where the service stands, as far as one connection has to know.
pub(super) struct Life {
    pub stage: Stage,
    /// The next stage. Every command asks for it.
    next: Woken<Begins>,
    /// The stage after that.
    closing: Begins,
    /// How long the drain has waited for this client.
    pub waited: Duration,
    /// What the client has sent since the last stage began.
    pub bytes: usize,
}

impl Life {
    /// `closing` resolves when the connection has to end.
    pub(super) fn new(phases: Phases, closing: impl Future<Output = ()> + Send + 'static) -> Self {
        let next: Begins = Box::pin(async move { phases.reached(Phase::Stopping).await });
        let closing = Box::pin(closing);
        Self { stage: Stage::Serving, next: Woken::new(next), closing, waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for the next stage, and enters it.
    ///
    /// # Cancel safety
    /// No stage is missed when it is dropped.
    pub(super) async fn next(&mut self) {
        poll_fn(|cx| self.next.poll(cx)).await;
        self.stage = if self.stage == Stage::Serving { Stage::Stopping } else { Stage::Draining };
        self.next = Woken::new(mem::replace(&mut self.closing, Box::pin(pending())));
        self.bytes = 0;
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stage.fmt(f)
    }
}
