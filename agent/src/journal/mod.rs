//! The journal: the one SQLite database of a store. A fact is committed here before it leaves the
//! store or reaches a label.
//!
//! One thread owns the connection. Others hand it jobs: closures that read or write inside its
//! transaction. Jobs that wait together are committed together (one fsync); each runs in a savepoint
//! of its own, so that a failing job takes nothing else with it. A job's answer is given after the
//! commit.

pub mod alarms;
pub mod audit;
pub mod bindings;
pub mod boot;
pub mod care;
pub mod commands;
pub mod exported;
mod from_4;
pub mod meter;
pub mod outbox;
pub mod prices;
pub mod recover;
pub mod telemetry;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use storewarden_rules::Utc;
use tokio::sync::{mpsc, oneshot, watch};

/// Version of `schema.sql`.
const SCHEMA_VERSION: i64 = 7;
/// What leads from each older version to the next, the oldest first. A step that was released is never
/// changed.
const MIGRATIONS: [fn(&Connection) -> rusqlite::Result<()>; 6] = [
    |db| db.execute_batch(include_str!("from_1.sql")),
    |db| db.execute_batch(include_str!("from_2.sql")),
    |db| db.execute_batch(include_str!("from_3.sql")),
    from_4::migrate,
    |db| db.execute_batch(include_str!("from_5.sql")),
    |db| db.execute_batch(include_str!("from_6.sql")),
];
/// Jobs that may wait for the journal. A sender beyond that waits in turn, or, where it may not wait, is
/// told so ([`JournalError::Full`]). While the disk is full this is what is held in memory: at most some
/// 4 KB for an alarm with its curve, 8 MB in all.
const JOBS_MAX: usize = 2048;
/// Jobs committed in one transaction at most.
const JOBS_PER_COMMIT_MAX: usize = 128;
/// Pause after a failed commit (disk full, I/O error) before the same jobs are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of the write-ahead log kept for the next writes; as many as SQLite's own checkpoint leaves.
const WAL_KEPT_MAX: i64 = 4 << 20;
/// Free pages (of 4 KiB) that stay for what comes; beyond, and when more than half of the file is free,
/// pages are given back. Less would write the same pages again and again.
const FREE_PAGES_KEPT: i64 = 1024;
/// Pages given back after one commit, so that nobody waits long for the next.
const PAGES_GIVEN_BACK: u32 = 256;

type Job = Box<dyn FnMut(&Connection) -> rusqlite::Result<()> + Send>;

/// What a job answers with, once it is committed.
struct Queued {
    job: Job,
    /// Given up when the disk does not take it, so that what is worth more need not wait behind it.
    is_expendable: bool,
    committed: oneshot::Sender<Result<(), JournalError>>,
}

/// Names this store, this journal and this run in every message to headquarters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain the store belongs to.
    pub chain: String,
    /// The store.
    pub store: String,
    /// Random id of this run of the agent.
    pub boot: u64,
    /// Random id of this journal file.
    pub journal: u64,
    /// Whether there is a headquarters to tell. Without one nothing is put into the outbox, which would
    /// only grow, but telemetry for a time-series server ([`exported`]).
    pub reports: bool,
}

/// Why the journal could not do something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or created.
    #[error("journal {path}: {what}; check that the directory exists and is writable")]
    Open {
        /// Which file.
        path: PathBuf,
        /// SQLite's word.
        what: String,
    },
    /// A backup was not written.
    #[error("backup {path}: {what}; name a new file on a disk with room")]
    Backup {
        /// Which file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// One job failed; nothing of it was stored.
    #[error("journal: {0}")]
    Job(String),
    /// As many jobs wait as may; this one was not taken.
    #[error("the journal does not keep up: {JOBS_MAX} facts wait for the disk; free it")]
    Full,
    /// The disk did not take it, and it may be lost.
    #[error("the journal's disk takes no telemetry; free it")]
    Refused,
    /// The journal's thread has ended, as it does when the agent stops.
    #[error("the journal is closed")]
    Closed,
}

