//! The outbox: messages headquarters has not acknowledged yet.
//!
//! A message gets its number and its bytes in the transaction of the fact it tells, and leaves the
//! outbox only when headquarters acknowledged that number; telemetry, only when it is exported too.

use super::Identity;
use rusqlite::{Connection, OptionalExtension, params};
use storewarden_proto::prost::Message;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Envelope, Gap, Stream};
use storewarden_rules::Utc;

/// Every stream, the one that overtakes the others first.
pub const STREAMS: [Stream; 4] =
    [Stream::Alert, Stream::PriceResult, Stream::CommandResult, Stream::Telemetry];

/// A message as it will travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its stream.
    pub stream: Stream,
    /// Its number in that stream.
    pub seq: u64,
    /// The encoded envelope.
    pub payload: Vec<u8>,
}

/// Which stream a message belongs to.
fn stream_of(body: &Body) -> Stream {
    match body {
        Body::Alert(_) => Stream::Alert,
        Body::BatchOutcome(_) | Body::LabelShown(_) | Body::LabelsShown(_) => Stream::PriceResult,
        Body::CommandOutcome(_) => Stream::CommandResult,
        Body::Telemetry(_) | Body::Gap(_) => Stream::Telemetry,
    }
}

/// Adds a message and returns its number; 0, and nothing is done, if there is nobody to tell.
pub fn append(connection: &Connection, identity: &Identity, now: Utc, body: Body) -> rusqlite::Result<u64> {
    append_encoded(connection, identity, now, stream_of(&body), &encoded(&body))
}

/// As [`append`], of a body of `stream` that is encoded already: one field of an envelope.
pub fn append_encoded(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    stream: Stream,
    body: &[u8],
) -> rusqlite::Result<u64> {
    if !is_read(connection, identity, stream)? {
        return Ok(0);
    }
    let seq: i64 = connection
        .prepare_cached(
            "INSERT INTO stream (stream, last, acked) VALUES (?1, 1, 0)
             ON CONFLICT (stream) DO UPDATE SET last = last + 1 RETURNING last",
        )?
        .query_row([i32::from(stream)], |row| row.get(0))?;
    write(connection, identity, now, stream, seq, body)?;
    Ok(seq.cast_unsigned())
}

/// What of telemetry a time-series server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// All messages up to this number,
    pub seq: u64,
    /// and of the next so many readings.
    pub readings: u64,
}

/// How far telemetry is written to a time-series server; none if it is not.
pub fn exported(connection: &Connection) -> rusqlite::Result<Option<Exported>> {
    connection
        .prepare_cached("SELECT seq, readings FROM exported WHERE stream = ?1")?
        .query_row([i32::from(Stream::Telemetry)], |row| {
            let (seq, readings): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Exported { seq: seq.cast_unsigned(), readings: readings.cast_unsigned() })
        })
        .optional()
}

/// Whether anybody takes messages of `stream`.
pub fn is_read(connection: &Connection, identity: &Identity, stream: Stream) -> rusqlite::Result<bool> {
    Ok(identity.reports || stream == Stream::Telemetry && exported(connection)?.is_some())
}

/// Tells headquarters that telemetry of that time was never given a number.
pub fn append_loss(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    (from, to): (Utc, Utc),
) -> rusqlite::Result<()> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT last FROM stream WHERE stream = ?1")?
        .query_row([i32::from(Stream::Telemetry)], |row| row.get(0))
        .optional()?;
    // The gap is its own number alone.
    let first_seq = last.unwrap_or(0).cast_unsigned() + 1;
    let gap = Gap { first_seq, from_ms: from.0, to_ms: to.0 };
    append(connection, identity, now, Body::Gap(gap)).map(drop)
}

fn encoded(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.encoded_len());
    body.encode(&mut bytes);
    bytes
}

fn write(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    stream: Stream,
    seq: i64,
    body: &[u8],
) -> rusqlite::Result<()> {
    let envelope = Envelope {
        chain: identity.chain.clone(),
        store: identity.store.clone(),
        boot: identity.boot,
        stream: stream.into(),
        seq: seq.cast_unsigned(),
        journal: identity.journal,
        committed_ms: now.0,
        body: None,
    };
    // A message is its fields in any order, one after the other.
    let payload = [envelope.encode_to_vec().as_slice(), body].concat();
    connection.prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        i32::from(stream),
        seq,
        now.0,
        payload
    ])?;
    Ok(())
}

