//! Why a command of the command line did not do what was asked; each kind has its exit code.

use crate::config::Faults;

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

    /// A fault of standard output.
    pub fn output(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::NobodyReads } else { Self::outcome(error) }
    }

    /// A configuration with faults.
    pub fn config(faults: &Faults) -> Self {
        let count = faults.len();
        let s = if count == 1 { "" } else { "s" };
        Self::Input(format!("{faults}{count} fault{s}; nothing was started.\n"))
    }
}
