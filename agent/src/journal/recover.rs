//! What can be read of a damaged journal is taken over into a new one.
//!
//! Each table is read from both ends up to where it is damaged. The new journal goes by the old one's id
//! only if no number could be given twice and none is missing: the numbers of the streams and of the alarms
//! are whole, and so are the messages that are never dropped. Telemetry that is missing becomes gaps.
//! Otherwise it has an id of its own, and what was found in the outbox is numbered anew.

use super::{Identity, audit, id, open_read_only, outbox, prepare, random_id, telemetry};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::path::Path;
use storewarden_proto::prost::Message;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Envelope, Gap, Stream};
use storewarden_rules::Utc;

/// Tables that are taken over row by row, with what orders their rows.
const TABLES: [(&str, &[&str]); 20] = [
    ("boot", &["boot"]),
    ("meter", &["begun_ms"]),
    ("alarm", &["device", "condition"]),
    ("alarm_history", &["id"]),
    ("repair", &["id"]),
    ("service", &["device"]),
    ("inspection", &["id"]),
    ("learnt", &["device"]),
    ("device", &["device"]),
    ("command", &["id"]),
    ("price_batch", &["accepted_order"]),
    ("price_time", &["at_ms"]),
    ("key_list", &["version"]),
    ("label", &["label"]),
    ("binding", &["label"]),
    ("out_of_stock", &["item"]),
    ("audit", &["id"]),
    ("stream", &["stream"]),
    ("exported", &["stream"]),
    ("telemetry_part", &["id"]),
];

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Rows taken over.
    pub rows: u64,
    /// Messages that headquarters had not acknowledged and that could not be read; telemetry among them.
    pub messages_lost: u64,
    /// Tables of which some rows could not be read.
    pub damaged: Vec<&'static str>,
    /// Whether the new journal goes by the old one's id.
    pub has_old_id: bool,
}

/// Makes a journal at `fresh`, where nothing is, of what can be read of the one at `path`. That one is only
/// read.
///
/// # Errors
/// Those of the new file. What cannot be read of the old one is none.
pub fn recover(path: &Path, fresh: &Path, names: &Identity, now: Utc) -> rusqlite::Result<Recovered> {
    let mut to = prepare(fresh)?;
    let mut recovered = Recovered::default();
    if let Ok(from) = open_read_only(path)
        && let Some(old_id) = id(&from)
    {
        let transaction = to.transaction()?;
        take_over(&from, &transaction, old_id, names, now, &mut recovered)?;
        transaction.commit()?;
    }
    // Closing brings everything into the one file.
    to.close().map_err(|(_, error)| error)?;
    Ok(recovered)
}

fn take_over(
    from: &Connection,
    to: &Connection,
    old_id: u64,
    names: &Identity,
    now: Utc,
    recovered: &mut Recovered,
) -> rusqlite::Result<()> {
    for (table, key) in TABLES {
        let mut insert = None;
        let is_whole = read_from_both_ends(from, table, key, |row| {
            let values = values(row)?;
            let insert = match &mut insert {
                Some(insert) => insert,
                none => {
                    let marks = vec!["?"; values.len()].join(", ");
                    none.insert(to.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?)
                }
            };
            // What the columns do not take was damaged without a sign.
            recovered.rows += insert.execute(params_from_iter(values)).unwrap_or(0) as u64;
            Ok(())
        });
        if !is_whole {
            recovered.damaged.push(table);
        }
    }
    if recovered.damaged.contains(&"telemetry_part") {
        telemetry::forget(to)?;
    }
    // Counted anew by the triggers.
    to.execute("UPDATE stream SET bytes = 0", [])?;
    let mut insert = to.prepare("INSERT OR IGNORE INTO outbox VALUES (?1, ?2, ?3, ?4)")?;
    let is_whole = read_from_both_ends(from, "outbox", &["stream", "seq"], |row| {
        let (stream, seq): (i32, i64) = (row.get(0)?, row.get(1)?);
        let (committed_ms, payload): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let of_row = |envelope: &Envelope| envelope.stream == stream && envelope.seq == seq.cast_unsigned();
        if Envelope::decode(payload.as_slice()).is_ok_and(|envelope| of_row(&envelope)) {
            recovered.rows += insert.execute(params![stream, seq, committed_ms, payload])? as u64;
        }
        Ok(())
    });
    if !is_whole {
        recovered.damaged.push("outbox");
    }
    let numbers_are_whole = !recovered.damaged.contains(&"stream") && !recovered.damaged.contains(&"alarm");
    let mut missing = Vec::new();
    for stream in outbox::STREAMS {
        missing.extend(holes(to, stream)?.into_iter().map(|hole| (stream, hole)));
    }
    recovered.messages_lost = missing.iter().map(|(_, (first, last))| last + 1 - first).sum();
    recovered.has_old_id =
        numbers_are_whole && missing.iter().all(|(stream, _)| *stream == Stream::Telemetry);
    let journal = if recovered.has_old_id { old_id } else { random_id() };
    let identity = Identity { journal, ..names.clone() };
    to.execute("UPDATE identity SET journal = ?1", [journal.cast_signed()])?;
    if recovered.has_old_id {
        for (stream, (first_seq, last)) in missing {
            let body = Some(Body::Gap(Gap { first_seq, from_ms: 0, to_ms: now.0 }));
            let (stream, committed_ms) = (i32::from(stream), now.0);
            put(to, &Envelope { seq: last, committed_ms, body, ..envelope(&identity, stream) })?;
        }
    } else {
        number_anew(to, journal)?;
    }
    let Recovered { rows, messages_lost, damaged, .. } = &*recovered;
    let detail =
        format!("{rows} rows taken over; {messages_lost} messages lost; damaged: {}", damaged.join(", "));
    audit::append(to, now, "agent", "journal-damaged", &detail)
}

