//! Why a connection can't be understood any more.

/// Why a connection can't be understood any more. The words are those of Redis where it has some.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The number of an array's elements.
    #[error("invalid multibulk length")]
    Count,
    /// The line that says it does not end.
    #[error("too big mbulk count string")]
    CountLine,
    /// A string's length.
    #[error("invalid bulk length")]
    Length,
    /// The line that says it does not end.
    #[error("too big bulk count string")]
    LengthLine,
    /// Something else than a string, which begins with this byte.
    #[error("expected '$', got '{}'", char::from(*.0).escape_default())]
    NoString(u8),
    /// More bytes than the length of a string said.
    #[error("expected CRLF after a bulk string")]
    NoEnd,
    /// All arguments together.
    #[error("too big command")]
    Size,
    /// The line of an inline command.
    #[error("too big inline request")]
    Line,
    /// A quote in an inline command.
    #[error("unbalanced quotes in request")]
    Quotes,
    /// Not what came, but when.
    #[error("the command took too long to arrive")]
    Slow,
}
