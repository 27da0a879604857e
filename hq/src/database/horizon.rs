//! Up to which number a table is complete, for readers that go on from a number.
//!
//! Several workers commit at once: a row may appear whose number is below one that was there before. So
//! a reader that goes on from the highest number it has seen would pass rows over. A number is safe once
//! every transaction that had begun when it was given out is over.

use super::{Database, Error, values};

/// How far one table is complete. Reading it holds nobody up.
pub(crate) struct Horizon {
    table: &'static str,
    safe: i64,
    /// The last number given out when it was looked at, and the transaction that had not begun by then.
    looked: Option<(i64, String)>,
}

impl Horizon {
    /// Of a table with a column `id` that the database numbers.
    pub(crate) fn of(table: &'static str) -> Self {
        Self { table, safe: 0, looked: None }
    }

    /// The number up to which no row will come any more.
    pub(crate) fn look(&mut self, database: &mut Database) -> Result<i64, Error> {
        let (table, is_shared) = (self.table, database.is_shared());
        let mut one = |sql: &str, values: &[_]| {
            database.query(sql, values)?.pop().ok_or(Error::Column { column: 0, expected: "a row" })
        };
        if !is_shared {
            // One transaction writes at a time, and its rows appear with their numbers.
            self.safe = one(&format!("SELECT coalesce(max(id), 0) FROM {table}"), &[])?.get(0)?;
            return Ok(self.safe);
        }
        let (last, next) = match self.looked.take() {
            Some(looked) => looked,
            None => {
                // In this order: who gets a number in between has begun before the second.
                let last = one(&format!("SELECT last_value FROM {table}_id_seq"), &[])?.get(0)?;
                let next =
                    one("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text)", &[])?.get(0)?;
                (last, next)
            }
        };
        let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= CAST(CAST(?1 AS text) AS xid8)";
        if one(sql, &values![&next])?.get(0)? {
            self.safe = last;
        } else {
            self.looked = Some((last, next));
        }
        Ok(self.safe)
    }
}
