//! The one database of headquarters: raw messages, the tables made of them, price batches.
//!
//! A file of SQLite for one machine, or PostgreSQL for a fleet. Both hold the same tables and take the
//! same statements, written in what they have in common: parameters are `?1`, truth is 0 or 1, and
//! `ON CONFLICT` names its columns. Where they differ, [`Transaction`] has a method.

mod horizon;
mod ledger;
mod postgres;
pub(crate) mod retention;
mod sqlite;
mod value;

pub(crate) use horizon::Horizon;
pub(crate) use ledger::Ledger;
pub(crate) use value::{Row, Value, values};

use crate::pause::Pause;
use ::postgres as pg;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The schema of this program. SQLite's is `schema.sql`, which is version 2, and the file of each version
/// after it; PostgreSQL's is `postgres.sql`, which is version 4, and the file of each version after it.
const SCHEMA_VERSION: i64 = 5;

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error("cannot open the database {place}: {source}; name another with --db")]
    Failed { place: String, source: Error },
    #[error("{0} is not an address of PostgreSQL: write postgres://USER:PASSWORD@HOST/DATABASE ({1})")]
    Address(String, pg::Error),
    #[error("cannot read --db-password-file {0}: {1}")]
    Password(PathBuf, std::io::Error),
    #[error(
        "{0}: TLS is not built in; run the service beside PostgreSQL, or through a TLS tunnel (stunnel, a VPN), and leave sslmode out"
    )]
    Tls(String),
    #[error(
        "the database {place} is of schema version {found}, this program knows {SCHEMA_VERSION}: use the program that wrote it, or another database with --db"
    )]
    Version { place: String, found: i64 },
}

/// Why a statement failed.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{}", postgres::text(.0))]
    Postgres(#[from] pg::Error),
    #[error("column {column} is not of type {expected}: was the database changed by hand?")]
    Column { column: usize, expected: &'static str },
    #[error("{0:?} does not say which numbers have come: was the database changed by hand?")]
    Numbers(String),
}

/// One connection, which belongs to one thread.
pub(crate) enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(Box<postgres::Connection>),
}

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// The database: a file, made if it is not there, or postgres://USER@HOST/DATABASE
    #[arg(long, global = true, value_name = "FILE|URL", default_value = "storewarden-hq.sqlite")]
    db: String,
    /// File with the password at PostgreSQL
    #[arg(long, global = true, value_name = "FILE")]
    db_password_file: Option<PathBuf>,
}

impl Place {
    /// Whether it is a server that several may write to; else a file.
    pub(crate) fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| self.db.starts_with(scheme))
    }

    /// Opens it. A commit is on the disk when it returns; another one that writes is waited for, for up
    /// to ten seconds.
    ///
    /// Must not be called on a thread of an asynchronous runtime, which PostgreSQL's client would block.
    pub(crate) fn open(&self) -> Result<Database, OpenError> {
        let place = without_password(&self.db);
        let failed = |source| OpenError::Failed { place: place.clone(), source };
        let (database, found) = if self.is_postgres() {
            let parsed = self.db.parse::<pg::Config>();
            let mut config = parsed.map_err(|error| OpenError::Address(place.clone(), error))?;
            if let Some(path) = &self.db_password_file {
                let password = std::fs::read_to_string(path);
                let password = password.map_err(|error| OpenError::Password(path.clone(), error))?;
                config.password(password.trim_end_matches(['\r', '\n']));
            }
            if matches!(config.get_ssl_mode(), pg::config::SslMode::Require) {
                return Err(OpenError::Tls(place));
            }
            let mut connection = postgres::Connection::open(config).map_err(failed)?;
            let found = connection.prepare().map_err(failed)?;
            (Database::Postgres(Box::new(connection)), found)
        } else {
            let (connection, found) = sqlite::open(Path::new(&self.db)).map_err(failed)?;
            (Database::Sqlite(connection), found)
        };
        if found == SCHEMA_VERSION { Ok(database) } else { Err(OpenError::Version { place, found }) }
    }
}

