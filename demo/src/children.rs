//! The programs as child processes of the running binary, see [`crate::programs`].

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a program may take to stop in order before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// One running program; killed when dropped.
pub struct Part {
    name: &'static str,
    child: Child,
}

impl Part {
    /// Starts program `name` with `arguments`; what it says is appended to `NAME.log` in `dir`.
    pub fn start<S: AsRef<OsStr>>(
        dir: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(dir.join(format!("{name}.log")))?;
        let child = command(name, arguments)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { name, child })
    }

    /// Its process id.
    pub fn id(&self) -> io::Result<u32> {
        self.child.id().ok_or_else(|| io::Error::other(format!("{} has ended", self.name)))
    }

    /// An error, with its last words, if it has ended by itself.
    pub fn check(&mut self, dir: &Path) -> io::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = std::fs::read_to_string(dir.join(format!("{}.log", self.name))).unwrap_or_default();
        let last = log.lines().last().unwrap_or("it said nothing");
        Err(io::Error::other(format!("{} ended: {status}: {last}", self.name)))
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Asks it to stop and waits; an error if it takes too long.
    pub async fn stop(mut self) -> io::Result<()> {
        let id = i32::try_from(self.id()?).map_err(io::Error::other)?;
        // It may have ended in this moment; the wait tells.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(status) => status.map(drop),
            Err(_) => Err(io::Error::other(format!("{} does not stop", self.name))),
        }
    }
}

/// Runs program `name` to its end and returns what it printed.
pub async fn output<S: AsRef<OsStr>>(
    name: &'static str,
    arguments: impl IntoIterator<Item = S>,
) -> io::Result<String> {
    let output = command(name, arguments)?.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(format!("{name}: {}: {why}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

fn command<S: AsRef<OsStr>>(
    name: &'static str,
    arguments: impl IntoIterator<Item = S>,
) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).args(arguments);
    Ok(command)
}
