//! The life of the service: its phases, the signals that move it on, and the tasks that have to end with it.

mod phase;
mod supervisor;

pub use phase::{Phase, PhaseControl, Phases, channel};
pub use supervisor::{Name, Supervisor, Work};
