//! How a process ends.

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All work was finished.
    Drained,
    /// It could not start, or something failed that it can't be without.
    Failed,
    /// The grace ran out with work unfinished.
    Cut,
    /// A second signal came, with this exit code.
    Killed(u8),
}

impl Outcome {
    /// What the last log line says.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Failed => "failed",
            Self::Cut | Self::Killed(_) => "forced",
        }
    }

    /// What the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Failed => 1,
            Self::Cut => 3,
            Self::Killed(code) => code,
        }
    }
}
