//! `alerts` and `readings`: what is in the database, for people and as JSON lines.

use crate::Failure;
use crate::database::{Database, Error, Horizon, Row, now_ms, values};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use std::io::{BufWriter, Write as _};
use std::time::Duration;
use storewarden_proto::v1::AlarmState;

/// How often `--follow` looks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// Arguments of `alerts`.
#[derive(Debug, clap::Args)]
pub(crate) struct AlertsArgs {
    /// Only of this store
    #[arg(long, value_name = "ID")]
    store: Option<String>,
    /// Go on with what comes, until interrupted
    #[arg(long)]
    follow: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Arguments of `readings`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadingsArgs {
    /// Only of this store
    #[arg(long, value_name = "ID")]
    store: Option<String>,
    /// Only of this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only of this point
    #[arg(long, value_name = "NAME")]
    point: Option<String>,
    /// Only those not older than this, e.g. 90s, 10m, 2h, 7days
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "count")]
    json: bool,
    /// Only how many there are
    #[arg(long)]
    count: bool,
}

/// Milliseconds since 1970 as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    match DateTime::from_timestamp_millis(at_ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{at_ms} ms since 1970"),
    }
}

#[derive(Debug, Serialize)]
struct Alert {
    #[serde(skip)]
    id: i64,
    store: String,
    time: String,
    device: String,
    condition: String,
    state: String,
    cause: String,
    priority: String,
    alarm: u64,
    seq: u64,
    /// By quantity: value and unit.
    evidence: serde_json::Map<String, serde_json::Value>,
    by: String,
    probability: f64,
    alternatives: serde_json::Value,
    /// `device/condition` of the alarm that explains it; empty if none does.
    parent: String,
    /// How often nobody acknowledged it in time.
    escalation: u32,
    repair: serde_json::Value,
    /// The readings before the alarm.
    curve: serde_json::Value,
    received: String,
    /// From the change of state at the store to the commit here.
    seconds_to_hq: f64,
}

/// The columns of an [`Alert`], in the order in which it is read.
const ALERT: &str =
    "SELECT id, store, at_ms, received_ms, device, condition, state, cause, priority, alarm, seq,
   evidence, by, probability, alternatives, parent, escalation, repair, curve FROM alert";

impl Alert {
    fn from_row(row: &Row) -> Result<Self, Error> {
        let (at_ms, received_ms): (i64, i64) = (row.get(2)?, row.get(3)?);
        let written = |column| Ok::<_, Error>(json(&row.get::<Option<String>>(column)?.unwrap_or_default()));
        Ok(Self {
            id: row.get(0)?,
            store: row.get(1)?,
            time: rfc3339(at_ms),
            device: row.get(4)?,
            condition: row.get(5)?,
            state: state_name(row.get(6)?),
            cause: row.get(7)?,
            priority: row.get(8)?,
            alarm: row.get::<i64>(9)?.cast_unsigned(),
            seq: row.get::<i64>(10)?.cast_unsigned(),
            // An empty map could only come of a damaged database.
            evidence: serde_json::from_str(&row.get::<String>(11)?).unwrap_or_default(),
            by: row.get(12)?,
            probability: row.get(13)?,
            alternatives: written(14)?,
            parent: row.get(15)?,
            escalation: row.get(16)?,
            repair: written(17)?,
            curve: written(18)?,
            received: rfc3339(received_ms),
            seconds_to_hq: seconds(received_ms.saturating_sub(at_ms)),
        })
    }

    fn line(&self) -> String {
        let evidence: Vec<_> = self
            .evidence
            .iter()
            .map(|(quantity, fact)| {
                let unit = fact["unit"].as_str().filter(|&unit| unit != "1").unwrap_or("");
                format!("{quantity}={}{unit}", fact["value"])
            })
            .collect();
        let mut notes = String::new();
        if self.probability > 0.0 {
            notes += &format!("  {:.0} %", self.probability * 100.0);
        }
        if !self.parent.is_empty() {
            notes += &format!("  beneath {}", self.parent);
        }
        if self.escalation > 0 {
            notes += &format!("  escalated {} times", self.escalation);
        }
        if let (Some(reference), Some(by)) = (self.repair["reference"].as_str(), self.repair["by"].as_str()) {
            notes += &format!("  repair {reference} by {by}");
            match (self.repair["fixed_by"].as_str(), self.repair["escalation"].as_u64()) {
                (Some(fixed_by), _) => notes += &format!(", fixed by {fixed_by}"),
                (None, Some(times @ 1..)) => notes += &format!(", too long {times} times"),
                _ => {}
            }
        }
        format!(
            "{}  {}  {}  {}  {}  {}  {}{notes}  {}",
            self.time,
            self.store,
            self.device,
            self.condition,
            self.state,
            self.priority,
            self.cause,
            evidence.join(" ")
        )
    }
}