fn envelope(identity: &Identity, stream: i32) -> Envelope {
    Envelope {
        chain: identity.chain.clone(),
        store: identity.store.clone(),
        boot: identity.boot,
        journal: identity.journal,
        stream,
        ..Envelope::default()
    }
}

fn put(to: &Connection, envelope: &Envelope) -> rusqlite::Result<()> {
    to.prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        envelope.stream,
        envelope.seq.cast_signed(),
        envelope.committed_ms,
        envelope.encode_to_vec()
    ])?;
    Ok(())
}

/// Numbers the messages of each stream from 1, in their order, as those of `journal`. Telemetry that
/// headquarters has, and a time-series server not, is given up: it would be told there twice.
fn number_anew(to: &Connection, journal: u64) -> rusqlite::Result<()> {
    to.execute("DELETE FROM exported", [])?;
    for stream in outbox::STREAMS {
        outbox::delete_passed(to, stream)?;
    }
    for stream in outbox::STREAMS {
        let lane = i32::from(stream);
        let mut last = 0;
        // The stream may be unknown where its numbers could not be read; its bytes are counted from here.
        to.execute("INSERT OR REPLACE INTO stream (stream, last, acked) VALUES (?1, 0, 0)", [lane])?;
        for old in numbers(to, stream)? {
            let payload: Vec<u8> = to
                .prepare_cached("SELECT payload FROM outbox WHERE stream = ?1 AND seq = ?2")?
                .query_row(params![lane, old], |row| row.get(0))?;
            to.prepare_cached("DELETE FROM outbox WHERE stream = ?1 AND seq = ?2")?
                .execute(params![lane, old])?;
            let Ok(mut envelope) = Envelope::decode(payload.as_slice()) else { continue };
            last += 1;
            (envelope.seq, envelope.journal) = (last, journal);
            // What a gap stood for has no numbers here: it is its own alone.
            if let Some(Body::Gap(gap)) = &mut envelope.body {
                gap.first_seq = last;
            }
            put(to, &envelope)?;
        }
        to.execute(
            "UPDATE stream SET last = ?2, bytes =
             coalesce((SELECT sum(length(payload)) FROM outbox WHERE stream = ?1), 0) WHERE stream = ?1",
            params![lane, last.cast_signed()],
        )?;
    }
    Ok(())
}

/// The numbers of `stream` in the outbox, in order.
fn numbers(to: &Connection, stream: Stream) -> rusqlite::Result<Vec<i64>> {
    to.prepare_cached("SELECT seq FROM outbox WHERE stream = ?1 ORDER BY seq")?
        .query_map([i32::from(stream)], |row| row.get(0))?
        .collect()
}

/// Numbers of `stream` that were given out, are not acknowledged, and are neither here nor in a gap: first
/// and last of each run.
fn holes(to: &Connection, stream: Stream) -> rusqlite::Result<Vec<(u64, u64)>> {
    let known: Option<(i64, i64)> = to
        .query_row("SELECT acked, last FROM stream WHERE stream = ?1", [i32::from(stream)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((acked, last)) = known else { return Ok(Vec::new()) };
    let (mut next, last) = (acked.cast_unsigned() + 1, last.cast_unsigned());
    let mut holes = Vec::new();
    let mut statement =
        to.prepare("SELECT seq, payload FROM outbox WHERE stream = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut rows = statement.query([i64::from(i32::from(stream)), acked])?;
    while let Some(row) = rows.next()? {
        let (seq, payload): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let seq = seq.cast_unsigned();
        let first = match Envelope::decode(payload.as_slice()).ok().and_then(|envelope| envelope.body) {
            Some(Body::Gap(gap)) => gap.first_seq.min(seq),
            _ => seq,
        };
        if first > next {
            holes.push((next, first - 1));
        }
        next = seq + 1;
    }
    if next <= last {
        holes.push((next, last));
    }
    Ok(holes)
}

/// Reads a table from its beginning, and from its end if it is damaged between. Returns whether it is whole.
/// Rows may come twice.
fn read_from_both_ends(
    from: &Connection,
    table: &str,
    key: &[&str],
    mut read: impl FnMut(&Row) -> rusqlite::Result<()>,
) -> bool {
    [" ASC", " DESC"].into_iter().enumerate().any(|(turn, direction)| {
        let order = key.iter().map(|column| format!("{column}{direction}")).collect::<Vec<_>>().join(", ");
        let mut all = || -> rusqlite::Result<()> {
            let mut statement = from.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                read(row)?;
            }
            Ok(())
        };
        all().is_ok() && turn == 0
    })
}

fn values(row: &Row) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new table must not be forgotten here. Left out: the journal's own name, messages, which are taken over one
    /// by one, and what labels keep on their other page, which may have changed since: unknown, it is sent anew.
    #[test]
    fn every_table_is_taken_over_or_left_out_for_a_reason() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let left: Vec<_> = names
            .map(Result::unwrap)
            .filter(|name| !name.starts_with("sqlite_") && !TABLES.iter().any(|(known, _)| known == name))
            .collect();
        assert_eq!(left, ["identity", "outbox", "label_page"]);
    }
}