/// Up to `limit` messages of `stream` numbered above `after`, in order.
pub fn rows_after(
    connection: &Connection,
    stream: Stream,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT seq, payload FROM outbox WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )?
        .query_map(params![i32::from(stream), after.cast_signed(), limit], |row| {
            Ok(Row { stream, seq: row.get::<_, i64>(0)?.cast_unsigned(), payload: row.get(1)? })
        })?
        .collect()
}

/// Headquarters has committed everything of `stream` up to `seq`. False, and nothing is done, if such a
/// number was never given out: the acknowledgement is of another life of this journal.
pub fn acknowledge(connection: &Connection, stream: Stream, seq: u64) -> rusqlite::Result<bool> {
    let seq = seq.cast_signed();
    let known = connection
        .prepare_cached("UPDATE stream SET acked = max(acked, ?2) WHERE stream = ?1 AND last >= ?2")?
        .execute(params![i32::from(stream), seq])?;
    if known == 0 {
        return Ok(false);
    }
    delete_passed(connection, stream)?;
    Ok(true)
}

/// Removes the messages of `stream` that everybody has who reads it.
pub(super) fn delete_passed(connection: &Connection, stream: Stream) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM outbox WHERE stream = ?1 AND seq <=
             (SELECT min(acked, coalesce((SELECT seq FROM exported WHERE stream = ?1), acked))
              FROM stream WHERE stream = ?1)",
        )?
        .execute([i32::from(stream)])?;
    Ok(())
}

/// Highest acknowledged number of `stream`.
pub fn acked(connection: &Connection, stream: Stream) -> rusqlite::Result<u64> {
    let acked: Option<i64> = connection
        .prepare_cached("SELECT acked FROM stream WHERE stream = ?1")?
        .query_row([i32::from(stream)], |row| row.get(0))
        .optional()?;
    Ok(acked.unwrap_or(0).cast_unsigned())
}

/// How many messages wait to be acknowledged: numbers are without holes from the first held to the last
/// given out, so that nothing is counted.
pub fn pending(connection: &Connection) -> rusqlite::Result<u64> {
    let of = |stream| -> rusqlite::Result<u64> {
        let Some((first, last)) = held(connection, stream)? else { return Ok(0) };
        Ok((last + 1).saturating_sub(first.max(acked(connection, stream)? + 1)))
    };
    STREAMS.iter().map(|stream| of(*stream)).sum()
}

/// Bytes of the messages of `stream` in the outbox.
pub fn bytes(connection: &Connection, stream: Stream) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = connection
        .prepare_cached("SELECT bytes FROM stream WHERE stream = ?1")?
        .query_row([i32::from(stream)], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or(0).cast_unsigned())
}

/// First and last number of `stream` in the outbox.
fn held(connection: &Connection, stream: Stream) -> rusqlite::Result<Option<(u64, u64)>> {
    let bounds = |end: &str| -> rusqlite::Result<Option<i64>> {
        connection
            .prepare_cached(&format!("SELECT {end}(seq) FROM outbox WHERE stream = ?1"))?
            .query_row([i32::from(stream)], |row| row.get(0))
    };
    let (first, last) = (bounds("min")?, bounds("max")?);
    Ok(first.zip(last).map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned())))
}

