//! SIGTERM and SIGINT, as a queue: a handler may do next to nothing, so a thread takes them over.

use std::io;

use crossbeam_channel::{Receiver, unbounded};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator,
};

use super::Supervisor;

/// The signals that stop the service.
#[derive(Debug)]
pub struct Signals(Receiver<u8>);

impl Signals {
    /// From now on the signals are ours: they don't end the process by themselves any more.
    ///
    /// # Errors
    /// When the system refuses the handler or the thread.
    pub fn start(supervisor: &Supervisor) -> io::Result<Self> {
        let mut signals = iterator::Signals::new([SIGTERM, SIGINT])?;
        // Signals of one kind that come before anyone has taken the first are one: the kernel bounds this queue.
        let (sender, receiver) = unbounded();
        supervisor.spawn("signals", move || {
            for signal in signals.forever() {
                if sender.send(128 + u8::try_from(signal).unwrap_or_default()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(receiver))
    }

    /// The signals, each as the exit code of a process that it ends.
    #[must_use]
    pub fn queue(&self) -> &Receiver<u8> {
        &self.0
    }
}
