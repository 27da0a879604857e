//! The programs as child processes of the running binary, see [`crate::programs`].

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;
use storesim::chaos::children::Program;
use tokio::process::Command;

/// One running program; killed when dropped.
pub struct Part {
    name: &'static str,
    program: Program,
}

impl Part {
    /// Starts program `name` with `arguments`; what it says is appended to `NAME.log` in `dir`.
    pub fn start<S: AsRef<OsStr>>(
        dir: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let words = arguments.into_iter().map(|word| word.as_ref().to_owned());
        let words: Vec<OsString> = std::iter::once(name.into()).chain(words).collect();
        let mut program = Program::new(dir, name, std::env::current_exe()?, words);
        program.start()?;
        Ok(Self { name, program })
    }

    /// Its process id.
    pub fn id(&self) -> io::Result<u32> {
        self.program.id().ok_or_else(|| io::Error::other(format!("{} has ended", self.name)))
    }

    /// An error, with its last words, if it has ended by itself.
    pub fn check(&mut self, dir: &Path) -> io::Result<()> {
        let Some(status) = self.program.ended()? else { return Ok(()) };
        let log = std::fs::read_to_string(dir.join(format!("{}.log", self.name))).unwrap_or_default();
        let last = log.lines().last().unwrap_or("it said nothing");
        Err(io::Error::other(format!("{} ended: {status}: {last}", self.name)))
    }

    /// SIGKILL, and waits until it is gone.
    #[expect(clippy::unused_async, reason = "as the other ways to end it")]
    pub async fn kill(mut self) -> io::Result<()> {
        self.program.kill().map(drop)
    }

    /// Asks it to stop and waits; an error if it takes too long or does not end well.
    pub async fn stop(mut self) -> io::Result<()> {
        self.program.stop().await
    }
}

/// Runs program `name` to its end and returns what it printed.
pub async fn output<S: AsRef<OsStr>>(
    name: &'static str,
    arguments: impl IntoIterator<Item = S>,
) -> io::Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(format!("{name}: {}: {why}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
