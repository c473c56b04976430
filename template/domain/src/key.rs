//! The names that values are stored under.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A name that is not empty: any UTF-8. Cloning it copies no text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A key must have at least one character: an empty one is what an unset variable in somebody's
/// script looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must not be empty")]
pub struct EmptyKey;

impl TryFrom<&str> for Key {
    type Error = EmptyKey;

    fn try_from(text: &str) -> Result<Self, EmptyKey> {
        if text.is_empty() {
            return Err(EmptyKey);
        }
        Ok(Self(text.into()))
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
