//! Alarms in the journal: the state each alarm is in, so that a restart continues it, and the history
//! of its changes. A change of state and its message to headquarters are one transaction.

use super::care::Repair;
use super::meter::Meter;
use super::{Identity, outbox};
use rusqlite::{Connection, OptionalExtension, Row, params};
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Alert, CurveSample, Fact, ProbableCause};
use storewarden_rules::cabinet::TraceSample;
use storewarden_rules::{
    AlarmState, Cause, Chatter, Condition, Diagnosis, Evidence, Millis, Priority, Quantity, Utc,
};

/// Changes kept for people to look back on; the oldest go first. Ids have 64 characters at most, names 40,
/// evidence six numbers: together 10 MB at most.
const HISTORY_MAX: i64 = 10_000;

/// An alarm's change of state; or, where state and previous are the same, of something else about it.
#[derive(Clone, Debug)]
pub struct AlarmChange {
    /// Number of the occurrence.
    pub alarm: u64,
    /// Device id.
    pub device: String,
    /// Device name for people.
    pub device_name: String,
    /// What is wrong: the name of a condition, or of a user's own rule.
    pub condition: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The state it is in now.
    pub state: AlarmState,
    /// The state it was in.
    pub previous: AlarmState,
    /// When that happened.
    pub at: Utc,
    /// What the hour meter showed then.
    pub meter: Meter,
    /// Probable cause.
    pub diagnosis: Diagnosis,
    /// The numbers behind it.
    pub evidence: Evidence,
    /// Device and condition of the alarm that explains it, if one does.
    pub parent: Option<(String, String)>,
    /// How often it was said that nobody acknowledges it.
    pub escalation: u8,
    /// What chattering is told by.
    pub chatter: Chatter,
    /// The repair that is under way or has just ended.
    pub repair: Option<Repair>,
    /// The readings before it, oldest first, if headquarters is to see them.
    pub curve: Vec<TraceSample>,
    /// Until when it is shelved, if it is.
    pub shelved_until: Option<Utc>,
    /// The person who did it, or nobody.
    pub by: String,
}

/// What the journal remembers of one alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Number of the latest occurrence; 0 if it was never raised.
    pub alarm: u64,
    /// Device id.
    pub device: String,
    /// What is wrong: the name of a condition, or of a user's own rule.
    pub condition: String,
    /// The state it was in.
    pub state: AlarmState,
    /// When the state changed, by the clock of then.
    pub changed: Utc,
    /// How long it has been in that state, as far as the agent ran.
    pub waited: Millis,
    /// Since when the delay runs, if it does; by the present clock, as `chatter`.
    pub pending: Option<Utc>,
    /// Probable cause.
    pub diagnosis: Diagnosis,
    /// Since when the condition had held, and the numbers.
    pub evidence: Evidence,
    /// Device and condition of the alarm that explained it, if one did.
    pub parent: Option<(String, String)>,
    /// How often it was said that nobody acknowledges it.
    pub escalation: u8,
    /// What chattering is told by.
    pub chatter: Chatter,
    /// Until when it is shelved, if it is; by the clock of then.
    pub shelved_until: Option<Utc>,
    /// Who acknowledged or shelved it.
    pub by: String,
}

