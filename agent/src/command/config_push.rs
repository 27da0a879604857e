//! A configuration from headquarters: checked, put in place, tried, and put back if it does not hold.
//!
//! Beside `store.toml` stand `store.toml.before`, the one it replaced, and while it is tried
//! `store.toml.trial`. What is only rules is taken over at once. For anything else the agent stops in order
//! and is started anew (by systemd); the new one holds when headquarters has answered. When it has not for
//! [`TRIAL`], or when the agent was started [`STARTS_MAX`] times with it, the one before is put back.

use super::Done;
use crate::config::Config;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// So long headquarters may be silent after the start with a new configuration.
const TRIAL: Duration = Duration::from_secs(600);
/// Starts with a configuration that never held.
const STARTS_MAX: u32 = 3;
/// For tests, which cannot wait for [`TRIAL`]: seconds.
const TRIAL_VARIABLE: &str = "STOREWARDEN_TRIAL_SECONDS";

/// A configuration to take over.
#[derive(Debug)]
pub struct Push {
    /// The command's id.
    pub id: String,
    /// The file.
    pub toml: Vec<u8>,
    /// SHA-256 of the file it was made from, or the digest that the store tells in its status.
    pub base_digest: Vec<u8>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in force.
    Done,
    /// It is not, and why.
    Refused(String),
    /// It is in place; the next start will tell.
    OnTrial,
}

impl Push {
    /// The configuration, if it may take the place of the one `in_force`, which was read from `path`.
    ///
    /// # Errors
    /// Why not, in words for who ordered it.
    pub fn check(&self, path: &Path, in_force: &Config) -> Result<Config, String> {
        let now = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let bases = [in_force.digest, Sha256::digest(&now).into()];
        if !bases.iter().any(|base| base.as_slice() == self.base_digest) {
            return Err(
                "it was made from another configuration than the one in force: make it anew from that".into(),
            );
        }
        let text = std::str::from_utf8(&self.toml).map_err(|error| format!("it is not UTF-8: {error}"))?;
        let config = Config::parse(path, text).map_err(|faults| faults.to_string())?;
        if (&config.store.chain, &config.store.id) != (&in_force.store.chain, &in_force.store.id) {
            return Err("it is for another store or chain".into());
        }
        Ok(config)
    }

    /// Puts it in the place of the file at `path`, which is kept beside it.
    ///
    /// # Errors
    /// What could not be written; the file at `path` is then as it was.
    pub fn put(&self, path: &Path) -> Result<(), String> {
        put(path, &self.toml).map_err(|error| {
            format!(
                "cannot write beside {}: {error}; give the agent's user the right to that folder",
                path.display()
            )
        })
    }
}

fn put(path: &Path, toml: &[u8]) -> io::Result<()> {
    let before = beside(path, "before");
    std::fs::copy(path, &before)?;
    File::open(&before)?.sync_all()?;
    replace(path, toml)
}

/// Puts `bytes` in the place of the file at `path`, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = File::create(&new)?;
    if let Ok(metadata) = std::fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
        .sync_all()
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

/// What is known of a configuration that is tried, in `store.toml.trial`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The command that brought it.
    command: String,
    /// How often the agent was started with it.
    starts: u32,
    /// Why the one before was put back, if it was.
    put_back: Option<String>,
}

impl Note {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(beside(path, "trial")).ok()?).ok()
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        replace(&beside(path, "trial"), &serde_json::to_vec(self)?)
    }

    fn put_back(&mut self, path: &Path, why: String) -> io::Result<()> {
        tracing::error!(why, "the configuration from headquarters does not hold; the one before is put back");
        replace(path, &std::fs::read(beside(path, "before"))?)?;
        self.put_back = Some(why);
        self.write(path)
    }
}

/// A configuration that is tried in this run, or was put back before it.
#[derive(Debug)]
pub struct Trial {
    path: PathBuf,
    note: Note,
}

