//! A private PostgreSQL of the distribution: one folder, one socket, no port. It keeps what it has
//! committed over a SIGKILL (`fsync` is on).

use super::children::Program;
use std::{
    ffi::OsString,
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

/// Where the distribution puts its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// It refuses to run as root, and is this user then.
const USER: &str = "postgres";

/// Makes an empty one in `dir`, which must be there; its socket is in `dir` too. It does not run yet.
/// `rig` is the folder above, where its log goes.
pub fn create(dir: &Path, rig: &Path) -> io::Result<Program> {
    let folder = bin()?;
    let is_root = std::fs::metadata("/proc/self")?.uid() == 0;
    if is_root {
        run(Command::new("chown").arg(USER).arg(dir))?;
        // That user must find the way.
        let mode = std::fs::metadata(rig)?.permissions().mode();
        std::fs::set_permissions(rig, std::fs::Permissions::from_mode(mode | 0o011))?;
    }
    let data = dir.join("data");
    let mut words = arguments(is_root, &folder.join("initdb"));
    let mut initdb = Command::new(words.remove(0));
    initdb.args(words).arg("-D").arg(&data).args(["-U", "storewarden", "-A", "trust", "-E", "UTF8"]);
    run(initdb.args(["--locale=C", "--no-sync"]).current_dir("/"))?;
    let mut words = arguments(is_root, &folder.join("postgres"));
    let file = words.remove(0);
    words.extend([
        "-D".into(),
        data.into(),
        "-k".into(),
        dir.into(),
        "-c".into(),
        "listen_addresses=".into(),
    ]);
    words.extend(["-c", "fsync=on", "-c", "max_wal_size=128MB"].map(Into::into));
    Ok(Program::new(rig, "postgres", file.into(), words).with_family())
}

/// Makes the database once the server answers; an error until then.
pub fn make_database(dir: &Path) -> io::Result<()> {
    let mut createdb = Command::new(bin()?.join("createdb"));
    run(createdb.arg("-h").arg(dir).args(["-U", "storewarden", "storewarden"]))
}

/// What `storewarden-hq --db` is told.
pub fn address(dir: &Path) -> String {
    format!("postgres://storewarden@/storewarden?host={}", dir.display())
}

/// The programs of the newest version.
fn bin() -> io::Result<PathBuf> {
    let missing = || io::Error::other("PostgreSQL is missing: apt-get install postgresql-15");
    let versions = std::fs::read_dir(VERSIONS).map_err(|_| missing())?;
    let newest = versions.filter_map(|version| {
        let path = version.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        path.join("bin/postgres").exists().then_some((number, path.join("bin")))
    });
    newest.max().map(|(_, path)| path).ok_or_else(missing)
}

/// A program as the right user: `setpriv` becomes it, so that the process id is its own.
fn arguments(is_root: bool, program: &Path) -> Vec<OsString> {
    let user: &[&str] =
        if is_root { &["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"] } else { &[] };
    user.iter().map(Into::into).chain([program.into()]).collect()
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output().map_err(|error| {
        io::Error::other(format!("cannot run {}: {error}", command.get_program().display()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{}: {why}", command.get_program().display())))
}
