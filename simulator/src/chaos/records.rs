//! What was written down while the rig ran: by the simulator, the journal and headquarters. The only
//! file that reads any of it.

use super::fields::{fields, number_of, text_of};
use super::known::{Change, Excursion};
use super::prices::{self, Batch, Claim, Shown};
use super::store::KEY;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// States by their number in the contract (`AlarmState`).
const STATES: [&str; 9] = [
    "unspecified",
    "normal",
    "active_unacknowledged",
    "active_acknowledged",
    "returned_unacknowledged",
    "latched",
    "shelved",
    "suppressed_by_design",
    "out_of_service",
];

/// Between the columns and between the rows of what `psql` prints: what no text holds.
const COLUMN: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// A database that is only read.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// The folder of the server's socket; user and database are called `storewarden`.
    Postgres(PathBuf),
}

impl Database {
    /// The rows of a question, each value as text; none is empty, bytes are hex.
    pub fn rows(&self, sql: &str) -> io::Result<Vec<Vec<String>>> {
        match self {
            Self::Sqlite(path) => {
                sqlite(path, sql).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
            }
            Self::Postgres(socket) => psql(socket, sql),
        }
    }

    /// One number; 0 if there is none.
    fn number(&self, sql: &str) -> io::Result<i64> {
        let rows = self.rows(sql)?;
        let text = rows.first().and_then(|row| row.first()).map_or("", String::as_str);
        if text.is_empty() { Ok(0) } else { text.parse().map_err(io::Error::other) }
    }
}

fn sqlite(path: &Path, sql: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(10))?;
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => String::new(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                })
            })
            .collect()
    })?;
    rows.collect()
}

/// The program of the distribution: nothing of ours stands between the database and the judge.
fn psql(socket: &Path, sql: &str) -> io::Result<Vec<Vec<String>>> {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", &COLUMN.to_string()]);
    psql.args(["-R", &ROW.to_string(), "-U", "storewarden", "-d", "storewarden", "-c", sql, "-h"]);
    let output = psql.arg(socket).env("PGCONNECT_TIMEOUT", "10").output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    let text = text.trim_end_matches('\n');
    let value = |value: &str| value.strip_prefix("\\x").unwrap_or(value).to_owned();
    let row = |row: &str| row.split(COLUMN).map(value).collect();
    Ok(if text.is_empty() { Vec::new() } else { text.split(ROW).map(row).collect() })
}

/// The columns of a change after its number, in journal and headquarters alike.
const CHANGE: &str = "alarm, device, condition, state, at_ms, since_ms, cause, by, escalation";

/// Rows of a number and a change. A state is a name in the journal and a number at headquarters.
fn changes(rows: &[Vec<String>]) -> io::Result<Vec<(i64, Change)>> {
    let change = |row: &Vec<String>| {
        let [number, alarm, device, condition, state, at_ms, since_ms, cause, by, escalation] = &row[..]
        else {
            return Err(io::Error::other(format!("{} columns of a change", row.len())));
        };
        let int = |text: &String| text.parse::<i64>().map_err(io::Error::other);
        let named = state.parse().ok().and_then(|number: usize| STATES.get(number));
        let change = Change {
            alarm: int(alarm)?,
            device: device.clone(),
            condition: condition.clone(),
            state: named.map_or_else(|| state.clone(), |state| (*state).to_owned()),
            at_ms: int(at_ms)?,
            since_ms: int(since_ms)?,
            cause: cause.clone(),
            by: by.clone(),
            escalation: int(escalation)?,
        };
        Ok((int(number)?, change))
    };
    rows.iter().map(change).collect()
}

/// The alarm changes of a journal, copied while it runs: it keeps the newest 10,000.
#[derive(Debug, Default)]
pub struct History {
    /// In order, from the first.
    pub changes: Vec<Change>,
}

