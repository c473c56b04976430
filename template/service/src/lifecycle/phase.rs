//! The one channel that tells every part of the service where it stands in its life.

use tokio::sync::watch;

/// Where the service stands in its life. Phases only ever move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Listeners and tasks are being set up.
    Starting,
    /// Serving.
    Ready,
    /// The signal has come: not ready any more, still serving, for the shutdown delay.
    Stopping,
    /// No new connections; work that has begun is finished, streams and waits end.
    Draining,
    /// The last connection is gone: tasks that served them end.
    Stopped,
}

/// The only handle that moves the service to another phase.
#[derive(Debug)]
pub struct PhaseControl(watch::Sender<Phase>);

/// Reads the phase. Cheap to clone; every part that has to stop holds one.
#[derive(Clone, Debug)]
pub struct Phases(watch::Receiver<Phase>);

/// Makes the channel, in [`Phase::Starting`].
#[must_use]
pub fn channel() -> (PhaseControl, Phases) {
    let (sender, receiver) = watch::channel(Phase::Starting);
    (PhaseControl(sender), Phases(receiver))
}

impl PhaseControl {
    /// Moves on to `phase`; a phase that has passed already is not entered again.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let moves = phase > *current;
            *current = phase.max(*current);
            moves
        });
    }
}

impl Phases {
    /// The phase at this moment.
    #[must_use]
    pub fn current(&self) -> Phase {
        *self.0.borrow()
    }

    /// Whether tasks may end: the drain has begun, or [`PhaseControl`] is gone, and with it the service.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.current() >= Phase::Draining || self.0.has_changed().is_err()
    }

    /// Resolves once the drain has begun: what waits for events rather than for work ends here.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; a phase is never missed by calling again.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Resolves once no connection is left: tasks that serve connections end here.
    ///
    /// # Cancel safety
    /// As [`Phases::draining`].
    pub async fn stopped(&self) {
        self.reached(Phase::Stopped).await;
    }

    /// Resolves once the service is in `phase` or beyond it.
    ///
    /// # Cancel safety
    /// As [`Phases::draining`].
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.clone();
        // An error says that `PhaseControl` is gone, and with it the service: that is beyond any phase.
        drop(receiver.wait_for(|current| *current >= phase).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_has_passed_is_not_entered_again() {
        let (control, phases) = channel();
        control.advance(Phase::Draining);
        control.advance(Phase::Ready);
        assert_eq!(phases.current(), Phase::Draining);
    }

    #[tokio::test]
    async fn a_wait_for_a_phase_ends_when_its_control_is_gone() {
        let (control, phases) = channel();
        drop(control);
        phases.stopped().await;
        assert!(phases.is_ending());
    }
}
