//! Why there is no report: each reason in words for a person, and as an exit code.

use std::{io, sync::Arc};

use crate::BadLine;

/// Why the job could not be done. What was at the place of the report is still there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input can't be opened, or not be read to its end.
    #[error("{name}: can't be read: {source}")]
    Read {
        /// The input.
        name: Arc<str>,
        /// What the system says.
        source: io::Error,
    },
    /// An input is a directory.
    #[error("{name}: is a directory: name the dumps that are in it")]
    Directory {
        /// The input.
        name: Arc<str>,
    },
    /// A line is not what a dump consists of.
    #[error("{name}:{line}: {why}")]
    Line {
        /// The input.
        name: Arc<str>,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        why: BadLine,
    },
    /// The report would replace what it reports on.
    #[error("{output}: is read as an input, and would be replaced by the report: choose another --output")]
    OutputIsInput {
        /// The output.
        output: String,
    },
    /// The report can't be written where it should go.
    #[error("{output}: the report can't be written: {source}")]
    Write {
        /// The output.
        output: String,
        /// What the system says.
        source: io::Error,
    },
    /// There is something at the place of the report that no file can replace.
    #[error("{output}: the report can't be written: {what}: choose another --output")]
    Place {
        /// The output.
        output: String,
        /// What is there.
        what: &'static str,
    },
    /// The report has no JSON form.
    #[error("the report can't be formed: {0}")]
    Form(#[from] serde_json::Error),
    /// The system gives no threads.
    #[error("can't start to compute: {0}")]
    Threads(#[source] io::Error),
    /// The system does not let signals be handled.
    #[error("can't wait for signals: {0}")]
    Signals(#[source] io::Error),
}

/// How a run ends without a report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not be done.
    #[error(transparent)]
    Failed(#[from] Error),
    /// Somebody wanted it to end: the number of the signal.
    #[error("interrupted: no report was written")]
    Interrupted(i32),
    /// It met a bug, which the panic message shows.
    #[error("stopped by a bug in this program: no report was written")]
    Panicked,
}

impl Failure {
    /// The exit code: 1 failed, 2 a wrong command line, 128 and the signal if one came.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(Error::OutputIsInput { .. }) => 2,
            Self::Failed(_) | Self::Panicked => 1,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

/// The text without its control characters: a message quotes names and bits of the input, and what they do to a
/// terminal is not theirs to decide.
#[must_use]
pub fn readable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut readable, char| {
        if char.is_control() {
            readable.extend(char.escape_default());
        } else {
            readable.push(char);
        }
        readable
    })
}
