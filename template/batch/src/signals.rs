//! SIGINT and SIGTERM: the job runs on a thread of its own, while this one waits for its end or for a signal.
//!
//! So a signal is obeyed whatever the job waits for: a read from a terminal can't be called off, only left alone. And the
//! program ends by returning from `main`, not from within a signal handler.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::{Handle, Signals},
};

/// How a job ended.
pub(crate) enum Ended<T> {
    /// By itself.
    Returned(T),
    /// It did not: a signal came first. It may still run.
    Interrupted(i32),
    /// By a bug; the panic hook has shown it.
    Panicked,
}

/// Runs `job` until it ends or a signal comes. From then on, another signal ends the process at once.
///
/// # Errors
/// When the system gives no thread, or does not let signals be handled.
pub(crate) fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<Ended<T>> {
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // What is registered first is called first: the first signal finds false, and sets it.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))?;
        flag::register(signal, Arc::clone(&is_second))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let close = Close(signals.handle());
    let job = thread::Builder::new().name("job".to_owned()).spawn(move || {
        let _close = close;
        job()
    })?;
    Ok(match signals.forever().next() {
        Some(signal) => Ended::Interrupted(signal),
        None => job.join().map_or(Ended::Panicked, Ended::Returned),
    })
}

/// Ends the wait for signals, also when the job panics.
struct Close(Handle);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_is_told_from_one_that_returns() {
        assert!(matches!(run(|| 7), Ok(Ended::Returned(7))));
        assert!(matches!(run(|| -> u8 { panic!("on purpose") }), Ok(Ended::Panicked)));
    }
}
