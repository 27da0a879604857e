//! What people say of labels: what is bound to them, and which items are out of stock.

use super::audit;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use storewarden_rules::Utc;

/// What a person said of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Tag id.
    pub label: String,
    /// Id of its gateway.
    pub gateway: String,
    /// Its item; none if it has none.
    pub item: Option<String>,
    /// Where it hangs.
    pub place: String,
}

/// Commits bindings that belong together, and who made them.
pub fn bind(connection: &Connection, now: Utc, by: &str, bindings: &[Binding]) -> rusqlite::Result<()> {
    for Binding { label, gateway, item, place } in bindings {
        connection
            .prepare_cached("INSERT OR REPLACE INTO binding VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![label, gateway, item, place, by, now.0])?;
        let detail = match item {
            Some(item) => format!("{label} shows {item} at {place:?} behind {gateway}"),
            None => format!("{label} shows nothing"),
        };
        audit::append(connection, now, by, "label-bound", &detail)?;
    }
    Ok(())
}

/// Every binding.
pub fn load(connection: &Connection) -> rusqlite::Result<Vec<Binding>> {
    connection
        .prepare("SELECT label, gateway, item, place FROM binding ORDER BY at_ms, label")?
        .query_map([], |row| {
            Ok(Binding { label: row.get(0)?, gateway: row.get(1)?, item: row.get(2)?, place: row.get(3)? })
        })?
        .collect()
}

/// Commits that an item is out of stock, or is not any more, and who said so.
pub fn set_stock(
    connection: &Connection,
    now: Utc,
    by: &str,
    item: &str,
    is_out: bool,
) -> rusqlite::Result<()> {
    if is_out {
        connection
            .prepare_cached("INSERT OR REPLACE INTO out_of_stock VALUES (?1, ?2, ?3)")?
            .execute(params![item, by, now.0])?;
    } else {
        connection.prepare_cached("DELETE FROM out_of_stock WHERE item = ?1")?.execute([item])?;
    }
    let what = if is_out { "item-out-of-stock" } else { "item-in-stock" };
    audit::append(connection, now, by, what, item)
}

/// Every item that is out of stock.
pub fn out_of_stock(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection.prepare("SELECT item FROM out_of_stock")?.query_map([], |row| row.get(0))?.collect()
}
