//! The audit trail: who did what. Each row's hash covers the one before, so that a row changed or
//! removed later shows.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use storewarden_rules::Utc;

/// Adds a row. `what` is a word for the kind of act, `detail` the rest in plain text.
pub fn append(connection: &Connection, now: Utc, by: &str, what: &str, detail: &str) -> rusqlite::Result<()> {
    let previous: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let hash = hash(&previous.unwrap_or_default(), now.0, by, what, detail);
    connection
        .prepare_cached("INSERT INTO audit (at_ms, by, what, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![now.0, by, what, detail, hash])?;
    Ok(())
}

/// Id of the first row whose hash does not follow from the row before; none if the trail is whole.
pub fn first_break(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut statement =
        connection.prepare("SELECT id, at_ms, by, what, detail, hash FROM audit ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut previous = Vec::new();
    while let Some(row) = rows.next()? {
        let (by, what, detail): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let stored: Vec<u8> = row.get(5)?;
        if hash(&previous, row.get(1)?, &by, &what, &detail) != stored {
            return row.get(0).map(Some);
        }
        previous = stored;
    }
    Ok(None)
}

fn hash(previous: &[u8], at_ms: i64, by: &str, what: &str, detail: &str) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(at_ms.to_be_bytes());
    // Lengths first, so that no text can be moved from one field into the next.
    for text in [by, what, detail] {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_removed_row_shows() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        for n in 0..5 {
            append(&db, Utc(n), "team-1", "price-batch", &format!("batch {n}")).unwrap();
        }
        assert_eq!(first_break(&db).unwrap(), None);
        db.execute("UPDATE audit SET by = 'nobody' WHERE id = 3", []).unwrap();
        assert_eq!(first_break(&db).unwrap(), Some(3));
        db.execute("UPDATE audit SET by = 'team-1' WHERE id = 3", []).unwrap();
        db.execute("DELETE FROM audit WHERE id = 2", []).unwrap();
        assert_eq!(first_break(&db).unwrap(), Some(3));
    }
}
