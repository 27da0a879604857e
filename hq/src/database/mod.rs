//! The one SQLite database of headquarters: raw messages, the tables made of them, price batches.

mod ledger;
pub(crate) mod retention;

pub(crate) use ledger::Ledger;

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The schema is `schema.sql`, which is version 2, and the file of each version after it.
const SCHEMA_VERSION: i64 = 3;

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error("cannot open the database {path}: {source}; name another with --db")]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the database {path} is of schema version {found}, this program knows {SCHEMA_VERSION}: use the program that wrote it, or another file with --db"
    )]
    Version { path: PathBuf, found: i64 },
}

/// Opens `path`, which is made if it is not there. A commit is on the disk when it returns; another
/// process that writes is waited for, for up to ten seconds.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    let found = prepare(&mut connection).map_err(failed)?;
    if found != SCHEMA_VERSION {
        return Err(OpenError::Version { path: path.to_owned(), found });
    }
    Ok(connection)
}

/// Sets the connection up and makes the tables that are missing; the schema version then.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    if matches!(version(connection)?, 0 | 2) {
        // Immediate, so that of two processes that both find an empty file one makes the tables.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found = version(&transaction)?;
        if found == 0 {
            transaction.execute_batch(include_str!("schema.sql"))?;
        }
        if matches!(found, 0 | 2) {
            transaction.execute_batch(include_str!("3.sql"))?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        transaction.commit()?;
    }
    version(connection)
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_version_before_is_brought_up_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hq.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("schema.sql")).unwrap();
        old.pragma_update(None, "user_version", 2).unwrap();
        old.execute("INSERT INTO influx_cursor VALUES ('there', 7)", []).unwrap();
        let new = open(&path).unwrap();
        let count = |sql| new.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT sample FROM influx_cursor"), 7);
        assert_eq!(count("SELECT count(*) FROM export_refused"), 0);
    }

    #[test]
    fn a_database_of_another_version_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hq.sqlite");
        open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("schema version 99"));
        assert!(open(&dir.path().join("no/such/dir.sqlite")).unwrap_err().to_string().contains("--db"));
    }
}