/// Commits an alarm's change of state together with the message that tells headquarters.
pub fn record(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    change: &AlarmChange,
) -> rusqlite::Result<()> {
    let (since, facts) = (change.evidence.since.0, facts_text(&change.evidence));
    let (parent_device, parent_condition) =
        change.parent.as_ref().map(|(device, condition)| (device, condition)).unzip();
    let [raised, raised_before, over] = chatter_at_meter(change.chatter, change.meter);
    // What else changed is not the state's: when it began, until when it is shelved and who did that stay.
    connection
        .prepare_cached(
            "INSERT INTO alarm VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
             ?16, ?17, ?18, ?19, ?21)
             ON CONFLICT (device, condition) DO UPDATE SET alarm = ?3, state = ?4, since_ms = ?5,
             changed_ms = iif(?20, changed_ms, ?6), changed_at_meter = iif(?20, changed_at_meter, ?21),
             pending_at_meter = NULL, cause = ?7, evidence = ?8,
             shelved_until_ms = iif(?20, shelved_until_ms, ?9), by = iif(?20, by, ?10), probability = ?11,
             alternatives = ?12, parent_device = ?13, parent_condition = ?14, escalation = ?15,
             raised_at_meter = ?16, raised_before_at_meter = ?17, damped = ?18, over_at_meter = ?19",
        )?
        .execute(params![
            change.device,
            change.condition,
            change.alarm.cast_signed(),
            change.state.name(),
            since,
            change.at.0,
            change.diagnosis.cause.name(),
            facts,
            change.shelved_until.map(|until| until.0),
            change.by,
            change.diagnosis.probability,
            alternatives_text(&change.diagnosis),
            parent_device,
            parent_condition,
            change.escalation,
            raised,
            raised_before,
            change.chatter.is_damped,
            over,
            change.state == change.previous,
            change.meter.shown_at(change.at),
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO alarm_history (alarm, device, condition, state, at_ms, since_ms, cause, evidence, by,
             previous, escalation, at_meter) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            change.alarm.cast_signed(),
            change.device,
            change.condition,
            change.state.name(),
            change.at.0,
            since,
            change.diagnosis.cause.name(),
            facts,
            change.by,
            change.previous.name(),
            change.escalation,
            change.meter.shown_at(change.at),
        ])?;
    let newest = connection.last_insert_rowid();
    connection.prepare_cached("DELETE FROM alarm_history WHERE id <= ?1")?.execute([newest - HISTORY_MAX])?;
    outbox::append(connection, identity, now, Body::Alert(alert(change)))?;
    Ok(())
}

/// Remembers since when the delay of a condition runs, or that it no longer does.
pub fn record_pending(
    connection: &Connection,
    device: &str,
    condition: &str,
    since: Option<Utc>,
    meter: Meter,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO alarm VALUES (?1, ?2, 0, ?3, 0, 0, ?4, '', '[]', NULL, '', 0, '[]', NULL, NULL, 0, NULL,
             NULL, 0, NULL, 0)
             ON CONFLICT (device, condition) DO UPDATE SET pending_at_meter = ?4",
        )?
        .execute(params![device, condition, AlarmState::Normal.name(), since.map(|at| meter.shown_at(at))])?;
    Ok(())
}

/// Remembers what chattering is told by, of an alarm that came or went without a word.
pub fn record_chatter(
    connection: &Connection,
    device: &str,
    condition: &str,
    chatter: Chatter,
    meter: Meter,
) -> rusqlite::Result<()> {
    let [raised, raised_before, over] = chatter_at_meter(chatter, meter);
    connection
        .prepare_cached(
            "UPDATE alarm SET raised_at_meter = ?3, raised_before_at_meter = ?4, damped = ?5, over_at_meter = ?6
             WHERE device = ?1 AND condition = ?2",
        )?
        .execute(params![device, condition, raised, raised_before, chatter.is_damped, over])?;
    Ok(())
}

fn chatter_at_meter(chatter: Chatter, meter: Meter) -> [Option<i64>; 3] {
    let [raised, before] = chatter.raised;
    [raised, before, chatter.over].map(|at| at.map(|at| meter.shown_at(at)))
}

