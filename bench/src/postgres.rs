//! A private PostgreSQL whose commits are durable, for headquarters with several workers. It is made and thrown
//! away by `scripts/postgres`.

use crate::process;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// One that runs; stopped when dropped.
pub struct Postgres {
    dir: TempDir,
    /// What headquarters is told with `--db`.
    pub address: String,
}

impl Postgres {
    /// Starts one, with the settings of the distribution: each commit waits for the disk.
    pub fn start() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        // Its own user has to reach it.
        #[cfg(unix)]
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let output = script("start", dir.path())?;
        let address = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { dir, address })
    }

    /// CPU time of all its processes, those that have ended too, s.
    pub fn cpu_s(&self) -> io::Result<f64> {
        let text = std::fs::read_to_string(self.dir.path().join("data/postmaster.pid"))?;
        let id = text.lines().next().and_then(|line| line.parse().ok());
        process::family_cpu_s(id.ok_or_else(|| io::Error::other("PostgreSQL does not run"))?)
    }

    /// What it answers to `sql`: a line a row, columns with `|` between.
    pub fn ask(&self, sql: &str) -> io::Result<String> {
        let mut command = Command::new("psql");
        command.arg(&self.address).args(["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = finished("psql", command.output()?)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its files go with it in any case.
        let _ = script("stop", self.dir.path());
    }
}

fn script(what: &str, dir: &Path) -> io::Result<Output> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
    finished(
        "scripts/postgres",
        Command::new(path).env("STOREWARDEN_FSYNC", "on").arg(what).arg(dir).output()?,
    )
}

fn finished(name: &str, output: Output) -> io::Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    Err(io::Error::other(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
