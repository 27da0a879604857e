//! The store's hour meter: a clock that goes only while the agent runs, and that nobody can set.
//!
//! By it is counted, over a restart, how long an alarm has waited, when a shelf ends, and the like: UTC may
//! be wrong when the agent starts, and nobody can tell yet (docs/decisions/0015). It began at the UTC of the
//! journal's first start; since then the two have gone apart. Figures in ms.

use rusqlite::{Connection, OptionalExtension};
use storewarden_rules::{Millis, Utc};

/// What it shows at a moment of the present clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The moment.
    pub utc: Utc,
    /// What it shows then.
    pub shows: i64,
}

impl Meter {
    /// What it showed at that stamp of the present clock.
    pub fn shown_at(self, stamp: Utc) -> i64 {
        self.shows - (self.utc - stamp).0
    }

    /// When it showed that, as a stamp of the present clock.
    pub fn stamp(self, shown: i64) -> Utc {
        self.utc + Millis(shown - self.shows)
    }

    /// How long ago it showed that. What it did not save before a crash counts as now.
    pub fn since(self, shown: i64) -> Millis {
        Millis((self.shows - shown).max(0))
    }
}

/// What it last showed; in a new journal it begins at `now`.
pub fn last(connection: &Connection, now: Utc) -> rusqlite::Result<i64> {
    let read = |column: &str| {
        connection.query_row(&format!("SELECT {column} FROM meter"), [], |row| row.get(0)).optional()
    };
    if let Some(shown) = read("shown_ms")? {
        return Ok(shown);
    }
    // A journal that can only be read was begun before.
    if !connection.is_readonly("main")? {
        connection.execute("INSERT INTO meter (begun_ms, shown_ms) VALUES (?1, ?1)", [now.0])?;
    }
    Ok(now.0)
}

/// Saves what it shows. It never goes back.
pub fn keep(connection: &Connection, shows: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE meter SET shown_ms = ?1 WHERE shown_ms < ?1")?.execute([shows])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_journal_goes_on_and_never_back() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        assert_eq!(last(&db, Utc(1000)).unwrap(), 1000);
        keep(&db, 1500).unwrap();
        keep(&db, 1200).unwrap();
        assert_eq!(last(&db, Utc(9_000_000)).unwrap(), 1500, "whatever the clock shows");
    }

    #[test]
    fn a_stamp_of_the_present_clock_and_what_it_shows_are_turned_into_each_other() {
        let meter = Meter { utc: Utc(90_000), shows: 1500 };
        assert_eq!(meter.shown_at(Utc(89_900)), 1400);
        assert_eq!(meter.stamp(1400), Utc(89_900));
        assert_eq!((meter.since(1400), meter.since(1600)), (Millis(100), Millis(0)));
    }
}