impl History {
    /// Copies what is new. An error if it cannot be read now, or if something was forgotten before it
    /// was copied.
    pub fn copy(&mut self, journal: &Database) -> io::Result<()> {
        let known = self.changes.len();
        let sql = format!("SELECT id, {CHANGE} FROM alarm_history WHERE id > {known} ORDER BY id");
        for (number, change) in changes(&journal.rows(&sql)?)? {
            if usize::try_from(number).ok() != Some(self.changes.len() + 1) {
                return Err(io::Error::other(format!(
                    "the journal has forgotten alarm change {} before it was copied",
                    self.changes.len() + 1
                )));
            }
            self.changes.push(change);
        }
        Ok(())
    }
}

/// The alert stream, that of price results, and that of telemetry.
pub const ALERTS: i64 = 1;
/// See [`ALERTS`].
pub const PRICES: i64 = 2;
/// See [`ALERTS`].
pub const TELEMETRY: i64 = 4;

/// Last number of `stream` that the journal gave out.
pub fn last_number(journal: &Database, stream: i64) -> io::Result<i64> {
    journal.number(&format!("SELECT max(last) FROM stream WHERE stream = {stream}"))
}

/// Up to which number of `stream` headquarters has all.
pub fn complete_to(hq: &Database, stream: i64) -> io::Result<i64> {
    hq.number(&format!("SELECT max(seq) FROM contiguous WHERE stream = {stream}"))
}

/// Labels whose result was not put into a message yet, or is not certain.
pub fn untold(journal: &Database) -> io::Result<i64> {
    journal.number("SELECT count(*) FROM label WHERE untold IS NOT NULL OR proof IS NULL OR proof = 'queued'")
}

/// First number of telemetry that waits in the journal, if any does.
pub fn first_waiting(journal: &Database) -> io::Result<Option<i64>> {
    let first = journal.number(&format!("SELECT min(seq) FROM outbox WHERE stream = {TELEMETRY}"))?;
    Ok((first > 0).then_some(first))
}

/// Reads what was written down of prices but by the simulator, which gives `shown`.
pub fn read_prices(journal: &Database, hq: &Database, shown: Vec<Shown>) -> io::Result<prices::Records> {
    let last = last_number(journal, PRICES)?;
    let sql = format!("SELECT payload FROM message WHERE stream = {PRICES} ORDER BY seq");
    let messages = hq.rows(&sql)?;
    let mut claims = Vec::new();
    for row in &messages {
        let envelope = bytes(&row[0])?;
        for claim in labels_shown(&envelope)? {
            let claim = fields(claim)?;
            let image = claim.iter().find(|(id, _)| *id == 6).map_or(&[][..], |(_, image)| image.bytes());
            claims.push(Claim {
                label: number_of_label(&text_of(&claim, 1)),
                item: number_of_label(&text_of(&claim, 2)),
                price: number_of(&claim, 3).cast_signed(),
                image: image.iter().map(|byte| format!("{byte:02x}")).collect(),
                proof: number_of(&claim, 7),
                at_ms: number_of(&claim, 8).cast_signed(),
            });
        }
    }
    let mut accepted = Vec::new();
    for row in journal.rows("SELECT signed FROM price_batch ORDER BY accepted_order")? {
        accepted.extend(prices_of(&bytes(&row[0])?)?);
    }
    let refused = journal.number("SELECT count(*) FROM audit WHERE what = 'price-batch-refused'")?;
    Ok(prices::Records {
        shown,
        claims,
        batches: batches(hq)?,
        accepted,
        refused: usize::try_from(refused).map_err(io::Error::other)?,
        missing: usize::try_from(last).map_err(io::Error::other)?.saturating_sub(messages.len()),
    })
}

/// The labels that a message tells of.
fn labels_shown(envelope: &[u8]) -> io::Result<Vec<&[u8]>> {
    let mut shown = Vec::new();
    for (_, body) in fields(envelope)?.iter().filter(|(id, _)| *id == 22) {
        shown.extend(fields(body.bytes())?.iter().filter(|(id, _)| *id == 1).map(|(_, label)| label.bytes()));
    }
    Ok(shown)
}

