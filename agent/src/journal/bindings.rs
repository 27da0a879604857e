//! What was bound to labels by hand.

use super::audit;
use rusqlite::{Connection, params};
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
