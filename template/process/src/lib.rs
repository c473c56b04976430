//! What a process needs that serves, whatever runs in it, tasks or threads: [`settings`], a [`log`] that never blocks it,
//! names for the [`work`] it has to finish, and an end that is told.

pub mod address;
pub mod duration;
mod faults;
mod filter;
mod format;
pub mod log;
mod outcome;
pub mod settings;
pub mod work;
mod writer;

pub use outcome::Outcome;