/// The queue of headquarters.
pub fn batches(hq: &Database) -> io::Result<Vec<Batch>> {
    let sql =
        "SELECT payload, CASE WHEN accepted IS NULL THEN '' WHEN accepted THEN 'yes' ELSE 'no' END, reason
               FROM batch JOIN batch_store ON batch_store.digest = batch.digest ORDER BY created_ms";
    let batch = |row: &Vec<String>| {
        let accepted = (!row[1].is_empty()).then(|| row[1] == "yes");
        Ok(Batch { prices: prices_of(&bytes(&row[0])?)?, accepted, reason: row[2].clone() })
    };
    hq.rows(sql)?.iter().map(batch).collect()
}

/// The prices of a signed batch, in minor units.
fn prices_of(signed: &[u8]) -> io::Result<Vec<i64>> {
    let mut all = Vec::new();
    for (_, batch) in fields(signed)?.iter().filter(|(id, _)| *id == 1) {
        for (_, entry) in fields(batch.bytes())?.iter().filter(|(id, _)| *id == 7) {
            all.push(number_of(&fields(entry.bytes())?, 6).cast_signed());
        }
    }
    Ok(all)
}

/// The number of a label or an item, which ends with it; one that none has if there is none.
fn number_of_label(id: &str) -> u32 {
    id.get(2..).and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

/// The first batch of the price team, as it was signed.
pub fn first_batch(hq: &Database) -> io::Result<Vec<u8>> {
    let sql = format!("SELECT payload FROM batch WHERE key_id = '{KEY}' ORDER BY number LIMIT 1");
    let rows = hq.rows(&sql)?;
    bytes(rows.first().map_or("", |row| &row[0]))
}

/// A reading at headquarters.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `device/point`.
    pub point: String,
    /// ms since 1970 by the agent's clock.
    pub at_ms: i64,
    /// None where there is none to believe.
    pub value: Option<f64>,
}

/// What headquarters has.
#[derive(Clone, Debug)]
pub struct Headquarters {
    /// Every alarm change with its number, in the order of their arrival.
    pub changes: Vec<(i64, Change)>,
    /// Number and bytes of every telemetry message.
    pub messages: Vec<(i64, Vec<u8>)>,
    /// First and last number of recorded gaps in telemetry.
    pub gaps: Vec<(i64, i64)>,
    /// Every reading.
    pub samples: Vec<Sample>,
    /// How many journals spoke.
    pub journals: usize,
    /// Messages that it never took in, and why.
    pub refused: Vec<String>,
    /// Messages that it refused and took in when they came again, byte for byte.
    pub refused_at_first: usize,
}

/// Reads all of the database of headquarters.
pub fn read_hq(db: &Database) -> io::Result<Headquarters> {
    let int = |text: &String| text.parse::<i64>().map_err(io::Error::other);
    let changes = changes(&db.rows(&format!("SELECT seq, {CHANGE} FROM alert ORDER BY id"))?)?;
    let messages =
        db.rows(&format!("SELECT seq, payload FROM message WHERE stream = {TELEMETRY} ORDER BY seq"))?;
    let messages =
        messages.iter().map(|row| Ok((int(&row[0])?, bytes(&row[1])?))).collect::<io::Result<_>>()?;
    let gaps = db.rows(&format!("SELECT first_seq, last_seq FROM gap WHERE stream = {TELEMETRY}"))?;
    let gaps = gaps.iter().map(|row| Ok((int(&row[0])?, int(&row[1])?))).collect::<io::Result<_>>()?;
    let samples = db.rows(
        "SELECT device, point.point, at_ms, value FROM sample JOIN point ON point.id = sample.point ORDER BY sample.id",
    )?;
    let sample = |row: &Vec<String>| {
        let value = Some(&row[3]).filter(|value| !value.is_empty());
        Ok(Sample {
            point: format!("{}/{}", row[0], row[1]),
            at_ms: int(&row[2])?,
            value: value.map(|value| value.parse().map_err(io::Error::other)).transpose()?,
        })
    };
    let samples = samples.iter().map(sample).collect::<io::Result<_>>()?;
    let refused = |not: &str| {
        format!(
            "SELECT topic, reason FROM refused
             WHERE {not} EXISTS (SELECT 1 FROM message WHERE message.payload = refused.payload)"
        )
    };
    let count = |sql: &str| usize::try_from(db.number(sql)?).map_err(io::Error::other);
    Ok(Headquarters {
        changes,
        messages,
        gaps,
        samples,
        journals: count("SELECT count(DISTINCT journal) FROM message")?,
        refused: db.rows(&refused("NOT"))?.iter().map(|row| row.join(": ")).collect(),
        refused_at_first: db.rows(&refused(""))?.len(),
    })
}

