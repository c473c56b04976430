//! The life of the service: its phases, the signals that move it on, and the threads that it can't be without.

mod bell;
mod phase;
mod shutdown;
mod signals;
mod supervisor;

pub use bell::{Bell, Came, Ringer, wait, wait_for_any};
pub use phase::{Phase, PhaseControl, Phases, channel};
pub use shutdown::{Times, serve_until_stopped};
pub use signals::Signals;
pub use supervisor::{Report, Supervisor};