/// When the last dozen alarms were announced that call for attention by themselves, oldest first: what a
/// flood is told by. By the present clock.
pub fn announced(connection: &Connection, meter: Meter) -> rusqlite::Result<Vec<Utc>> {
    let mut statement = connection.prepare(
        "SELECT at_meter FROM alarm_history WHERE state = ?1 AND previous IN (?2, ?3, ?4) AND condition <> ?5
         ORDER BY id DESC LIMIT 12",
    )?;
    let names = [
        AlarmState::ActiveUnacknowledged.name(),
        AlarmState::Normal.name(),
        AlarmState::ReturnedUnacknowledged.name(),
        AlarmState::Latched.name(),
        Condition::AlarmFlood.name(),
    ];
    let mut announced = statement
        .query_map(names, |row| row.get(0).map(|shown| meter.stamp(shown)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    announced.reverse();
    Ok(announced)
}

/// Every alarm the journal knows. Rows of states this version does not know are left out.
pub fn load(connection: &Connection, meter: Meter) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare(
        "SELECT alarm, device, condition, state, since_ms, changed_ms, pending_at_meter, cause, evidence,
         shelved_until_ms, by, probability, alternatives, parent_device, parent_condition, escalation,
         raised_at_meter, raised_before_at_meter, damped, over_at_meter, changed_at_meter FROM alarm",
    )?;
    let rows = statement.query_map([], |row| stored(row, meter))?;
    rows.filter_map(Result::transpose).collect()
}

fn stored(row: &Row, meter: Meter) -> rusqlite::Result<Option<Stored>> {
    let (condition, state): (String, String) = (row.get(2)?, row.get(3)?);
    let (cause, facts): (String, String) = (row.get(7)?, row.get(8)?);
    let Some(state) = AlarmState::from_name(&state) else { return Ok(None) };
    let parent = Option::zip(row.get(13)?, row.get(14)?);
    let utc = |column| row.get::<_, Option<i64>>(column).map(|shown| shown.map(|shown| meter.stamp(shown)));
    Ok(Some(Stored {
        alarm: row.get::<_, i64>(0)?.cast_unsigned(),
        device: row.get(1)?,
        condition,
        state,
        changed: Utc(row.get(5)?),
        waited: meter.since(row.get(20)?),
        pending: utc(6)?,
        diagnosis: Diagnosis {
            cause: Cause::from_name(&cause).unwrap_or_default(),
            probability: row.get(11)?,
            alternatives: alternatives_from(&row.get::<_, String>(12)?),
        },
        evidence: evidence_from(Utc(row.get(4)?), &facts),
        parent,
        escalation: row.get(15)?,
        chatter: Chatter { raised: [utc(16)?, utc(17)?], is_damped: row.get(18)?, over: utc(19)? },
        shelved_until: row.get::<_, Option<i64>>(9)?.map(Utc),
        by: row.get(10)?,
    }))
}

fn facts_text(evidence: &Evidence) -> String {
    let facts: Vec<_> = evidence.facts.iter().map(|fact| (fact.quantity.name(), fact.value)).collect();
    serde_json::json!(facts).to_string()
}

fn alternatives(diagnosis: &Diagnosis) -> impl Iterator<Item = (Cause, f32)> {
    diagnosis.alternatives.into_iter().filter(|(_, probability)| *probability > 0.0)
}

fn alternatives_text(diagnosis: &Diagnosis) -> String {
    let known: Vec<_> =
        alternatives(diagnosis).map(|(cause, probability)| (cause.name(), probability)).collect();
    serde_json::json!(known).to_string()
}

/// Causes this version does not know are left out.
fn alternatives_from(text: &str) -> [(Cause, f32); 2] {
    let known: Vec<(String, f32)> = serde_json::from_str(text).unwrap_or_default();
    let mut known =
        known.iter().filter_map(|(name, probability)| Some((Cause::from_name(name)?, *probability)));
    [known.next().unwrap_or_default(), known.next().unwrap_or_default()]
}

/// Numbers of quantities this version does not know are left out.
fn evidence_from(since: Utc, text: &str) -> Evidence {
    let facts: Vec<(String, f64)> = serde_json::from_str(text).unwrap_or_default();
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((Quantity::from_name(&name)?, value)))
        .fold(Evidence::since(since), |evidence, (quantity, value)| evidence.with(quantity, value))
}

/// The highest number given to an alarm so far.
pub fn last_number(connection: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection.query_row("SELECT max(alarm) FROM alarm", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0).cast_unsigned())
}

/// Remembers that a device has answered. Returns whether that is news.
pub fn record_device(connection: &Connection, device: &str) -> rusqlite::Result<bool> {
    Ok(connection.execute("INSERT OR IGNORE INTO device VALUES (?1)", [device])? > 0)
}

