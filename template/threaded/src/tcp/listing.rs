//! `KEYS`: every key is looked at, and nobody waits for that longer than for a page of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{Done, Key};
use resp::{Glob, KEYS, LISTED, Reply};

use super::{session::Session, wire::End};

/// Keys that are held until a client has read them. They are counted: a short command asks for many.
struct Held<'a> {
    keys: Vec<Key>,
    all: &'a AtomicUsize,
}

impl Held<'_> {
    fn push(&mut self, key: Key) -> Result<(), Reply> {
        if self.keys.len() == KEYS {
            return Err(Reply::Error(format!("ERR more than {KEYS} keys match: narrow the pattern").into()));
        }
        self.keys.push(key);
        if self.all.fetch_add(1, Ordering::Relaxed) >= LISTED {
            return Err(Reply::Error("BUSY too many keys are being listed: try again later".into()));
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.keys.len(), Ordering::Relaxed);
    }
}

impl Session {
    /// Answers with the keys that match.
    pub(super) fn keys(&mut self, pattern: &[u8]) -> Result<(), End> {
        let shared = std::sync::Arc::clone(&self.shared);
        let mut found = Held { keys: Vec::new(), all: &shared.listed };
        match self.place.work(self.task, || self.find(pattern, &mut found)) {
            Ok(()) => {
                self.say(&Reply::Array(found.keys.len()))?;
                found.keys.iter().try_for_each(|key| self.say(&Reply::Key(key.clone())))
            }
            Err(refused) => self.say(&refused),
        }
    }

    /// Finds the keys that match. They are looked up page by page, so that nobody waits long behind this; what is written
    /// meanwhile may be there or not, what was there all the time is.
    fn find(&self, pattern: &[u8], found: &mut Held<'_>) -> Result<(), Reply> {
        let mut glob = Glob::new(pattern);
        let mut after = None;
        loop {
            let mut ran = self.ask([glob.page(after)].into())?;
            let Some(Done::Listed(page)) = ran.done.pop() else { return Err(Reply::confused()) };
            after = page.keys.last().map(|listed| listed.key.clone());
            for listed in page.keys {
                let mut matching = glob.compare(listed.key.as_bytes());
                // `None` offers others a turn; threads have theirs anyway.
                let is_match = loop {
                    if let Some(is_match) = glob.matches(&mut matching)? {
                        break is_match;
                    }
                };
                if is_match {
                    found.push(listed.key)?;
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}