/// From hex.
fn bytes(hex: &str) -> io::Result<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or(""), 16).map_err(io::Error::other);
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// What the simulator wrote down.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Times that the air of a freezer was above its limit.
    pub excursions: Vec<Excursion>,
    /// When the sign was switched, ms since 1970, and whether it was on then.
    pub switches: Vec<(i64, bool)>,
    /// What labels began to show, in order.
    pub shown: Vec<Shown>,
}

/// Reads the simulator's record; an excursion that had not ended ends at `end_ms`.
pub fn read_truth(path: &Path, end_ms: i64) -> io::Result<Truth> {
    #[derive(Deserialize)]
    struct Line {
        at_ms: i64,
        event: String,
        #[serde(default)]
        device: String,
        above: Option<bool>,
        on: Option<bool>,
        #[serde(default)]
        label: String,
        sha256: Option<String>,
    }
    let mut truth = Truth::default();
    let excursions = &mut truth.excursions;
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let line: Line = serde_json::from_str(line)?;
        match (line.event.as_str(), line.above, line.on) {
            ("limit_crossed", Some(true), _) => drop(open.insert(line.device, line.at_ms)),
            ("limit_crossed", Some(false), _) => {
                if let Some(from_ms) = open.remove(&line.device) {
                    excursions.push(Excursion { device: line.device, from_ms, to_ms: line.at_ms });
                }
            }
            ("switched", _, Some(on)) => truth.switches.push((line.at_ms, on)),
            ("label_shown" | "label_blank", ..) => truth.shown.push(Shown {
                label: number_of_label(&line.label),
                at_ms: line.at_ms,
                image: line.sha256,
            }),
            _ => {}
        }
    }
    excursions.extend(open.into_iter().map(|(device, from_ms)| Excursion {
        device,
        from_ms,
        to_ms: end_ms.max(from_ms),
    }));
    Ok(truth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_copied_in_pieces_and_a_hole_in_it_is_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal.sqlite");
        let db = Connection::open(&path).expect("opens");
        db.execute_batch(
            "CREATE TABLE alarm_history (id INTEGER PRIMARY KEY, alarm, device, condition, state, at_ms, since_ms,
               cause, by, escalation)",
        )
        .expect("creates");
        let add = |from: i64, to: i64| {
            for id in from..=to {
                db.execute(
                    "INSERT INTO alarm_history VALUES (?, 1, 'a', 'b', 'normal', 5, 6, '', '', 0)",
                    [id],
                )
                .expect("adds");
            }
        };
        let (journal, mut history) = (Database::Sqlite(path), History::default());
        add(1, 3);
        history.copy(&journal).expect("copies");
        db.execute("DELETE FROM alarm_history WHERE id < 3", []).expect("forgets");
        add(4, 5);
        history.copy(&journal).expect("copies");
        assert_eq!(history.changes.len(), 5);
        db.execute("DELETE FROM alarm_history", []).expect("forgets");
        add(7, 7);
        assert!(history.copy(&journal).expect_err("6 is gone").to_string().contains("change 6"));
    }
}
