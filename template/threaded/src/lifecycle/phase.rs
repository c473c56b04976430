//! Where the service stands in its life, for every thread to read, and a bell for those who wait.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{Bell, bell::Ringer};

/// Where the service stands in its life. Phases only ever move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Listeners and threads are being set up.
    Starting,
    /// Serving.
    Ready,
    /// The signal has come: not ready any more, still serving, for the shutdown delay.
    Stopping,
    /// No new connections; work that has begun is finished.
    Draining,
    /// The last connection is gone: threads that served them end.
    Stopped,
}

const PHASES: [Phase; 5] = [Phase::Starting, Phase::Ready, Phase::Stopping, Phase::Draining, Phase::Stopped];

/// The only handle that moves the service to another phase.
#[derive(Debug)]
pub struct PhaseControl {
    current: Arc<AtomicU8>,
    draining: Ringer,
    stopped: Ringer,
}

/// Reads the phase. Cheap to clone; every part that has to stop holds one.
#[derive(Clone, Debug)]
pub struct Phases {
    current: Arc<AtomicU8>,
    draining: Bell,
    stopped: Bell,
}

/// Makes both, in [`Phase::Starting`].
///
/// # Errors
/// When there are no descriptors left for the bells.
pub fn channel() -> io::Result<(PhaseControl, Phases)> {
    let ((ring_draining, draining), (ring_stopped, stopped)) = (Bell::new()?, Bell::new()?);
    let current = Arc::new(AtomicU8::new(0));
    let control = PhaseControl { current: Arc::clone(&current), draining: ring_draining, stopped: ring_stopped };
    Ok((control, Phases { current, draining, stopped }))
}

impl PhaseControl {
    /// Moves on to `phase`; a phase that has passed already is not entered again.
    pub fn advance(&self, phase: Phase) {
        self.current.fetch_max(phase as u8, Ordering::SeqCst);
        if phase >= Phase::Draining {
            self.draining.ring();
        }
        if phase >= Phase::Stopped {
            self.stopped.ring();
        }
    }
}

impl Phases {
    /// The phase at this moment.
    #[must_use]
    pub fn current(&self) -> Phase {
        PHASES[usize::from(self.current.load(Ordering::SeqCst)).min(PHASES.len() - 1)]
    }

    /// Rings when the service has come to `phase`, which is draining or stopped.
    #[must_use]
    pub fn bell(&self, phase: Phase) -> &Bell {
        if phase >= Phase::Stopped { &self.stopped } else { &self.draining }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_has_passed_is_not_entered_again() {
        let (control, phases) = channel().unwrap();
        control.advance(Phase::Draining);
        control.advance(Phase::Ready);
        assert_eq!(phases.current(), Phase::Draining);
    }
}