impl Place {
    /// As [`Place::open`] for a service, which waits for a server that does not answer yet.
    pub(crate) fn open_when_there(&self) -> Result<Database, OpenError> {
        let mut pause = Pause::new(Duration::from_millis(500), Duration::from_secs(30));
        loop {
            match self.open() {
                Err(OpenError::Failed { place, source }) if source.is_away() => {
                    let wait = pause.after_failure(fastrand::f64());
                    tracing::error!(%place, error = %source, wait_ms = wait.as_millis(),
                        "the database does not answer; waiting for it");
                    std::thread::sleep(wait);
                }
                opened => return opened,
            }
        }
    }
}

impl Error {
    /// Whether a server is not there, or starts or stops (PostgreSQL's class 57P): worth trying again.
    fn is_away(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.as_db_error().is_none_or(|said| said.code().code().starts_with("57P"))
    }
}

/// As it may be shown.
fn without_password(place: &str) -> String {
    let Some((scheme, (login, rest))) =
        place.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)))
    else {
        return place.to_owned();
    };
    let user = login.split_once(':').map_or(login, |(user, _)| user);
    format!("{scheme}://{user}@{rest}")
}

impl Database {
    /// What `work` does is done as a whole, or not at all if it fails. A connection that was lost is made
    /// anew first.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Self::Sqlite(connection) => {
                // Immediate: what is read and then written by it is not changed by another in between.
                let begin = rusqlite::TransactionBehavior::Immediate;
                let mut transaction = Transaction::Sqlite(connection.transaction_with_behavior(begin)?);
                let done = work(&mut transaction)?;
                transaction.commit()?;
                Ok(done)
            }
            Self::Postgres(connection) => {
                let mut transaction = Transaction::Postgres(connection.transaction()?);
                let done = work(&mut transaction)?;
                transaction.commit()?;
                Ok(done)
            }
        }
    }

    /// Calls `each` for every row of a question, as it comes.
    pub(crate) fn for_each<E: From<Error>>(
        &mut self,
        sql: &str,
        values: &[Value],
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sqlite(connection) => sqlite::for_each(connection, sql, values, &mut each),
            Self::Postgres(connection) => connection.for_each(sql, values, &mut each),
        }
    }

    /// All rows of a question.
    pub(crate) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        self.for_each(sql, values, |row| {
            rows.push(Row(row.0.clone()));
            Ok::<_, Error>(())
        })?;
        Ok(rows)
    }

    /// Whether it is PostgreSQL.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// What is done as a whole.
pub(crate) enum Transaction<'a> {
    Sqlite(rusqlite::Transaction<'a>),
    Postgres(postgres::Transaction<'a>),
}

/// Where rows are added.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Type)],
    /// What follows the values: `ON CONFLICT …`, or nothing.
    pub(crate) conflict: &'static str,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Integer,
    Real,
    Text,
    Bytes,
}

impl Transaction<'_> {
    /// Carries a statement out; how many rows it concerned.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        match self {
            Self::Sqlite(transaction) => sqlite::execute(transaction, sql, values),
            Self::Postgres(transaction) => transaction.execute(sql, values),
        }
    }

    /// All rows of a question.
    pub(crate) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(transaction) => {
                let mut rows = Vec::new();
                sqlite::for_each(transaction, sql, values, &mut |row| {
                    rows.push(Row(row.0.clone()));
                    Ok::<_, Error>(())
                })?;
                Ok(rows)
            }
            Self::Postgres(transaction) => transaction.query(sql, values),
        }
    }

    /// Adds `rows` to `table`: however many there are, PostgreSQL is asked once.
    pub(crate) fn insert(&mut self, table: &Table, rows: &[Vec<Value>]) -> Result<(), Error> {
        match self {
            _ if rows.is_empty() => Ok(()),
            Self::Sqlite(transaction) => sqlite::insert(transaction, table, rows),
            Self::Postgres(transaction) => transaction.insert(table, rows),
        }
    }

    /// The rows of `table` whose first columns are one of `keys`. If they are `for_update`, nobody else
    /// changes them until the end of this transaction.
    pub(crate) fn rows(
        &mut self,
        table: &Table,
        keys: &[Vec<Value>],
        for_update: bool,
    ) -> Result<Vec<Row>, Error> {
        match self {
            _ if keys.is_empty() => Ok(Vec::new()),
            Self::Sqlite(transaction) => sqlite::rows(transaction, table, keys),
            Self::Postgres(transaction) => transaction.rows(table, keys, for_update),
        }
    }

    fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.commit()?),
            Self::Postgres(transaction) => transaction.commit(),
        }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
pub(crate) mod tests;
