//! One SHA-256 over many keys and values: what the pool is for.

use std::fmt::Write;

use domain::Entries;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{ComputeError, Pool};
use crate::store::{Store, StoreError};

/// How many keys are read from the store at a time: it does nothing else meanwhile, for some 100 µs.
const PAGE: usize = 1000;

/// How many bytes are hashed between two looks at whether anyone still waits: a few milliseconds.
const CHUNK: usize = 1 << 20;

/// What keys and values come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// How many keys went into it.
    pub keys: usize,
    /// The hash, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why there is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The keys could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They could not be hashed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
}

/// SHA-256 over the keys that begin with `prefix` and their values: the bytes of the first key, in key order, then
/// those of its value, then the second key, and so on, with nothing between them.
///
/// So anyone can compute it from a listing: `printf 'k1v1k2v2' | sha256sum`. Nothing marks where a key ends and its
/// value begins: it shows whether two stores hold the same, and proves nothing against somebody who chooses keys to
/// deceive.
///
/// The store is read in pieces. A key that changes meanwhile is in it as it was or as it is.
///
/// # Errors
/// When the store or the pool has too much to do, or the store has stopped.
///
/// # Cancel safety
/// It changes nothing. Dropping it stops the computation within milliseconds.
pub async fn digest(store: &Store, pool: &Pool, prefix: &str) -> Result<Digest, DigestError> {
    // First a thread, then the entries: those who wait hold no memory.
    let thread = pool.reserve().await?;
    let mut entries = Entries::new();
    loop {
        let after = entries.last().map(|(key, _)| key.clone());
        let mut page = store.entries(prefix.to_owned(), after, PAGE).await?;
        let is_last = page.len() < PAGE;
        entries.append(&mut page);
        if is_last {
            break;
        }
    }
    Ok(thread.run(move |unwanted| hash(&entries, unwanted)).await?)
}

/// Hashes on the thread that calls it; `None` when nobody wants to know any more.
fn hash(entries: &Entries, unwanted: &CancellationToken) -> Option<Digest> {
    let mut hash = Sha256::new();
    let mut since_look = 0;
    for (key, value) in entries {
        for chunk in [key.as_bytes()].into_iter().chain(value.chunks(CHUNK)) {
            hash.update(chunk);
            since_look += chunk.len();
            if since_look >= CHUNK {
                since_look = 0;
                if unwanted.is_cancelled() {
                    return None;
                }
            }
        }
    }
    let sha256 = hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a string never fails.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    });
    Some(Digest { keys: entries.len(), sha256 })
}
