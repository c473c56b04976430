//! RESP, the protocol of Redis, version 2, without a socket: bytes come in and go out, and nothing waits.
//!
//! [`Codec`] and `inline` make a [`Request`] of bytes, [`parse`] finds out which [`Command`] it is, a [`Batch`] makes
//! questions to the store of commands, and of the answers [`Reply`]s, which [`Output`] holds until they are sent.
//! [`Names`] are what `SUBSCRIBE` has asked for. Reading, writing and waiting are the business of the shell around it,
//! which is why the same code serves tasks and threads.

mod batch;
mod codec;
mod command;
mod fault;
mod glob;
mod inline;
mod names;
mod number;
mod output;
mod reply;
mod request;

pub use batch::{Batch, Step};
pub use codec::Codec;
pub use command::{COMMANDS, Command, Error, Spec, is_http, parse};
pub use fault::Fault;
pub use glob::{Glob, Matching, TooCostly};
pub use names::{Missed, Names, TooMany, message};
pub use output::Output;
pub use reply::Reply;
pub use request::{Arguments, Request};

/// The most keys that `KEYS` answers with.
pub const KEYS: usize = 100_000;

/// Keys that may be held until clients have read them, of all clients together: a short command asks for many.
pub const LISTED: usize = 10_000_000;
