//! `KEYS`: every key is looked at, and nobody waits for that longer than for a page of them.

use std::sync::Arc;

use domain::Key;
use tokio::{
    sync::{SemaphorePermit, TryAcquireError},
    task::yield_now,
};

use super::{
    Shared,
    answer::{confused, refusal},
    connection::End,
    glob::{Glob, TooCostly},
    reply::Reply,
    session::Session,
};
use crate::store::{Done, Op};

/// How many keys are looked at before others have their turn.
const PAGE: usize = 1000;

/// The most keys that are answered with.
const KEYS: usize = 100_000;

/// Keys that may be held until clients have read them, of all clients together: a short command asks for many.
pub(super) const LISTED: usize = 10_000_000;

impl Session {
    /// Answers with the keys that match.
    pub(super) async fn keys(&mut self, pattern: &[u8]) -> Result<(), End> {
        let shared = Arc::clone(&self.shared);
        match self.find(&shared, pattern).await {
            Ok((found, _places)) => {
                self.say(Reply::Array(found.len())).await?;
                self.say_all(found.into_iter().map(Reply::Key)).await
            }
            Err(refused) => self.say(refused).await,
        }
    }

    /// The keys that match, and their places among those that are held. They are looked up page by page, so that nobody
    /// waits long behind this; what is written meanwhile may be there or not, what was there all the time is.
    async fn find<'s>(&mut self, shared: &'s Shared, pattern: &[u8]) -> Result<(Vec<Key>, SemaphorePermit<'s>), Reply> {
        let mut glob = Glob::new(pattern);
        let (mut found, mut places) = (Vec::new(), shared.listed.try_acquire_many(0)?);
        let mut after = None;
        loop {
            let prefix = glob.prefix().to_owned();
            let page = match after {
                None => Op::List(prefix, PAGE),
                Some(after) => Op::ListAfter(prefix, after, PAGE),
            };
            let mut ran = self.ask([page].into()).await.map_err(refusal)?;
            let Some(Done::Listed(page)) = ran.done.pop() else { return Err(confused()) };
            after = page.keys.last().map(|listed| listed.key.clone());
            for listed in page.keys {
                if !glob.matches(listed.key.as_bytes()).await? {
                    continue;
                }
                if found.len() == KEYS {
                    return Err(Reply::Error(format!("ERR more than {KEYS} keys match: narrow the pattern").into()));
                }
                places.merge(shared.listed.try_acquire()?);
                found.push(listed.key);
            }
            if !page.more {
                return Ok((found, places));
            }
            yield_now().await;
        }
    }
}

impl From<TooCostly> for Reply {
    fn from(error: TooCostly) -> Self {
        Self::Error(format!("ERR {error}").into())
    }
}

impl From<TryAcquireError> for Reply {
    fn from(_: TryAcquireError) -> Self {
        Self::Error("BUSY too many keys are being listed: try again later".into())
    }
}
