//! The programs as processes that are killed, stopped and started again.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long an orderly stop may take: longer than the programs' own limits.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// One program: how it is started, and its process if it runs. Killed when dropped.
pub struct Program {
    name: &'static str,
    file: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Program {
    /// A program that does not run yet; what it says is added to `NAME.log` in `dir`.
    pub fn new(dir: &Path, name: &'static str, file: PathBuf, arguments: Vec<OsString>) -> Self {
        let log = dir.join(format!("{name}.log"));
        Self { name, file, arguments, environment: Vec::new(), log, child: None }
    }

    /// One more variable of its environment.
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts it; nothing if it runs.
    pub fn start(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.file)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| {
                let file = self.file.display();
                io::Error::other(format!(
                    "cannot start {file} ({error}); build it (cargo build --release -p storewarden -p storewarden-hq -p storesim), or say --programs DIR; mosquitto is a package of the distribution"
                ))
            })?;
        self.child = Some(child);
        Ok(())
    }

    /// Whether it has ended by itself since it was started; then it does not run any more.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        let Some(child) = &mut self.child else { return Ok(false) };
        let Some(status) = child.try_wait()? else { return Ok(false) };
        tracing::warn!(program = self.name, %status, "ended by itself");
        self.child = None;
        Ok(true)
    }

    /// SIGKILL, and waits until it is gone. Whether it ran.
    pub fn kill(&mut self) -> io::Result<bool> {
        let Some(mut child) = self.child.take() else { return Ok(false) };
        child.kill()?;
        child.wait()?;
        Ok(true)
    }

    /// Sends a signal; nothing if it does not run.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let id = i32::try_from(child.id()).map_err(io::Error::other)?;
        // It may have ended in this moment, which is seen later.
        let _ = kill(Pid::from_raw(id), signal);
        Ok(())
    }

    /// SIGTERM, and waits. An error if that takes too long or it does not end well.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        let Some(child) = &mut self.child else { return Ok(()) };
        let end = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                if status.success() {
                    return Ok(());
                }
                return Err(io::Error::other(format!("{} stopped with {status}", self.name)));
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("{} does not stop on SIGTERM", self.name)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
