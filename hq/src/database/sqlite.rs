//! What is SQLite's own.

use super::{Error, Row, SCHEMA_VERSION, Table, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another one that writes is waited for.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Opens a file and makes what is missing; the schema version then.
pub(super) fn open(path: &Path) -> Result<(Connection, i64), Error> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    // Of several that find a new file one changes the mode; the others are told to come again, and SQLite
    // does not wait for them.
    let end = Instant::now() + BUSY_MAX;
    while let Err(error) = connection.pragma_update(None, "journal_mode", "WAL") {
        if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) || Instant::now() > end {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    let found: i64 = version(&connection)?;
    if matches!(found, 0 | 2..SCHEMA_VERSION) {
        // Immediate, so that of two processes that both find an empty file one makes the tables.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let steps = [
            (0, include_str!("schema.sql")),
            (2, include_str!("3.sql")),
            (3, include_str!("4.sql")),
            (4, include_str!("5.sql")),
        ];
        let found = version(&transaction)?;
        for (_, step) in steps.iter().filter(|(from, _)| *from >= found) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
    }
    let found = version(&connection)?;
    Ok((connection, found))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, Error> {
    let rows = connection.prepare_cached(sql)?.execute(params_from_iter(values))?;
    Ok(rows.try_into().unwrap_or(u64::MAX))
}

pub(super) fn for_each<E: From<Error>>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    each: &mut dyn FnMut(&Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare_cached(sql).map_err(Error::from)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(values)).map_err(Error::from)?;
    while let Some(row) = rows.next().map_err(Error::from)? {
        let value = |column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            })
        };
        let values = (0..columns).map(value).collect::<rusqlite::Result<_>>();
        each(&Row(values.map_err(Error::from)?))?;
    }
    Ok(())
}

pub(super) fn insert(connection: &Connection, table: &Table, rows: &[Vec<Value>]) -> Result<(), Error> {
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) {}",
        table.name,
        names.join(", "),
        vec!["?"; names.len()].join(", "),
        table.conflict
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// A transaction that writes is alone here: nothing is to be locked.
pub(super) fn rows(connection: &Connection, table: &Table, keys: &[Vec<Value>]) -> Result<Vec<Row>, Error> {
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let key_names = &names[..keys.first().map_or(0, Vec::len)];
    let sql =
        format!("SELECT {} FROM {} WHERE {} = ?", names.join(", "), table.name, key_names.join(" = ? AND "));
    let mut found = Vec::new();
    for key in keys {
        for_each(connection, &sql, key, &mut |row| {
            found.push(Row(row.0.clone()));
            Ok::<_, Error>(())
        })?;
    }
    Ok(found)
}
