//! How far telemetry was written to a time-series server, the second reader of its messages. They leave the
//! outbox when both have passed them. Without headquarters the word of this one stands for its own.

use super::{Identity, outbox};
pub use outbox::{Exported as Cursor, exported as cursor};
use rusqlite::{Connection, params};
use storewarden_proto::v1::Stream;

fn telemetry() -> i64 {
    i64::from(i32::from(Stream::Telemetry))
}

/// Begins a run of the agent: whether telemetry is to be written on. If it was not before, it is from what
/// headquarters has not acknowledged on; if it is no longer, what was kept for it goes.
pub fn begin(connection: &Connection, is_exported: bool) -> rusqlite::Result<()> {
    if is_exported {
        let acked = outbox::acked(connection, Stream::Telemetry)?.cast_signed();
        connection.execute("INSERT OR IGNORE INTO exported VALUES (?1, ?2, 0)", [telemetry(), acked])?;
    } else {
        connection.execute("DELETE FROM exported", [])?;
    }
    outbox::delete_passed(connection, Stream::Telemetry)
}

/// It is written up to `cursor`.
pub fn advance(connection: &Connection, identity: &Identity, cursor: Cursor) -> rusqlite::Result<()> {
    let Cursor { seq, readings } = cursor;
    connection
        .prepare_cached("UPDATE exported SET seq = ?2, readings = ?3 WHERE stream = ?1")?
        .execute(params![telemetry(), seq.cast_signed(), readings.cast_signed()])?;
    if !identity.reports {
        outbox::acknowledge(connection, Stream::Telemetry, seq)?;
    }
    outbox::delete_passed(connection, Stream::Telemetry)
}

#[cfg(test)]
mod tests {
    use super::outbox::{Budget, acknowledge, append, bound_telemetry, bytes, pending, rows_after};
    use super::*;
    use storewarden_proto::v1::envelope::Body;
    use storewarden_proto::v1::{Alert, Telemetry};
    use storewarden_rules::Utc;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    fn identity(reports: bool) -> Identity {
        Identity { chain: "kaixin".into(), store: "0042".into(), boot: 7, journal: 9, reports }
    }

    fn add(db: &Connection, reports: bool, count: usize) {
        for _ in 0..count {
            append(db, &identity(reports), Utc(1), Body::Telemetry(Telemetry::default())).unwrap();
        }
    }

    fn held(db: &Connection) -> Vec<u64> {
        rows_after(db, Stream::Telemetry, 0, 1000).unwrap().iter().map(|row| row.seq).collect()
    }

    fn to(seq: u64) -> Cursor {
        Cursor { seq, readings: 0 }
    }

    #[test]
    fn a_message_goes_when_both_have_passed_it() {
        let db = database();
        add(&db, true, 2);
        assert!(acknowledge(&db, Stream::Telemetry, 1).unwrap());
        begin(&db, true).unwrap();
        assert_eq!(cursor(&db).unwrap(), Some(to(1)), "it begins with what is there");
        add(&db, true, 4);
        assert!(acknowledge(&db, Stream::Telemetry, 5).unwrap());
        assert_eq!((held(&db), pending(&db).unwrap()), (vec![2, 3, 4, 5, 6], 1), "headquarters waits for 6");
        advance(&db, &identity(true), Cursor { seq: 3, readings: 7 }).unwrap();
        assert_eq!(held(&db), [4, 5, 6]);
        advance(&db, &identity(true), to(6)).unwrap();
        assert_eq!(held(&db), [6], "headquarters does not have it");
        assert!(acknowledge(&db, Stream::Telemetry, 6).unwrap());
        assert_eq!((held(&db), bytes(&db, Stream::Telemetry).unwrap()), (vec![], 0));
        // The next run goes on where this one was.
        add(&db, true, 1);
        begin(&db, true).unwrap();
        assert_eq!(cursor(&db).unwrap(), Some(to(6)));
        // Another has no time-series server any more.
        assert!(acknowledge(&db, Stream::Telemetry, 7).unwrap());
        assert_eq!(held(&db), [7]);
        begin(&db, false).unwrap();
        assert_eq!((held(&db), cursor(&db).unwrap()), (vec![], None));
    }

    #[test]
    fn without_headquarters_telemetry_alone_is_kept_and_only_for_a_time_series_server() {
        let db = database();
        begin(&db, false).unwrap();
        add(&db, false, 1);
        begin(&db, true).unwrap();
        add(&db, false, 3);
        append(&db, &identity(false), Utc(1), Body::Alert(Alert::default())).unwrap();
        assert_eq!((held(&db), pending(&db).unwrap()), (vec![1, 2, 3], 3));
        advance(&db, &identity(false), to(2)).unwrap();
        assert_eq!((held(&db), pending(&db).unwrap()), (vec![3], 1));
        // Headquarters that comes later is told that it never gets these.
        assert_eq!(outbox::acked(&db, Stream::Telemetry).unwrap(), 2);
    }

    #[test]
    fn the_budget_holds_whoever_lags_and_headquarters_is_told_of_what_it_lost_only() {
        let budget = Budget { messages: 20, bytes: u64::MAX };
        for acknowledged_at in [0, 1, 5] {
            let db = database();
            begin(&db, true).unwrap();
            for n in 1..=100 {
                add(&db, true, 1);
                if acknowledged_at > 0 && n % acknowledged_at == 0 {
                    assert!(acknowledge(&db, Stream::Telemetry, n).unwrap());
                }
                bound_telemetry(&db, &identity(true), Utc(1), budget).unwrap();
                assert!(held(&db).len() <= 20);
            }
            let gaps = rows_after(&db, Stream::Telemetry, 0, 1000).unwrap().into_iter().filter(|row| {
                use storewarden_proto::prost::Message as _;
                let envelope = storewarden_proto::v1::Envelope::decode(row.payload.as_slice()).unwrap();
                matches!(envelope.body, Some(Body::Gap(gap)) if gap.first_seq <= row.seq)
            });
            assert_eq!(gaps.count(), usize::from(acknowledged_at == 0), "{acknowledged_at}");
        }
    }
}
