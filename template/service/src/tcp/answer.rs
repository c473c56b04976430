//! What the store has done, as clients are told.

use std::borrow::Cow;

use super::{channels::Crowded, command::Spec, fault::Fault, reply::Reply};
use crate::store::{Done, StoreError};

/// The answer to one command, which is known, or what has to be made of the store's.
#[derive(Debug)]
pub(super) enum Answer {
    Known(Reply),
    Get,
    Set,
    Ttl,
    /// How many keys there were.
    Hits {
        /// Those that are known.
        hits: usize,
        /// How many keys have yet to be looked up.
        left: usize,
    },
}

impl Answer {
    /// How many of so many keys there were.
    pub(super) fn hits(keys: usize) -> Self {
        Self::Hits { hits: 0, left: keys }
    }

    /// What the store has done, as the client is told.
    ///
    /// # Errors
    /// The answer itself, when it needs more than this.
    pub(super) fn reply(self, done: &mut impl Iterator<Item = Done>) -> Result<Reply, Self> {
        match self {
            Self::Known(reply) => return Ok(reply),
            Self::Hits { mut hits, mut left } => {
                for done in done.take(left) {
                    hits += usize::from(matches!(done, Done::Ttl(Some(_)) | Done::Deleted(Ok(Some(_)))));
                    left -= 1;
                }
                return if left == 0 { Ok(integer(hits)) } else { Err(Self::Hits { hits, left }) };
            }
            Self::Get | Self::Set | Self::Ttl => {}
        }
        let Some(done) = done.next() else { return Err(self) };
        Ok(match (self, done) {
            (Self::Get, Done::Got(found)) => found.map_or(Reply::Nil, |found| Reply::Bulk(found.value)),
            (Self::Set, Done::Put(Ok(_))) => Reply::Simple("OK"),
            (Self::Set, Done::Put(Err(_))) => Reply::Nil,
            (Self::Ttl, Done::Ttl(None)) => Reply::Integer(-2),
            (Self::Ttl, Done::Ttl(Some(ttl))) => Reply::Integer(ttl.map_or(-1, |left| {
                // Rounded, as Redis does.
                i64::try_from((left.as_millis() + 500) / 1000).unwrap_or(i64::MAX)
            })),
            _ => confused(),
        })
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::Error(Cow::Owned(format!("ERR Protocol error: {fault}")))
    }
}

impl From<Crowded> for Reply {
    fn from(Crowded: Crowded) -> Self {
        Self::Error(Cow::Borrowed("BUSY subscribers can't keep up: try again later"))
    }
}

/// Why the store has not done it.
pub(super) fn refusal(error: StoreError) -> Reply {
    Reply::Error(match error {
        StoreError::Overloaded => Cow::Borrowed("BUSY the store is overloaded: try again later"),
        other => Cow::Owned(format!("ERR {other}")),
    })
}

/// The store has answered another question than it was asked.
pub(super) fn confused() -> Reply {
    Reply::Error(Cow::Borrowed("ERR the store's answer is not understood"))
}

pub(super) fn text(text: &'static str) -> Reply {
    Reply::Text(Cow::Borrowed(text))
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn integer(number: usize) -> Reply {
    Reply::Integer(count(number))
}

/// What `COMMAND INFO` says of a command.
pub(super) fn description(spec: Option<&'static Spec>) -> Vec<Reply> {
    let Some(spec) = spec else { return vec![Reply::Nil] };
    let mut replies =
        vec![Reply::Array(6), text(spec.name), Reply::Integer(spec.arity), Reply::Array(spec.flags.len())];
    replies.extend(spec.flags.iter().map(|flag| Reply::Simple(flag)));
    replies.extend(spec.keys.map(Reply::Integer));
    replies
}
