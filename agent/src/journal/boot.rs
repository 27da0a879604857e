//! One row per run of the agent: when it started, and whether it stopped in order.

use rusqlite::{Connection, params};
use storewarden_rules::Utc;

/// Runs kept; the oldest go first.
const BOOTS_MAX: i64 = 1000;

/// The agent started.
pub fn started(connection: &Connection, boot: u64, now: Utc) -> rusqlite::Result<()> {
    connection
        .execute("INSERT INTO boot (boot, started_ms) VALUES (?1, ?2)", params![boot.cast_signed(), now.0])?;
    connection.execute(
        "DELETE FROM boot WHERE boot NOT IN (SELECT boot FROM boot ORDER BY started_ms DESC LIMIT ?1)",
        [BOOTS_MAX],
    )?;
    Ok(())
}

/// The agent stopped in order after judging so many readings.
pub fn stopped(connection: &Connection, boot: u64, now: Utc, readings: u64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE boot SET stopped_ms = ?2, readings = ?3 WHERE boot = ?1",
        params![boot.cast_signed(), now.0, readings.cast_signed()],
    )?;
    Ok(())
}
