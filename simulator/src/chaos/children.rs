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
    process::{Child, Command, ExitStatus, Stdio},
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
    has_family: bool,
    child: Option<Child>,
}

impl Program {
    /// A program that does not run yet; what it says is added to `NAME.log` in `dir`.
    pub fn new(dir: &Path, name: &'static str, file: PathBuf, arguments: Vec<OsString>) -> Self {
        let log = dir.join(format!("{name}.log"));
        Self { name, file, arguments, environment: Vec::new(), log, has_family: false, child: None }
    }

    /// One more variable of its environment.
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// It has processes of its own, which are killed and stopped with it.
    pub fn with_family(mut self) -> Self {
        self.has_family = true;
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

    /// Its process id; none if it does not run.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How it has ended by itself, once after each start; then it does not run any more.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let status = child.try_wait()?;
        if let Some(status) = status {
            tracing::warn!(program = self.name, %status, "ended by itself");
            self.child = None;
        }
        Ok(status)
    }

    /// SIGKILL, and waits until it is gone. Whether it ran.
    pub fn kill(&mut self) -> io::Result<bool> {
        let family = self.family();
        let Some(mut child) = self.child.take() else { return Ok(false) };
        child.kill()?;
        child.wait()?;
        for id in &family {
            let _ = kill(*id, Signal::SIGKILL);
        }
        // What they hold in common is free when the last is gone.
        let end = Instant::now() + STOP_LIMIT;
        while Instant::now() < end && family.iter().any(|id| parent_of(*id).is_some()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }

    /// Sends a signal; nothing if it does not run.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let id = i32::try_from(child.id()).map_err(io::Error::other)?;
        // They may have ended in this moment, which is seen later.
        for id in self.family().into_iter().chain([Pid::from_raw(id)]) {
            let _ = kill(id, signal);
        }
        Ok(())
    }

    /// Its processes but the first, if it has such.
    fn family(&self) -> Vec<Pid> {
        let Some(child) = self.child.as_ref().filter(|_| self.has_family) else { return Vec::new() };
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.map(Pid::from_raw).filter(|id| parent_of(*id) == Some(child.id())).collect()
    }

    /// SIGTERM, and waits. An error if that takes too long or it does not end well.
    pub async fn stop(&mut self) -> io::Result<()> {
        if let Some(child) = &self.child {
            let id = i32::try_from(child.id()).map_err(io::Error::other)?;
            // It may have ended in this moment; the wait tells.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
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

/// The parent of a process that has not ended (Linux: the fourth word of its `stat`, after a name that may
/// hold anything).
fn parent_of(id: Pid) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let is_gone = words.next()? == "Z";
    words.next()?.parse().ok().filter(|_| !is_gone)
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
