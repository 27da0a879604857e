//! Telemetry on its way into the outbox. What was read in some seconds is a part; a message is made of parts
//! that follow each other. A crash loses what is in no part yet. What nobody read is told as a gap: from the
//! newest part of the run before to the start of this one, however that run ended.

use super::{Identity, outbox};
use crate::telemetry::{Part, READINGS_MAX, field, put_together};
use rusqlite::{Connection, OptionalExtension, params};
use storewarden_proto::v1::Stream;
use storewarden_rules::Utc;

/// What is added, and when.
#[derive(Clone, Debug)]
pub struct Addition {
    /// When this run began to read.
    pub started: Utc,
    /// Up to when the part holds everything that was read.
    pub now: Utc,
    /// What was read since the part before; none if nothing was.
    pub part: Option<Part>,
    /// Whether it is time for a message.
    pub closes: bool,
}

/// Adds a part, and makes a message of all there are when it is time or they are enough. Parts of the run
/// before, and the gap after them, become messages first.
pub fn add(connection: &Connection, identity: &Identity, added: &Addition) -> rusqlite::Result<()> {
    if !outbox::is_read(connection, identity, Stream::Telemetry)? {
        return Ok(());
    }
    let newest: Option<(i64, i64)> = connection
        .prepare_cached("SELECT boot, to_ms FROM telemetry_part ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let before = newest.map(|(boot, to_ms)| (boot.cast_unsigned(), Utc(to_ms)));
    if before.is_none_or(|(boot, _)| boot != identity.boot) {
        if let Some((boot, last)) = before {
            close(connection, &Identity { boot, ..identity.clone() }, added.now, None)?;
            // A clock that was set back does not turn the span around.
            let span = (last.min(added.started), added.started);
            outbox::append_loss(connection, identity, added.now, span)?;
        }
        begin_anew(connection, identity.boot, added.started)?;
    }
    let waiting: i64 = connection
        .prepare_cached("SELECT sum(readings) FROM telemetry_part")?
        .query_row([], |row| row.get(0))?;
    let waiting = usize::try_from(waiting).unwrap_or(READINGS_MAX);
    if added.closes || added.part.as_ref().is_some_and(|part| waiting + part.readings >= READINGS_MAX) {
        close(connection, identity, added.now, added.part.as_ref())?;
        begin_anew(connection, identity.boot, added.now)?;
    } else if let Some(part) = &added.part {
        let readings = i64::try_from(part.readings).unwrap_or(i64::MAX);
        insert(connection, identity.boot, added.now, readings, &part.packed)?;
    }
    Ok(())
}

/// After damage: what parts there were is not known, so all telemetry up to the next start is a gap.
pub fn forget(connection: &Connection) -> rusqlite::Result<()> {
    begin_anew(connection, 0, Utc(0))
}

/// Up to `to` everything is in messages.
fn begin_anew(connection: &Connection, boot: u64, to: Utc) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM telemetry_part")?.execute([])?;
    insert(connection, boot, to, 0, &[])
}

fn insert(connection: &Connection, boot: u64, to: Utc, readings: i64, packed: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO telemetry_part (boot, to_ms, readings, packed) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![boot.cast_signed(), to.0, readings, packed])?;
    Ok(())
}

/// Makes messages of the parts and `newest`: one, unless they are too much for it.
fn close(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    newest: Option<&Part>,
) -> rusqlite::Result<()> {
    let mut parts: Vec<Part> = connection
        .prepare_cached("SELECT readings, packed FROM telemetry_part WHERE readings > 0 ORDER BY id")?
        .query_map([], |row| {
            let readings = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(READINGS_MAX);
            Ok(Part { readings, packed: row.get(1)? })
        })?
        .collect::<Result<_, _>>()?;
    parts.extend(newest.cloned());
    let mut message: Vec<&Part> = Vec::new();
    for part in &parts {
        if message.iter().map(|part| part.readings).sum::<usize>() + part.readings > READINGS_MAX {
            send(connection, identity, now, &message)?;
            message.clear();
        }
        message.push(part);
    }
    send(connection, identity, now, &message)
}