impl Trial {
    /// Notes that the configuration at `path`, which command `id` brought, is tried from the next start on.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn begin(path: &Path, id: &str) -> Result<(), String> {
        let note = Note { command: id.to_owned(), starts: 0, put_back: None };
        note.write(path).map_err(|error| format!("cannot note the trial: {error}"))
    }

    /// Loads the configuration at `path` with `load`; if it is tried and does not hold, the one before.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn load<E: std::fmt::Display>(
        path: &Path,
        load: impl Fn(&Path) -> Result<Config, E>,
    ) -> Result<(Config, Option<Self>), E> {
        let Some(mut note) = Note::read(path) else { return load(path).map(|config| (config, None)) };
        let mut loaded = load(path);
        if note.put_back.is_none() {
            note.starts += 1;
            let why = match &loaded {
                Err(error) => Some(format!("it cannot be loaded: {error}")),
                Ok(_) if note.starts > STARTS_MAX => Some(format!(
                    "the agent was started {STARTS_MAX} times with it and never reached headquarters"
                )),
                Ok(_) => None,
            };
            let noted = match why {
                None => note.write(path),
                Some(why) => note.put_back(path, why).map(|()| loaded = load(path)),
            };
            if let Err(error) = noted {
                tracing::error!(%error, "cannot write beside the configuration");
            }
        }
        Ok((loaded?, Some(Self { path: path.to_owned(), note })))
    }

    /// The command that brought it.
    pub fn id(&self) -> &str {
        &self.note.command
    }

    /// Waits until headquarters is `heard`, or too long; then the one before is put back and `restart` asked
    /// for.
    pub(super) async fn judge(
        mut self,
        mut heard: watch::Receiver<bool>,
        restart: tokio_util::sync::CancellationToken,
    ) -> Done {
        let id = self.note.command.clone();
        if let Some(why) = &self.note.put_back {
            return (id, Some(Err(format!("the configuration before was put back: {why}"))));
        }
        let seconds = std::env::var(TRIAL_VARIABLE).ok().and_then(|text| text.parse().ok());
        let longest = seconds.map_or(TRIAL, Duration::from_secs);
        if matches!(tokio::time::timeout(longest, heard.wait_for(|heard| *heard)).await, Ok(Ok(_))) {
            return (id, Some(Ok(())));
        }
        let why = format!("headquarters was not reached within {} s", longest.as_secs());
        match self.note.put_back(&self.path, why) {
            Ok(()) => restart.cancel(),
            Err(error) => tracing::error!(%error, "the configuration before cannot be put back"),
        }
        (id, None)
    }
}

/// Forgets the trial of command `id`, which is over.
pub(super) fn forget(path: &Path, id: &str) {
    if Note::read(path).is_some_and(|note| note.command == id)
        && let Err(error) = std::fs::remove_file(beside(path, "trial"))
    {
        tracing::error!(%error, "cannot remove the note of the trial");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../docs/store.toml");

    fn store() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.toml");
        std::fs::write(&path, "the one before").unwrap();
        (dir, path)
    }

    fn there(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    /// As the command line loads it; "bad" is none.
    fn load(path: &Path) -> Result<Config, String> {
        if there(path) == "bad" {
            return Err("bad".into());
        }
        let text = GOOD.to_owned();
        Config::parse(Path::new("../docs/store.toml"), &text).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_configuration_that_cannot_be_loaded_gives_way_to_the_one_before() {
        let (_dir, path) = store();
        put(&path, b"bad").unwrap();
        Trial::begin(&path, "c-1").unwrap();
        assert_eq!(there(&path), "bad");
        let (_, trial) = Trial::load(&path, load).unwrap();
        assert_eq!(there(&path), "the one before");
        assert!(trial.unwrap().note.put_back.unwrap().contains("cannot be loaded: bad"));
        // The next start knows it still, until headquarters was told.
        let (_, trial) = Trial::load(&path, load).unwrap();
        assert_eq!(trial.unwrap().id(), "c-1");
        forget(&path, "another");
        assert!(Note::read(&path).is_some());
        forget(&path, "c-1");
        assert!(Trial::load(&path, load).unwrap().1.is_none());
    }

    #[test]
    fn one_that_is_started_again_and_again_gives_way_too() {
        let (_dir, path) = store();
        put(&path, b"good").unwrap();
        Trial::begin(&path, "c-1").unwrap();
        for _ in 0..STARTS_MAX {
            assert_eq!(Trial::load(&path, load).unwrap().1.unwrap().note.put_back, None);
            assert_eq!(there(&path), "good");
        }
        assert!(Trial::load(&path, load).unwrap().1.unwrap().note.put_back.is_some());
        assert_eq!(there(&path), "the one before");
    }
}
