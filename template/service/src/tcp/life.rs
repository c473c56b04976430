//! Where the service stands, as far as one connection has to know.

use std::{mem, pin::Pin, time::Duration};

use crate::lifecycle::{Phase, Phases};

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
    /// Resolves with the next stage.
    next: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Resolves with the stage after that.
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How long the drain has waited for this client.
    pub waited: Duration,
    /// What the client has sent since the last stage began.
    pub bytes: usize,
}

impl Life {
    /// `closing` resolves when the connection has to end.
    pub(super) fn new(phases: Phases, closing: impl Future<Output = ()> + Send + 'static) -> Self {
        let next = Box::pin(async move { phases.reached(Phase::Stopping).await });
        let closing = Box::pin(closing);
        Self { stage: Stage::Serving, next, closing, waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for the next stage, and enters it.
    ///
    /// # Cancel safety
    /// No stage is missed when it is dropped.
    pub(super) async fn next(&mut self) {
        self.next.as_mut().await;
        self.stage = if self.stage == Stage::Serving { Stage::Stopping } else { Stage::Draining };
        self.next = mem::replace(&mut self.closing, Box::pin(std::future::pending()));
        self.bytes = 0;
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stage.fmt(f)
    }
}
