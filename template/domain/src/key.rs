//! The names that values are stored under.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The longest key, in bytes. Who watches is told of keys that are gone: their names are kept for a while, though nobody
/// counts them as stored.
pub const LONGEST_KEY: usize = 4 * 1024;

/// A name that is neither empty nor longer than [`LONGEST_KEY`]: any UTF-8. Cloning it copies no text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A key must have at least one character: an empty one is what an unset variable in somebody's script looks like.
    #[error("a key must not be empty")]
    Empty,
    /// It has more than [`LONGEST_KEY`] bytes.
    #[error("a key must not be longer than {LONGEST_KEY} bytes")]
    TooLong,
}

impl TryFrom<&str> for Key {
    type Error = BadKey;

    fn try_from(text: &str) -> Result<Self, BadKey> {
        match text.len() {
            0 => Err(BadKey::Empty),
            1..=LONGEST_KEY => Ok(Self(text.into())),
            _ => Err(BadKey::TooLong),
        }
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Lets maps by [`Key`] be asked with a `&str`.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
