//! The life of the service: its phases, the signals that move it on, and the tasks that have to end with it.

mod phase;
mod shutdown;
mod signals;
mod supervisor;

pub use phase::{Phase, PhaseControl, Phases, channel};
pub use shutdown::{Times, end, serve_until_stopped};
pub use signals::Signals;
pub use supervisor::Supervisor;
