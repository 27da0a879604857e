//! What is PostgreSQL's own.

use super::{Error, Row, Table, Type, Value};
use ::postgres as pg;
use bytes::BytesMut;
use pg::fallible_iterator::FallibleIterator as _;
use pg::types::{IsNull, ToSql, to_sql_checked};
use pg::{Client, Config, NoTls, Statement};
use std::collections::HashMap;
use std::time::Duration;

/// Statements that stay prepared; the texts are all written in this program.
type Prepared = HashMap<String, Statement>;

/// Ours among advisory locks: held while the tables are made.
const MAKING_TABLES: i64 = 0x73_74_6f_72_65;

/// A connection that is made anew when it was lost.
pub(crate) struct Connection {
    config: Config,
    client: Client,
    prepared: Prepared,
}

/// An error with what the server said.
pub(super) fn text(error: &pg::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.as_db_error(), source) {
        (Some(said), _) => said.to_string(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

fn connect(config: &Config) -> Result<Client, Error> {
    let mut client = config.connect(NoTls)?;
    // A writer that stands still in the middle holds up the others: the server ends it. Whoever waits
    // for a row waits as long as for SQLite's.
    client.batch_execute(
        "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s'; SET synchronous_commit = on",
    )?;
    Ok(client)
}

impl Connection {
    pub(super) fn open(mut config: Config) -> Result<Self, Error> {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        config.application_name("storewarden-hq");
        let client = connect(&config)?;
        Ok(Self { config, client, prepared: Prepared::new() })
    }

    /// Makes the tables that are missing; the schema version then.
    pub(super) fn prepare(&mut self) -> Result<i64, Error> {
        let mut transaction = self.client.transaction()?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING_TABLES])?;
        let there: bool =
            transaction.query_one("SELECT to_regclass('schema_version') IS NOT NULL", &[])?.get(0);
        if !there {
            transaction.batch_execute(include_str!("postgres.sql"))?;
            transaction.execute("INSERT INTO schema_version VALUES (4)", &[])?;
        }
        let version = "SELECT version FROM schema_version";
        if transaction.query_one(version, &[])?.get::<_, i64>(0) == 4 {
            transaction.batch_execute(include_str!("postgres_5.sql"))?;
            transaction.execute("UPDATE schema_version SET version = 5", &[])?;
        }
        let found = transaction.query_one(version, &[])?.get(0);
        transaction.commit()?;
        Ok(found)
    }

    fn revive(&mut self) -> Result<(), Error> {
        if self.client.is_closed() {
            self.prepared.clear();
            self.client = connect(&self.config)?;
        }
        Ok(())
    }

    pub(super) fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        self.revive()?;
        Ok(Transaction { transaction: self.client.transaction()?, prepared: &mut self.prepared })
    }

    pub(super) fn for_each<E: From<Error>>(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        self.revive()?;
        let sql = numbered(sql);
        let mut rows = self.client.query_raw(&sql, values).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            each(&read(&row)?)?;
        }
        Ok(())
    }
}

/// `$1` is PostgreSQL's `?1`; no statement has a question mark elsewhere.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

pub(crate) struct Transaction<'a> {
    transaction: pg::Transaction<'a>,
    prepared: &'a mut Prepared,
}

impl Transaction<'_> {
    fn prepared(&mut self, sql: String) -> Result<Statement, Error> {
        if let Some(known) = self.prepared.get(&sql) {
            return Ok(known.clone());
        }
        let statement = self.transaction.prepare(&sql)?;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }

    pub(super) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        let statement = self.prepared(numbered(sql))?;
        let values: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        Ok(self.transaction.execute(&statement, &values)?)
    }

    pub(super) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(numbered(sql))?;
        let mut rows = self.transaction.query_raw(&statement, values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&row)?);
        }
        Ok(found)
    }

    pub(super) fn insert(&mut self, table: &Table, rows: &[Vec<Value>]) -> Result<(), Error> {
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({}) {}",
            table.name,
            names.join(", "),
            arrays(table.columns),
            table.conflict
        );
        let statement = self.prepared(sql)?;
        let columns = columns(table, names.len(), rows);
        let columns: Vec<_> = columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
        self.transaction.execute(&statement, &columns)?;
        Ok(())
    }

    pub(super) fn rows(
        &mut self,
        table: &Table,
        keys: &[Vec<Value>],
        for_update: bool,
    ) -> Result<Vec<Row>, Error> {
        let width = keys.first().map_or(0, Vec::len);
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let key = names[..width].join(", ");
        // In one order for all, or two that need the same rows would wait for each other.
        let sql = format!(
            "SELECT {} FROM {} WHERE ({key}) IN (SELECT * FROM unnest({})) {}",
            names.join(", "),
            table.name,
            arrays(&table.columns[..width]),
            if for_update { format!("ORDER BY {key} FOR UPDATE") } else { String::new() }
        );
        let statement = self.prepared(sql)?;
        let mut rows = self.transaction.query_raw(&statement, columns(table, width, keys))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&row)?);
        }
        Ok(found)
    }

    pub(super) fn commit(self) -> Result<(), Error> {
        Ok(self.transaction.commit()?)
    }
}

/// One array parameter for each column.
fn arrays(columns: &[(&str, Type)]) -> String {
    let of = |(n, (_, column)): (usize, &(&str, Type))| {
        let name = match column {
            Type::Integer => "bigint",
            Type::Real => "double precision",
            Type::Text => "text",
            Type::Bytes => "bytea",
        };
        format!("${}::{name}[]", n + 1)
    };
    columns.iter().enumerate().map(of).collect::<Vec<_>>().join(", ")
}

/// A column of rows, as an array.
#[derive(Debug)]
struct Column<'a> {
    rows: &'a [Vec<Value>],
    at: usize,
}

fn columns<'a>(table: &Table, width: usize, rows: &'a [Vec<Value>]) -> Vec<Column<'a>> {
    debug_assert!(rows.iter().all(|row| row.len() == width), "{}: a row of another width", table.name);
    (0..width).map(|at| Column { rows, at }).collect()
}

impl ToSql for Column<'_> {
    fn to_sql(
        &self,
        ty: &pg::types::Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.rows.iter().map(|row| &row[self.at]).collect::<Vec<_>>().to_sql(ty, out)
    }

    fn accepts(ty: &pg::types::Type) -> bool {
        matches!(ty.kind(), pg::types::Kind::Array(_))
    }

    to_sql_checked!();
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &pg::types::Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            // Beside a number in the statement's text PostgreSQL takes a parameter for a short one.
            Self::Integer(number) if *ty == pg::types::Type::INT4 => {
                i32::try_from(*number)?.to_sql_checked(ty, out)
            }
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Real(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    /// Each value looks for itself.
    fn accepts(_: &pg::types::Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn read(row: &pg::Row) -> Result<Row, Error> {
    use pg::types::Type as Pg;
    let value = |(at, column): (usize, &pg::Column)| -> Result<Value, Error> {
        let value = match *column.type_() {
            Pg::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
            Pg::INT4 => row.try_get::<_, Option<i32>>(at)?.into(),
            Pg::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.into(),
            Pg::BOOL => row.try_get::<_, Option<bool>>(at)?.into(),
            Pg::TEXT => row.try_get::<_, Option<String>>(at)?.into(),
            Pg::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
            _ => return Err(Error::Column { column: at, expected: "a type of this program" }),
        };
        Ok(value)
    };
    Ok(Row(row.columns().iter().enumerate().map(value).collect::<Result<_, _>>()?))
}