/// Whether a device has ever answered.
pub fn knows_device(connection: &Connection, device: &str) -> rusqlite::Result<bool> {
    let found =
        connection.query_row("SELECT 1 FROM device WHERE device = ?1", [device], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

fn alert(change: &AlarmChange) -> Alert {
    Alert {
        alarm: change.alarm,
        device: change.device.clone(),
        device_name: change.device_name.clone(),
        condition: change.condition.clone(),
        priority: change.priority.name().into(),
        state: wire_state(change.state).into(),
        at_ms: change.at.0,
        since_ms: change.evidence.since.0,
        cause: change.diagnosis.cause.name().into(),
        evidence: change
            .evidence
            .facts
            .iter()
            .map(|fact| Fact {
                quantity: fact.quantity.name().into(),
                value: fact.value,
                unit: fact.quantity.unit().symbol().into(),
            })
            .collect(),
        by: change.by.clone(),
        probability: change.diagnosis.probability,
        alternatives: alternatives(&change.diagnosis)
            .map(|(cause, probability)| ProbableCause { cause: cause.name().into(), probability })
            .collect(),
        parent_device: change.parent.as_ref().map_or_else(String::new, |(device, _)| device.clone()),
        parent_condition: change.parent.as_ref().map_or_else(String::new, |(_, condition)| condition.clone()),
        escalation: change.escalation.into(),
        repair: change.repair.as_ref().map(Repair::message),
        curve: change
            .curve
            .iter()
            .map(|sample| CurveSample {
                at_ms: sample.at.0,
                air: sample.air,
                evaporator: sample.evaporator,
                power: sample.power,
            })
            .collect(),
    }
}

fn wire_state(state: AlarmState) -> storewarden_proto::v1::AlarmState {
    use storewarden_proto::v1::AlarmState as Wire;
    match state {
        AlarmState::Normal => Wire::Normal,
        AlarmState::ActiveUnacknowledged => Wire::ActiveUnacknowledged,
        AlarmState::ActiveAcknowledged => Wire::ActiveAcknowledged,
        AlarmState::ReturnedUnacknowledged => Wire::ReturnedUnacknowledged,
        AlarmState::Latched => Wire::Latched,
        AlarmState::Shelved => Wire::Shelved,
        AlarmState::SuppressedByDesign => Wire::SuppressedByDesign,
        AlarmState::OutOfService => Wire::OutOfService,
    }
}

/// `{"temperature": {"value": -9.5, "unit": "°C"}, …}`, as the command line prints it.
pub fn evidence_json(evidence: &Evidence) -> serde_json::Value {
    let facts: serde_json::Map<_, _> = evidence
        .facts
        .iter()
        .map(|fact| {
            let unit = fact.quantity.unit().symbol();
            (fact.quantity.name().to_owned(), serde_json::json!({ "value": fact.value, "unit": unit }))
        })
        .collect();
    serde_json::Value::Object(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_rules::Condition;

    #[test]
    fn the_longest_history_there_can_be_stays_within_its_bytes() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let names =
            Identity { chain: "kaixin".into(), store: "0042".into(), boot: 7, journal: 9, reports: false };
        let longest = Quantity::ALL.into_iter().max_by_key(|quantity| quantity.name().len()).unwrap();
        let evidence = (0..6)
            .fold(Evidence::since(Utc(i64::MAX)), |evidence, _| evidence.with(longest, -f64::MIN_POSITIVE));
        let mut change = AlarmChange {
            alarm: u64::MAX >> 1,
            device: "x".repeat(64),
            device_name: String::new(),
            condition: "x".repeat(64),
            priority: Condition::TemperatureHigh.priority(),
            state: AlarmState::ReturnedUnacknowledged,
            previous: AlarmState::SuppressedByDesign,
            at: Utc(i64::MAX),
            meter: Meter::default(),
            diagnosis: Diagnosis::default(),
            evidence,
            parent: None,
            escalation: u8::MAX,
            chatter: Chatter::default(),
            repair: None,
            curve: Vec::new(),
            shelved_until: None,
            by: "\u{1F9CA}".repeat(40),
        };
        for _ in 0..HISTORY_MAX + 100 {
            change.at = Utc(change.at.0 - 1);
            record(&db, &names, Utc(1), &change).unwrap();
        }
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("SELECT count(*) FROM alarm_history"), HISTORY_MAX);
        let bytes = number("PRAGMA page_count") * number("PRAGMA page_size");
        assert!((5_000_000..10_000_000).contains(&bytes), "{bytes}");
    }
}
