//! The programs of the demonstration as child processes of this binary.

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
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// One running program; killed when dropped.
pub struct Part {
    name: &'static str,
    child: Child,
}

impl Part {
    /// Starts program `name` with `arguments`; what it says goes to `NAME.log` in `dir`.
    pub fn start<S: AsRef<OsStr>>(
        dir: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let log = File::create(dir.join(format!("{name}.log")))?;
        let child = command(name, arguments)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { name, child })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// An error if it has ended by itself.
    pub fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("{} ended: {status}; see {0}.log", self.name))),
        }
    }

    /// Asks it to stop and waits; kills it when it takes too long.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(id) = self.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended in this moment; the wait tells.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        if let Ok(status) = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            return status.map(drop);
        }
        self.child.kill().await
    }
}

/// Runs program `name` to its end and returns what it printed.
pub async fn output<S: AsRef<OsStr>>(
    name: &'static str,
    arguments: impl IntoIterator<Item = S>,
) -> io::Result<String> {
    let output = command(name, arguments)?.stdin(Stdio::null()).output().await?;
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
