//! Why a connection can't be understood any more.

use std::io;

/// Why a connection can't be understood any more. The words are those of Redis where it has some.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("invalid multibulk length")]
    Count,
    #[error("too big mbulk count string")]
    CountLine,
    #[error("invalid bulk length")]
    Length,
    #[error("too big bulk count string")]
    LengthLine,
    #[error("expected '$', got '{}'", char::from(*.0).escape_default())]
    NoString(u8),
    #[error("expected CRLF after a bulk string")]
    NoEnd,
    #[error("too big command")]
    Size,
    #[error("too big inline request")]
    Line,
    #[error("unbalanced quotes in request")]
    Quotes,
    #[error("the command took too long to arrive")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
}