/// A handle to the journal's thread. Cheap to clone; the thread ends when the last is dropped.
#[derive(Clone)]
pub struct Journal {
    path: Arc<Path>,
    was_damaged: bool,
    /// What the hour meter showed when it was opened.
    meter: i64,
    jobs: mpsc::Sender<Queued>,
    identity: Arc<Identity>,
    outbox_grew: watch::Receiver<u64>,
}

impl Journal {
    /// Opens or creates the journal at `path`. A damaged file is put aside under another name, and what can
    /// be read of it is taken over ([`recover`]), so that the agent always starts. `names` is taken over but
    /// for the journal's id, which is the file's; `now` is told of what was damaged, and where the hour meter
    /// of a new journal begins.
    pub fn open(path: &Path, names: Identity, now: Utc) -> Result<Self, JournalError> {
        let fault =
            |error: rusqlite::Error| JournalError::Open { path: path.into(), what: error.to_string() };
        finish_recovery(path).map_err(|error| JournalError::Open {
            path: path.into(),
            what: format!("the recovery that was begun cannot be finished: {error}"),
        })?;
        let (connection, was_damaged) = match prepare(path) {
            Ok(connection) => (Some(connection), false),
            // What it holds is read; the thread opens it for writing when the disk lets it.
            Err(error) if is_disk(&error) && open_read_only(path).is_ok_and(|held| id(&held).is_some()) => {
                tracing::error!(journal = %path.display(), %error,
                    "the journal's disk takes nothing; going on from what the journal holds");
                (None, false)
            }
            Err(error) if is_damage(&error) => {
                tracing::error!(journal = %path.display(), %error, "journal is damaged");
                // The new one first: a crash anywhere here leaves one of the two to go on with.
                let recovered = recover::recover(path, &recovery_of(path), &names, now);
                match &recovered {
                    Ok(of) => tracing::warn!(
                        rows = of.rows,
                        messages_lost = of.messages_lost,
                        damaged = of.damaged.join(", "),
                        old_id = of.has_old_id,
                        "what could be read of the damaged journal is taken over"
                    ),
                    Err(error) => {
                        tracing::error!(%error, "nothing of the damaged journal can be taken over");
                        remove(&recovery_of(path)).map_err(|error| JournalError::Open {
                            path: path.into(),
                            what: format!("what was begun of a new one cannot be removed: {error}"),
                        })?;
                    }
                }
                let aside = put_aside(path).and_then(|aside| finish_recovery(path).map(|()| aside));
                let aside = aside.map_err(|error| JournalError::Open {
                    path: path.into(),
                    what: format!("is damaged and cannot be put aside: {error}"),
                })?;
                tracing::error!(journal = %path.display(), aside = %aside.display(),
                    "journal is damaged: put aside, starting a new one");
                (Some(prepare(path).map_err(fault)?), true)
            }
            Err(error) => return Err(fault(error)),
        };
        let held = open_read_only(path)?;
        let journal = id(&held)
            .ok_or_else(|| JournalError::Open { path: path.into(), what: "its id cannot be read".into() })?;
        let meter = meter::last(connection.as_ref().unwrap_or(&held), now).map_err(fault)?;
        let identity = Arc::new(Identity { journal, ..names });
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let (grew, outbox_grew) = watch::channel(0);
        std::thread::Builder::new()
            .name("journal".into())
            .spawn({
                let path = path.to_owned();
                move || run(&path, connection, queue, &grew)
            })
            .map_err(|error| JournalError::Open { path: path.into(), what: error.to_string() })?;
        Ok(Self { path: path.into(), was_damaged, meter, jobs, identity, outbox_grew })
    }

    /// Whether the file was found damaged when it was opened.
    pub fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    /// What the hour meter showed when the journal was opened, ms.
    pub fn meter(&self) -> i64 {
        self.meter
    }

    /// The names every message carries.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Changes whenever something may have been added to the outbox.
    pub fn outbox_grew(&self) -> watch::Receiver<u64> {
        self.outbox_grew.clone()
    }