/// What telemetry may take while headquarters, or the time-series server, is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of its messages.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// Keeps telemetry within its budget: when there is more, the oldest quarter gives way to one message that
/// says so. Other streams are never dropped. Returns how many were dropped.
pub fn bound_telemetry(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    budget: Budget,
) -> rusqlite::Result<u64> {
    let Some((first, newest)) = held(connection, Stream::Telemetry)? else { return Ok(0) };
    let count = newest + 1 - first;
    if count <= budget.messages && (bytes(connection, Stream::Telemetry)? <= budget.bytes || count <= 1) {
        return Ok(0);
    }
    let stream = i64::from(i32::from(Stream::Telemetry));
    let last = (first + (count / 4).max(1)).min(newest).cast_signed();
    // An earlier gap at the front is swallowed: it began after the last acknowledged number.
    let acked = acked(connection, Stream::Telemetry)?.cast_signed();
    let (from_ms, to_ms): (i64, i64) = connection
        .prepare_cached(
            "SELECT min(committed_ms), max(committed_ms) FROM outbox WHERE stream = ?1 AND seq <= ?2",
        )?
        .query_row([stream, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let dropped = connection
        .prepare_cached("DELETE FROM outbox WHERE stream = ?1 AND seq <= ?2")?
        .execute([stream, last])?;
    // Headquarters misses none of what it has acknowledged.
    if last <= acked {
        return Ok(dropped as u64);
    }
    let gap = Gap { first_seq: (acked + 1).cast_unsigned(), from_ms, to_ms };
    write(connection, identity, now, Stream::Telemetry, last, &encoded(&Body::Gap(gap)))?;
    Ok(dropped as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_proto::v1::{Alert, Telemetry};

    fn identity() -> Identity {
        Identity { chain: "kaixin".into(), store: "0042".into(), boot: 7, journal: 9, reports: true }
    }

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    fn alert() -> Body {
        Body::Alert(Alert::default())
    }

    #[test]
    fn numbers_rise_by_one_per_stream_and_survive_acknowledgement() {
        let db = database();
        let add = |body| append(&db, &identity(), Utc(1), body).unwrap();
        assert_eq!((add(alert()), add(alert()), add(Body::Telemetry(Telemetry::default()))), (1, 2, 1));
        assert!(acknowledge(&db, Stream::Alert, 2).unwrap());
        assert_eq!(add(alert()), 3, "an empty outbox does not begin again at 1");
        assert!(acknowledge(&db, Stream::Alert, 1).unwrap());
        assert_eq!(acked(&db, Stream::Alert).unwrap(), 2, "an old acknowledgement takes nothing back");
        assert!(!acknowledge(&db, Stream::Alert, 99).unwrap(), "one of another life is none");
        assert_eq!(pending(&db).unwrap(), 2);
    }

    #[test]
    fn the_payload_names_itself() {
        let db = database();
        append(&db, &identity(), Utc(5), alert()).unwrap();
        let row = rows_after(&db, Stream::Alert, 0, 10).unwrap().remove(0);
        let envelope = Envelope::decode(row.payload.as_slice()).unwrap();
        assert_eq!((envelope.seq, envelope.boot, envelope.journal, envelope.committed_ms), (1, 7, 9, 5));
        assert_eq!(envelope.stream(), Stream::Alert);
    }

    #[test]
    fn telemetry_gives_way_oldest_first_and_leaves_a_gap_but_alerts_never_do() {
        let db = database();
        for n in 0..100 {
            append(&db, &identity(), Utc(n), Body::Telemetry(Telemetry::default())).unwrap();
            append(&db, &identity(), Utc(n), alert()).unwrap();
            bound_telemetry(&db, &identity(), Utc(n), Budget { messages: 20, bytes: u64::MAX }).unwrap();
        }
        let telemetry = rows_after(&db, Stream::Telemetry, 0, 1000).unwrap();
        assert!(telemetry.len() <= 20 && telemetry.len() >= 15, "{}", telemetry.len());
        assert_eq!(rows_after(&db, Stream::Alert, 0, 1000).unwrap().len(), 100);
        let rows: i64 = db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap();
        assert_eq!(pending(&db).unwrap(), rows.cast_unsigned(), "also behind a gap");
        let mut expected_next = 1;
        for row in telemetry {
            let first = match Envelope::decode(row.payload.as_slice()).unwrap().body.unwrap() {
                Body::Gap(gap) => gap.first_seq,
                _ => row.seq,
            };
            assert_eq!(first, expected_next, "every number is there or inside a gap");
            expected_next = row.seq + 1;
        }
        assert_eq!(expected_next, 101);
    }

    #[test]
    fn telemetry_stays_within_its_bytes_whatever_the_size_of_a_message() {
        let db = database();
        let budget = Budget { messages: u64::MAX, bytes: 100_000 };
        let sizes = [10, 4_000, 100, 90_000, 20_000, 200_000, 1_000];
        for n in 0..200_i64 {
            let body = vec![0; sizes[usize::try_from(n).unwrap() % sizes.len()]];
            append_encoded(&db, &identity(), Utc(n), Stream::Telemetry, &body).unwrap();
            append(&db, &identity(), Utc(n), alert()).unwrap();
            while bound_telemetry(&db, &identity(), Utc(n), budget).unwrap() > 0 {}
            let sum = "SELECT sum(length(payload)) FROM outbox WHERE stream = ?1";
            let held: i64 = db.query_row(sum, [i32::from(Stream::Telemetry)], |row| row.get(0)).unwrap();
            assert_eq!(held.cast_unsigned(), bytes(&db, Stream::Telemetry).unwrap());
            assert!(held <= 100_000, "{held}");
        }
        assert_eq!(rows_after(&db, Stream::Alert, 0, 1000).unwrap().len(), 200);
    }
}