/// Written by the ledger; null could only come of a damaged file.
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// `ALARM_STATE_ACTIVE_UNACKNOWLEDGED` is `active_unacknowledged`; a state of a newer version is its
/// number.
fn state_name(state: i32) -> String {
    AlarmState::try_from(state).map_or_else(
        |_| state.to_string(),
        |known| known.as_str_name().trim_start_matches("ALARM_STATE_").to_ascii_lowercase(),
    )
}

/// Prints the alerts in the order in which they came.
pub(crate) fn alerts(database: &mut Database, args: &AlertsArgs) -> Result<(), Failure> {
    let mut horizon = Horizon::of("alert");
    let mut last = 0;
    loop {
        // Without `--follow` all that are there; else nothing is passed over that comes in between.
        let until = if args.follow { horizon.look(database)? } else { i64::MAX };
        let store = args.store.as_deref();
        let sql = format!(
            "{ALERT} WHERE id > ?1 AND id <= ?2 AND (CAST(?3 AS text) IS NULL OR store = ?3) ORDER BY id"
        );
        database.for_each(&sql, &values![last, until, store], |row| {
            let alert = Alert::from_row(row)?;
            last = alert.id;
            let line = if args.json { serde_json::to_string(&alert)? } else { alert.line() };
            Ok::<_, Failure>(writeln!(std::io::stdout(), "{line}")?)
        })?;
        if !args.follow {
            return Ok(());
        }
        std::thread::sleep(FOLLOW_EVERY);
    }
}

#[derive(Debug, Serialize)]
struct Reading {
    store: String,
    device: String,
    point: String,
    time: String,
    value: Option<f64>,
    unit: String,
    quality: String,
}

/// Prints the readings by point and time.
pub(crate) fn readings(database: &mut Database, args: &ReadingsArgs) -> Result<(), Failure> {
    let since_ms = args.since.map_or(i64::MIN, |since| {
        now_ms().saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    let selected = "FROM reading WHERE at_ms >= ?1 AND (CAST(?2 AS text) IS NULL OR store = ?2)
        AND (CAST(?3 AS text) IS NULL OR device = ?3) AND (CAST(?4 AS text) IS NULL OR point = ?4)";
    let values = values![since_ms, args.store.as_deref(), args.device.as_deref(), args.point.as_deref()];
    if args.count {
        for row in database.query(&format!("SELECT count(*) {selected}"), &values)? {
            writeln!(std::io::stdout(), "{}", row.get::<i64>(0)?)?;
        }
        return Ok(());
    }
    let sql = format!(
        "SELECT store, device, point, at_ms, value, unit, quality {selected} ORDER BY store, device, point, at_ms, id"
    );
    let mut out = BufWriter::new(std::io::stdout().lock());
    database.for_each(&sql, &values, |row| {
        let reading = Reading {
            store: row.get(0)?,
            device: row.get(1)?,
            point: row.get(2)?,
            time: rfc3339(row.get(3)?),
            value: row.get(4)?,
            unit: row.get(5)?,
            quality: row.get(6)?,
        };
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&reading)?)?;
        } else {
            let value =
                reading.value.map_or_else(|| "-".to_owned(), |value| format!("{value} {}", reading.unit));
            let Reading { time, store, device, point, quality, .. } = &reading;
            writeln!(out, "{time}  {store}  {device}/{point}  {value}  {quality}")?;
        }
        Ok::<_, Failure>(())
    })?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_states_are_written_plainly() {
        // date -u -d @1796076000
        assert_eq!(rfc3339(1_796_076_000_007), "2026-11-30T22:00:00.007Z");
        assert_eq!(state_name(AlarmState::ActiveUnacknowledged.into()), "active_unacknowledged");
        assert_eq!(state_name(AlarmState::Normal.into()), "normal");
        assert_eq!(state_name(77), "77");
    }
}
