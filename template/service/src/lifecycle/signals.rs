//! SIGTERM and SIGINT: the first asks the service to stop, the second ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that stop the service.
#[derive(Debug)]
pub struct Signals {
    /// What `kill`, container runtimes and service managers send.
    terminate: Signal,
    /// What Ctrl-C sends.
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals are ours: they don't end the process by themselves any more.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next signal, with the exit code of a process that the signal ends.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: what comes between two calls resolves the next. Signals of one kind that come before
    /// anyone has taken the first are one.
    pub async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        128 + u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}