    /// Runs `job` inside a transaction and returns its answer after the commit. The job runs again
    /// when the commit fails, so it must not have effects outside the database.
    pub async fn run<T, F>(&self, job: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.begin(job).await?.await
    }

    /// As [`Journal::run`], but returns as soon as the job is in the queue, with its answer to come. Jobs
    /// run in the order in which they were begun.
    pub async fn begin<T, F>(
        &self,
        job: F,
    ) -> Result<impl Future<Output = Result<T, JournalError>> + Send + use<T, F>, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (queued, answer) = queued(job, false);
        self.jobs.send(queued).await.map_err(|_| JournalError::Closed)?;
        Ok(answer)
    }

    /// As [`Journal::begin`] for those who must never wait: refuses with [`JournalError::Full`] instead.
    pub fn hand_over<T, F>(
        &self,
        job: F,
    ) -> Result<impl Future<Output = Result<T, JournalError>> + Send + use<T, F>, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (queued, answer) = queued(job, false);
        self.jobs.try_send(queued).map_err(JournalError::from)?;
        Ok(answer)
    }

    /// As [`Journal::hand_over`] for what may be lost: a disk that does not take it is not asked again, and
    /// the answer is [`JournalError::Refused`].
    pub fn offer<T, F>(
        &self,
        job: F,
    ) -> Result<impl Future<Output = Result<T, JournalError>> + Send + use<T, F>, JournalError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (queued, answer) = queued(job, true);
        self.jobs.try_send(queued).map_err(JournalError::from)?;
        Ok(answer)
    }

    /// Reads what is committed, also while the disk takes nothing.
    pub async fn read<T, F>(&self, read: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let connection = open_read_only(&path)?;
            read(&connection).map_err(|error| JournalError::Job(error.to_string()))
        });
        reading.await.map_err(|_| JournalError::Closed)?
    }
}

impl<T> From<mpsc::error::TrySendError<T>> for JournalError {
    fn from(error: mpsc::error::TrySendError<T>) -> Self {
        match error {
            mpsc::error::TrySendError::Full(_) => Self::Full,
            mpsc::error::TrySendError::Closed(_) => Self::Closed,
        }
    }
}

/// A job for the queue, and its answer to come.
fn queued<T, F>(
    mut job: F,
    is_expendable: bool,
) -> (Queued, impl Future<Output = Result<T, JournalError>> + Send + use<T, F>)
where
    T: Send + 'static,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let slot = answer.clone();
    let job = Box::new(move |connection: &Connection| {
        let value = job(connection)?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    });
    let (committed, done) = oneshot::channel();
    let answer = async move {
        done.await.map_err(|_| JournalError::Closed)??;
        let value = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or(JournalError::Closed)
    };
    (Queued { job, is_expendable, committed }, answer)
}

/// Opens a connection for reading only, as the command line does beside a running agent.
pub fn open_read_only(path: &Path) -> Result<Connection, JournalError> {
    let fault = |error: rusqlite::Error| JournalError::Open { path: path.into(), what: error.to_string() };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    match connection.query_row("PRAGMA schema_version", [], |_| Ok(())) {
        // A disk that takes nothing has no room for the logs either. After an orderly stop there are none,
        // and the file is all there is.
        Err(error) if is_disk(&error) && std::fs::metadata(&wal).map_or(0, |wal| wal.len()) == 0 => {
            let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).map_err(fault)
        }
        _ => Ok(connection),
    }
}

/// The id of a journal of this program's version, if it can be read.
fn id(journal: &Connection) -> Option<u64> {
    let identity = "SELECT journal FROM identity WHERE version = ?1";
    let id = journal.query_row(identity, [SCHEMA_VERSION], |row| row.get::<_, i64>(0));
    Some(id.ok()?.cast_unsigned())
}