/// Puts one message into the outbox.
fn send(connection: &Connection, identity: &Identity, now: Utc, parts: &[&Part]) -> rusqlite::Result<()> {
    let append = |packed: &[u8]| {
        outbox::append_encoded(connection, identity, now, Stream::Telemetry, &field(packed)).map(drop)
    };
    if parts.len() > 1 {
        match put_together(parts.iter().map(|part| part.packed.as_slice())) {
            Ok(packed) => return append(&packed),
            Err(error) => tracing::error!(%error, parts = parts.len(), "telemetry cannot be put together"),
        }
    }
    // One is a message as it is; and what cannot be read here, headquarters is to see.
    parts.iter().try_for_each(|part| append(&part.packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_proto::prost::Message;
    use storewarden_proto::telemetry::{pack, unpack};
    use storewarden_proto::v1::envelope::Body;
    use storewarden_proto::v1::{Envelope, Gap, Quality, QualityRun, Series};

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    fn identity(boot: u64) -> Identity {
        Identity { chain: "kaixin".into(), store: "0042".into(), boot, journal: 9, reports: true }
    }

    /// One reading of a point, or as many as are said.
    fn part(first_ms: i64, readings: usize) -> Part {
        let count = u32::try_from(readings).unwrap();
        let series = Series {
            device: "freezer".into(),
            point: "air_temperature".into(),
            unit: "°C".into(),
            first_ms,
            step_ms: vec![1; readings - 1],
            value: vec![-21.5; readings],
            quality: vec![QualityRun { quality: Quality::Good.into(), count, exception: 0 }],
        };
        Part { readings, packed: pack([&series]) }
    }

    /// What waits for headquarters: of each message its boot, and its gap or the times of its readings.
    fn outbox(db: &Connection) -> Vec<(u64, Result<Vec<i64>, Gap>)> {
        let rows = outbox::rows_after(db, Stream::Telemetry, 0, 100).unwrap();
        let told = |payload: &[u8]| {
            let envelope = Envelope::decode(payload).unwrap();
            let Some(Body::Telemetry(telemetry)) = envelope.body else {
                let Some(Body::Gap(gap)) = envelope.body else { panic!("{:?}", envelope.body) };
                return (envelope.boot, Err(gap));
            };
            let [series] = unpack(&telemetry.packed).unwrap().try_into().unwrap();
            let mut at = series.first_ms;
            let later = series.step_ms.iter().map(|step| {
                at += step;
                at
            });
            (envelope.boot, Ok(std::iter::once(series.first_ms).chain(later).collect()))
        };
        rows.iter().map(|row| told(&row.payload)).collect()
    }

    fn read(db: &Connection, boot: u64, times: (i64, i64), part: Option<Part>, closes: bool) {
        let (started, now) = (Utc(times.0), Utc(times.1));
        add(db, &identity(boot), &Addition { started, now, part, closes }).unwrap();
    }

    #[test]
    fn a_crash_loses_what_is_in_no_part_and_says_so() {
        let db = database();
        read(&db, 1, (100, 110), Some(part(105, 1)), false);
        read(&db, 1, (100, 120), Some(part(115, 1)), false);
        assert_eq!(outbox(&db), [], "a first start is no gap, and it is not time yet");
        read(&db, 1, (100, 130), Some(part(125, 1)), true);
        read(&db, 1, (100, 140), Some(part(135, 1)), false);
        read(&db, 1, (100, 150), Some(part(145, 1)), false);
        // The crash: what was read after 150 is in no part.
        read(&db, 2, (500, 500), None, false);
        read(&db, 2, (500, 510), Some(part(505, 1)), false);
        let gap = Gap { first_seq: 3, from_ms: 150, to_ms: 500 };
        let expected = [(1, Ok(vec![105, 115, 125])), (1, Ok(vec![135, 145])), (2, Err(gap))];
        assert_eq!(outbox(&db), expected);
        read(&db, 2, (500, 520), None, true);
        assert_eq!(outbox(&db)[3..], [(2, Ok(vec![505]))]);
    }

    #[test]
    fn time_that_nobody_read_is_told_after_an_orderly_stop_too_whatever_the_clock_says() {
        let db = database();
        read(&db, 1, (100, 110), Some(part(105, 1)), true);
        read(&db, 2, (500, 500), None, false);
        read(&db, 3, (90, 90), None, false);
        let gap = |first_seq, from_ms, to_ms| Err(Gap { first_seq, from_ms, to_ms });
        assert_eq!(outbox(&db)[1..], [(2, gap(2, 110, 500)), (3, gap(3, 90, 90))]);
    }

    #[test]
    fn parts_that_are_too_much_for_one_message_make_more() {
        let db = database();
        let half = READINGS_MAX / 2 + 1;
        read(&db, 1, (0, 10), Some(part(0, half)), false);
        read(&db, 1, (0, 20), Some(part(100_000, half)), false);
        let lengths = outbox(&db).into_iter().map(|(_, told)| told.unwrap().len()).collect::<Vec<_>>();
        assert_eq!(lengths, [half, half], "at once, and neither is above the limit");
        read(&db, 1, (0, 30), Some(part(200_000, 1)), false);
        assert_eq!(outbox(&db).len(), 2);
    }

    #[test]
    fn what_cannot_be_put_together_is_sent_as_it_is() {
        let db = database();
        read(&db, 1, (0, 10), Some(part(0, 1)), false);
        read(&db, 1, (0, 20), Some(Part { readings: 1, packed: b"nonsense".to_vec() }), false);
        read(&db, 1, (0, 30), None, true);
        let rows = outbox::rows_after(&db, Stream::Telemetry, 0, 100).unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows[1].payload.ends_with(b"nonsense"));
    }

    #[test]
    fn after_damage_all_up_to_the_start_is_a_gap() {
        let db = database();
        read(&db, 1, (100, 110), Some(part(105, 1)), false);
        forget(&db).unwrap();
        read(&db, 2, (500, 500), None, false);
        assert_eq!(outbox(&db), [(2, Err(Gap { first_seq: 1, from_ms: 0, to_ms: 500 }))]);
    }
}
