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
    /// Of so many keys.
    Del(usize),
    /// Of so many keys.
    Exists(usize),
    Ttl,
}

impl Answer {
    /// What the store has done, as the client is told. Takes as many results as the command has asked for.
    pub(super) fn reply(self, done: &mut impl Iterator<Item = Done>) -> Reply {
        let mut how_many = |keys: usize| {
            let done = done.by_ref().take(keys);
            let hits = done.filter(|done| matches!(done, Done::Ttl(Some(_)) | Done::Deleted(Ok(Some(_)))));
            integer(hits.count())
        };
        match self {
            Self::Known(reply) => reply,
            Self::Del(keys) | Self::Exists(keys) => how_many(keys),
            Self::Get => match done.next() {
                Some(Done::Got(found)) => found.map_or(Reply::Nil, |found| Reply::Bulk(found.value)),
                _ => confused(),
            },
            Self::Set => match done.next() {
                Some(Done::Put(Ok(_))) => Reply::Simple("OK"),
                Some(Done::Put(Err(_))) => Reply::Nil,
                _ => confused(),
            },
            Self::Ttl => match done.next() {
                Some(Done::Ttl(None)) => Reply::Integer(-2),
                Some(Done::Ttl(Some(ttl))) => Reply::Integer(ttl.map_or(-1, |left| {
                    // Rounded, as Redis does.
                    i64::try_from((left.as_millis() + 500) / 1000).unwrap_or(i64::MAX)
                })),
                _ => confused(),
            },
        }
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
