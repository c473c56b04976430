//! `KEYS`: every key is looked at, and nobody waits for that longer than for a page of them.

use std::sync::Arc;

use domain::{Done, Key};
use resp::{Glob, KEYS, Reply};
use tokio::{
    sync::{SemaphorePermit, TryAcquireError},
    task::yield_now,
};

use super::{Shared, connection::End, session::Session};

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
        let (mut found, mut places) = (Vec::new(), shared.listed.try_acquire_many(0).map_err(crowded)?);
        let mut after = None;
        loop {
            let mut ran = self.ask([glob.page(after)].into()).await?;
            let Some(Done::Listed(page)) = ran.done.pop() else { return Err(Reply::confused()) };
            after = page.keys.last().map(|listed| listed.key.clone());
            for listed in page.keys {
                let mut matching = glob.compare(listed.key.as_bytes());
                let is_match = loop {
                    match glob.matches(&mut matching)? {
                        Some(is_match) => break is_match,
                        None => yield_now().await,
                    }
                };
                if !is_match {
                    continue;
                }
                if found.len() == KEYS {
                    return Err(Reply::Error(format!("ERR more than {KEYS} keys match: narrow the pattern").into()));
                }
                places.merge(shared.listed.try_acquire().map_err(crowded)?);
                found.push(listed.key);
            }
            if !page.more {
                return Ok((found, places));
            }
            yield_now().await;
        }
    }
}

/// Too many keys are held for others.
fn crowded(_: TryAcquireError) -> Reply {
    Reply::Error("BUSY too many keys are being listed: try again later".into())
}