/// Writes the journal at `path` as it is now into the new file `to`, beside a running agent: one moment's
/// state, complete and compact, readable by whoever may read the journal. Returns its length in bytes.
pub fn backup(path: &Path, to: &Path) -> Result<u64, JournalError> {
    let fault = |what: String| JournalError::Backup { path: to.into(), what };
    let db = open_read_only(path)?;
    // Taken here, so that nothing is written over; an empty file SQLite fills.
    std::fs::File::create_new(to).map_err(|error| fault(error.to_string()))?;
    let write = || -> std::io::Result<u64> {
        db.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(std::io::Error::other)?;
        std::fs::set_permissions(to, std::fs::metadata(path)?.permissions())?;
        let file = std::fs::File::open(to)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    };
    write().map_err(|error| {
        // What was begun is of no use to anybody.
        let _ = std::fs::remove_file(to);
        fault(error.to_string())
    })
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // SQLite would go on with what it can only read, also when the disk can be written again.
    if connection.is_readonly("main")? {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(code, Some("the file cannot be written".into())));
    }
    // Only a new file takes it; of an old one it would write the first page, which a full disk refuses. In a
    // journal that was made without it what is free is used again but not given back.
    if connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))? == 0 {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: an acknowledged commit survives a power cut (docs/decisions/0003).
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A write-ahead log that grew in a burst is cut back at the next checkpoint.
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT_MAX)?;
    connection.pragma_update(None, "cache_size", -2000)?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(check),
        ));
    }
    let tables: i64 =
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'identity'", [], |r| r.get(0))?;
    if tables == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction
            .execute("INSERT INTO identity VALUES (?1, ?2)", [SCHEMA_VERSION, random_id().cast_signed()])?;
        transaction.commit()?;
    }
    migrate(&mut connection)?;
    Ok(connection)
}

/// Brings an older journal to [`SCHEMA_VERSION`], all steps in one transaction: a crash leaves the old one.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let version: i64 = transaction.query_row("SELECT version FROM identity", [], |row| row.get(0))?;
    let known = usize::try_from(version - 1).ok().and_then(|done| MIGRATIONS.get(done..));
    let Some(steps) = known else {
        let what = format!(
            "is of version {version}, this program of {SCHEMA_VERSION}: use the program that made it or a newer one"
        );
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA),
            Some(what),
        ));
    };
    if steps.is_empty() {
        return Ok(());
    }
    steps.iter().try_for_each(|step| step(&transaction))?;
    transaction.execute("UPDATE identity SET version = ?1", [SCHEMA_VERSION])?;
    transaction.commit()?;
    tracing::info!(from = version, to = SCHEMA_VERSION, "journal is brought to this program's version");
    Ok(())
}

/// A random id that is not 0.
pub fn random_id() -> u64 {
    getrandom::u64().expect("the operating system has random numbers").max(1)
}

/// The file is not what was written; a disk that cannot read it is no better.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{
        SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA, SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ,
    };
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || code.is_some_and(|code| {
            [SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA]
                .contains(&code)
        })
}

/// The file system's fault rather than the job's: worth trying again.
fn is_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}

/// Where the new journal is made of a damaged one.
fn recovery_of(path: &Path) -> PathBuf {
    format!("{}.recovered", path.display()).into()
}

/// Takes the new journal into use if the damaged one is out of its way; one that was not finished is removed.
fn finish_recovery(path: &Path) -> std::io::Result<()> {
    let fresh = recovery_of(path);
    if fresh.exists() && !path.exists() { std::fs::rename(fresh, path) } else { remove(&fresh) }
}

/// Removes a database and its logs, if they are there.
fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["-wal", "-shm", ""] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = (1..)
        .map(|n| PathBuf::from(format!("{}.damaged-{n}", path.display())))
        .find(|candidate| !candidate.exists())
        .expect("some number is free");
    // The database last: a new one must never meet an old write-ahead log.
    for suffix in ["-wal", "-shm", ""] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        if file.exists() {
            std::fs::rename(&file, format!("{}{suffix}", aside.display()))?;
        }
    }
    Ok(aside)
}

