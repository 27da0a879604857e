//! Why a command of the command line did not do what was asked; each kind has its exit code.

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The input was wrong; nothing was started. Ends with a line feed.
    #[error("{0}")]
    Input(String),
    /// It did not work.
    #[error("{0}")]
    Outcome(String),
    /// Standard output was closed.
    #[error("nobody reads standard output")]
    NobodyReads,
}

impl Failure {
    /// Something that did not work.
    pub fn outcome(error: impl std::fmt::Display) -> Self {
        Self::Outcome(error.to_string())
    }
}