/// Carries out what is queued. Without a `connection` the disk took nothing at the start: it is opened
/// when it can be, and what waits meanwhile waits as for a full disk.
fn run(
    path: &Path,
    mut connection: Option<Connection>,
    mut queue: mpsc::Receiver<Queued>,
    grew: &watch::Sender<u64>,
) {
    let mut batch = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        let mut complained = false;
        let changes = connection.as_ref().map_or(0, Connection::total_changes);
        let outcomes = loop {
            while batch.len() < JOBS_PER_COMMIT_MAX {
                match queue.try_recv() {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            match open_and_commit(path, &mut connection, &mut batch) {
                Ok(outcomes) => break outcomes,
                Err(error) => {
                    if connection.is_none() && !is_disk(&error) {
                        tracing::error!(%error, "the journal cannot be opened; it is looked at when the agent is started again");
                        return;
                    }
                    if !complained {
                        tracing::error!(%error, jobs = batch.len(), "journal cannot commit; trying again");
                        complained = true;
                    }
                    let refused: Vec<_> = batch.extract_if(.., |queued| queued.is_expendable).collect();
                    if refused.is_empty() {
                        std::thread::sleep(RETRY_PAUSE);
                    }
                    for queued in refused {
                        let _ = queued.committed.send(Err(JournalError::Refused));
                    }
                }
            }
        };
        if complained {
            tracing::info!("journal commits again");
        }
        if connection.as_ref().map_or(0, Connection::total_changes) != changes {
            grew.send_modify(|count| *count += 1);
        }
        for (queued, outcome) in batch.drain(..).zip(outcomes) {
            let _ = queued.committed.send(outcome);
        }
        if let Some(connection) = &connection
            && let Err(error) = give_back(connection)
        {
            tracing::debug!(%error, "journal: free pages are not given back yet");
        }
    }
}

/// Gives free pages back to the file system, if there are many.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.prepare_cached(pragma)?.query_row([], |row| row.get(0))
    };
    let free = number("PRAGMA freelist_count")?;
    if free <= FREE_PAGES_KEPT || 2 * free <= number("PRAGMA page_count")? {
        return Ok(());
    }
    // Each row frees one page: they have to be stepped.
    let mut statement =
        connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// As [`commit`], on a connection that is opened if there is none.
fn open_and_commit(
    path: &Path,
    connection: &mut Option<Connection>,
    batch: &mut [Queued],
) -> rusqlite::Result<Vec<Result<(), JournalError>>> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(prepare(path)?),
    };
    commit(connection, batch)
}

/// Runs the jobs in one transaction; the outer error is the commit's, the inner ones are each job's.
fn commit(
    connection: &mut Connection,
    batch: &mut [Queued],
) -> rusqlite::Result<Vec<Result<(), JournalError>>> {
    let mut transaction = connection.transaction()?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for queued in batch.iter_mut() {
        let mut savepoint = transaction.savepoint()?;
        match (queued.job)(&savepoint) {
            Ok(()) => {
                savepoint.commit()?;
                outcomes.push(Ok(()));
            }
            Err(error) if is_disk(&error) => return Err(error),
            Err(error) => {
                savepoint.rollback()?;
                outcomes.push(Err(JournalError::Job(error.to_string())));
            }
        }
    }
    transaction.commit()?;
    Ok(outcomes)
}

/// What the journal at `path` says of the newest run of the agent: readings judged (0 unless it
/// stopped in order), and messages that still wait for headquarters.
pub fn last_boot(path: &Path) -> Result<(u64, u64), JournalError> {
    let db = open_read_only(path)?;
    let read = || -> rusqlite::Result<(u64, u64)> {
        let readings: Option<i64> =
            db.query_row("SELECT readings FROM boot ORDER BY started_ms DESC LIMIT 1", [], |row| row.get(0))?;
        Ok((readings.unwrap_or(0).cast_unsigned(), outbox::pending(&db)?))
    };
    read().map_err(|error| JournalError::Job(error.to_string()))
}
