//! Commits what came from the stores, and knows what may be acknowledged.

use super::retention;
use crate::contiguous::{Contiguous, Seen};
use crate::ingest::{self, Incoming, Message, PointReadings, Refusal, Rows};
use crate::show::rfc3339;
use rusqlite::{Connection, Transaction, params};
use std::collections::{BTreeSet, HashMap};
use storewarden_proto::v1::{self, Stream};

/// Rows kept in `refused`; older ones are dropped.
const REFUSED_MAX: i64 = 1_000;

/// The stream numbers that are acknowledged.
const STREAMS: [Stream; 4] = [Stream::Alert, Stream::PriceResult, Stream::CommandResult, Stream::Telemetry];

/// The writer of one chain's messages. The only one: what it remembers of the tables is true only
/// while nobody else writes them.
pub(crate) struct Ledger {
    connection: Connection,
    chain: String,
    memory: Memory,
}

/// What the tables say, so that they need not be asked for every message. Bounded by the stores that
/// the broker lets in and their points.
#[derive(Default)]
struct Memory {
    numbers: HashMap<(String, u64, i32), Contiguous>,
    points: HashMap<(String, String, String), i64>,
    /// The journal each store said it uses when it last came online, or, of a store that never
    /// said, that of its last message.
    journals: HashMap<String, u64>,
    /// The day that is noted in `sample_day`.
    noted_day: Option<i64>,
}

/// The acknowledgement to publish to `store`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreAck {
    pub(crate) store: String,
    pub(crate) ack: v1::Ack,
}

impl Ledger {
    /// The ledger of `chain` in an opened database.
    pub(crate) fn new(connection: Connection, chain: &str) -> rusqlite::Result<Self> {
        let mut memory = Memory::default();
        {
            let mut known =
                connection.prepare("SELECT store, journal FROM store WHERE chain = ? AND journal != 0")?;
            let mut rows = known.query([chain])?;
            while let Some(row) = rows.next()? {
                memory.journals.insert(row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
            }
        }
        Ok(Self { connection, chain: chain.to_owned(), memory })
    }

    /// The database, for other work of the thread that owns the ledger.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Commits `batch` (topic and payload of each) in one transaction: all of it is on the disk when
    /// this returns, or none. The acknowledgements of the stores it concerns, one each.
    pub(crate) fn commit<'a>(
        &mut self,
        batch: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now_ms: i64,
    ) -> rusqlite::Result<Vec<StoreAck>> {
        let result = self.try_commit(batch, now_ms);
        if result.is_err() {
            // Nothing was written, so what was noted on the way is not true. Journals stay: they say
            // only which acknowledgement a store waits for.
            self.memory.numbers.clear();
            self.memory.points.clear();
            self.memory.noted_day = None;
        }
        result
    }

    fn try_commit<'a>(
        &mut self,
        batch: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now_ms: i64,
    ) -> rusqlite::Result<Vec<StoreAck>> {
        let transaction = self.connection.transaction()?;
        let mut writer =
            Writer { transaction: &transaction, chain: &self.chain, memory: &mut self.memory, now_ms };
        writer.note_day()?;
        let mut concerned = BTreeSet::new();
        for (topic, payload) in batch {
            match ingest::read(&self.chain, topic, payload) {
                Ok(Incoming::Status(status)) => {
                    writer.status(&status)?;
                    if status.online {
                        concerned.insert(status.store);
                    }
                }
                Ok(Incoming::Message(message)) => {
                    writer.message(&message, topic, payload)?;
                    concerned.insert(message.store);
                }
                Err(refusal) => writer.refuse(topic, payload, &refusal.to_string())?,
            }
        }
        let mut acks = Vec::with_capacity(concerned.len());
        for store in concerned {
            let Some(&journal) = writer.memory.journals.get(&store) else { continue };
            acks.push(StoreAck { ack: writer.ack(&store, journal)?, store });
        }
        transaction.commit()?;
        Ok(acks)
    }
}

struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    chain: &'a str,
    memory: &'a mut Memory,
    now_ms: i64,
}

impl Writer<'_> {
    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.transaction.prepare_cached(sql)?.execute(params)
    }

    fn note_day(&mut self) -> rusqlite::Result<()> {
        let day = retention::day(self.now_ms);
        if self.memory.noted_day != Some(day) {
            self.execute(
                "INSERT OR IGNORE INTO sample_day
                 VALUES (?, 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'sample'), 0))",
                [day],
            )?;
            self.memory.noted_day = Some(day);
        }
        Ok(())
    }

    fn refuse(&self, topic: &str, payload: &[u8], reason: &str) -> rusqlite::Result<()> {
        tracing::warn!(topic, reason, "refused");
        self.execute(
            "INSERT INTO refused (received_ms, topic, reason, payload) VALUES (?, ?, ?, ?)",
            params![self.now_ms, topic, reason, payload],
        )?;
        let newest = self.transaction.last_insert_rowid();
        self.execute("DELETE FROM refused WHERE id <= ?", [newest - REFUSED_MAX])?;
        Ok(())
    }

    /// A Last Will may come late, from a life before the present one: an offline status of another
    /// boot that was not written later than what is known changes nothing.
    fn status(&mut self, status: &v1::Status) -> rusqlite::Result<()> {
        if status.online && status.journal != 0 {
            // A store with a new journal has lost its price book: what it may still accept is sent anew.
            self.execute(
                "UPDATE batch_store SET accepted = NULL, sent_ms = NULL WHERE store = ?1
                   AND digest IN (SELECT digest FROM batch WHERE chain = ?2 AND accept_until_ms > ?3)
                   AND EXISTS (SELECT 1 FROM store WHERE chain = ?2 AND store = ?1 AND journal <> ?4)",
                params![status.store, self.chain, self.now_ms, status.journal.cast_signed()],
            )?;
        }
        self.execute(
            "INSERT INTO store (chain, store, online, boot, journal, version, config_digest, clock, at_ms,
               received_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET online = excluded.online, boot = excluded.boot,
               journal = excluded.journal, version = excluded.version,
               config_digest = excluded.config_digest, clock = excluded.clock, at_ms = excluded.at_ms,
               received_ms = excluded.received_ms
             WHERE excluded.online OR excluded.boot = store.boot OR excluded.at_ms > store.at_ms",
            params![
                self.chain,
                status.store,
                status.online,
                status.boot.cast_signed(),
                status.journal.cast_signed(),
                status.version,
                status.config_digest,
                status.clock,
                status.at_ms,
                self.now_ms
            ],
        )?;
        if !status.online {
            return Ok(());
        }
        if status.journal != 0 {
            self.memory.journals.insert(status.store.clone(), status.journal);
            self.floor(status)?;
        }
        // A store that is back gets its batches without waiting for the next round.
        self.execute(
            "UPDATE batch_store SET sent_ms = NULL WHERE store = ?1 AND accepted IS NULL
               AND digest IN (SELECT digest FROM batch WHERE chain = ?2)",
            [&status.store, self.chain],
        )?;
        Ok(())
    }

    /// What the store had acknowledged and no longer holds will never come: after a loss of this
    /// database it must not be waited for.
    fn floor(&mut self, status: &v1::Status) -> rusqlite::Result<()> {
        for acked in &status.acked {
            if acked.stream() == Stream::Unspecified || i64::try_from(acked.seq).is_err() {
                continue;
            }
            let numbers = self.numbers(&status.store, status.journal, acked.stream())?;
            let known = numbers.highest();
            if acked.seq <= known {
                continue;
            }
            numbers.skip(known + 1, acked.seq);
            let highest = numbers.highest();
            tracing::error!(
                store = %status.store, stream = ?acked.stream(), from = known + 1, to = acked.seq,
                "the store had these messages acknowledged and deleted them, but they are not in this database"
            );
            self.note_complete(&status.store, status.journal, acked.stream(), highest)?;
            self.note_gap(&status.store, acked.stream(), (known + 1, acked.seq), (0, status.at_ms))?;
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, topic: &str, payload: &[u8]) -> rusqlite::Result<()> {
        self.memory.journals.entry(message.store.clone()).or_insert(message.journal);
        if let Rows::Gap(gap) = &message.rows {
            return self.gap(message, gap, topic, payload);
        }
        match self.numbers(&message.store, message.journal, message.stream)?.insert(message.seq) {
            Seen::Duplicate => return Ok(()),
            Seen::TooManyGaps => {
                return self.refuse(topic, payload, &Refusal::TooManyGaps(message.seq).to_string());
            }
            Seen::Fresh => {}
        }
        self.keep(message, payload)?;
        match &message.rows {
            Rows::Alert(alert) => self.alert(message, alert),
            Rows::Readings(points) => self.readings(&message.store, points),
            Rows::BatchOutcome(outcome) => self.batch_outcome(&message.store, outcome),
            Rows::LabelShown(shown) => self.label_shown(&message.store, shown),
            Rows::None | Rows::Gap(_) => Ok(()),
            Rows::Fault(reason) => self.refuse(topic, payload, reason),
        }
    }

    /// A gap may carry the number of a message that came before the store dropped it: the numbers
    /// before it are settled all the same.
    fn gap(&mut self, message: &Message, gap: &v1::Gap, topic: &str, payload: &[u8]) -> rusqlite::Result<()> {
        let numbers = self.numbers(&message.store, message.journal, message.stream)?;
        let before = numbers.highest();
        if !numbers.skip(gap.first_seq, message.seq) {
            return self.refuse(topic, payload, "the gap begins beyond a message that has not come");
        }
        if numbers.highest() == before {
            return Ok(());
        }
        self.keep(message, payload)?;
        let numbers = (gap.first_seq, message.seq);
        self.note_gap(&message.store, message.stream, numbers, (gap.from_ms, gap.to_ms))
    }

    /// For people: what will never come.
    fn note_gap(
        &self,
        store: &str,
        stream: Stream,
        (first, last): (u64, u64),
        (from_ms, to_ms): (i64, i64),
    ) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO gap (chain, store, stream, first_seq, last_seq, from_ms, to_ms, received_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.chain,
                store,
                stream as i32,
                first.cast_signed(),
                last.cast_signed(),
                from_ms,
                to_ms,
                self.now_ms
            ],
        )?;
        Ok(())
    }

    fn note_complete(&self, store: &str, journal: u64, stream: Stream, highest: u64) -> rusqlite::Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO contiguous (chain, store, journal, stream, seq) VALUES (?, ?, ?, ?, ?)",
            params![self.chain, store, journal.cast_signed(), stream as i32, highest.cast_signed()],
        )?;
        Ok(())
    }

    /// The raw message, and how far its stream is complete.
    fn keep(&mut self, message: &Message, payload: &[u8]) -> rusqlite::Result<()> {
        let highest = self.numbers(&message.store, message.journal, message.stream)?.highest();
        let (journal, stream) = (message.journal.cast_signed(), message.stream as i32);
        self.execute(
            "INSERT OR IGNORE INTO message (chain, store, journal, stream, seq, boot, committed_ms, received_ms, payload)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.chain,
                message.store,
                journal,
                stream,
                message.seq.cast_signed(),
                message.boot.cast_signed(),
                message.committed_ms,
                self.now_ms,
                payload
            ],
        )?;
        self.note_complete(&message.store, message.journal, message.stream, highest)?;
        Ok(())
    }

    fn numbers(&mut self, store: &str, journal: u64, stream: Stream) -> rusqlite::Result<&mut Contiguous> {
        let key = (store.to_owned(), journal, stream as i32);
        if !self.memory.numbers.contains_key(&key) {
            let numbers = self.load_numbers(&key)?;
            self.memory.numbers.insert(key.clone(), numbers);
        }
        Ok(self.memory.numbers.entry(key).or_default())
    }

    fn load_numbers(&self, (store, journal, stream): &(String, u64, i32)) -> rusqlite::Result<Contiguous> {
        let name = params![self.chain, store, journal.cast_signed(), stream];
        let highest: i64 = self
            .transaction
            .prepare_cached(
                "SELECT coalesce(max(seq), 0) FROM contiguous
                 WHERE chain = ? AND store = ? AND journal = ? AND stream = ?",
            )?
            .query_row(name, |row| row.get(0))?;
        let mut numbers = Contiguous::up_to(highest.cast_unsigned());
        let mut beyond = self.transaction.prepare_cached(
            "SELECT seq FROM message WHERE chain = ? AND store = ? AND journal = ? AND stream = ? AND seq > ?
             ORDER BY seq",
        )?;
        let mut rows = beyond.query(params![self.chain, store, journal.cast_signed(), stream, highest])?;
        while let Some(row) = rows.next()? {
            numbers.insert(row.get::<_, i64>(0)?.cast_unsigned());
        }
        Ok(numbers)
    }

    fn ack(&mut self, store: &str, journal: u64) -> rusqlite::Result<v1::Ack> {
        let mut streams = Vec::with_capacity(STREAMS.len());
        for stream in STREAMS {
            let seq = self.numbers(store, journal, stream)?.highest();
            streams.push(v1::StreamAck { stream: stream as i32, seq });
        }
        Ok(v1::Ack { journal, streams, at_ms: self.now_ms })
    }

    fn alert(&self, message: &Message, alert: &v1::Alert) -> rusqlite::Result<()> {
        let evidence: serde_json::Map<_, _> = alert
            .evidence
            .iter()
            .map(|fact| {
                (fact.quantity.clone(), serde_json::json!({ "value": fact.value, "unit": fact.unit }))
            })
            .collect();
        let alternatives: Vec<_> = alert
            .alternatives
            .iter()
            .map(
                |known| serde_json::json!({ "cause": known.cause, "probability": number(known.probability) }),
            )
            .collect();
        let parent = match alert.parent_device.as_str() {
            "" => String::new(),
            device => format!("{device}/{}", alert.parent_condition),
        };
        let curve: Vec<_> = alert
            .curve
            .iter()
            .map(|sample| {
                let known = |value: Option<f32>| value.filter(|value| value.is_finite()).map(number);
                serde_json::json!({ "time": rfc3339(sample.at_ms), "air": known(sample.air),
                    "evaporator": known(sample.evaporator), "power": known(sample.power) })
            })
            .collect();
        self.execute(
            "INSERT INTO alert (chain, store, seq, alarm, device, device_name, condition, priority, state, at_ms,
               since_ms, cause, evidence, by, received_ms, probability, alternatives, parent, escalation, repair,
               curve) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.chain,
                message.store,
                message.seq.cast_signed(),
                alert.alarm.cast_signed(),
                alert.device,
                alert.device_name,
                alert.condition,
                alert.priority,
                alert.state,
                alert.at_ms,
                alert.since_ms,
                alert.cause,
                serde_json::Value::Object(evidence).to_string(),
                alert.by,
                self.now_ms,
                number(alert.probability),
                serde_json::Value::Array(alternatives).to_string(),
                parent,
                alert.escalation,
                alert.repair.as_ref().map(|repair| repair_json(repair).to_string()),
                serde_json::Value::Array(curve).to_string(),
            ],
        )?;
        Ok(())
    }

    fn readings(&mut self, store: &str, points: &[PointReadings]) -> rusqlite::Result<()> {
        for readings in points {
            let point = self.point(store, readings)?;
            let mut insert = self
                .transaction
                .prepare_cached("INSERT INTO sample (point, at_ms, value, quality) VALUES (?, ?, ?, ?)")?;
            for reading in &readings.readings {
                insert.execute(params![point, reading.at_ms, reading.value, reading.quality])?;
            }
        }
        Ok(())
    }

    fn point(&mut self, store: &str, readings: &PointReadings) -> rusqlite::Result<i64> {
        let key = (store.to_owned(), readings.device.clone(), readings.point.clone());
        if let Some(&id) = self.memory.points.get(&key) {
            return Ok(id);
        }
        let id = self
            .transaction
            .prepare_cached(
                "INSERT INTO point (chain, store, device, point, unit) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET unit = excluded.unit RETURNING id",
            )?
            .query_row(params![self.chain, store, readings.device, readings.point, readings.unit], |row| {
                row.get(0)
            })?;
        self.memory.points.insert(key, id);
        Ok(id)
    }

    /// A refusal never undoes an acceptance: a store that gets an accepted batch once more may say
    /// that its number is used up.
    fn batch_outcome(&self, store: &str, outcome: &v1::BatchOutcome) -> rusqlite::Result<()> {
        self.execute(
            "UPDATE batch_store SET accepted = ?1, reason = ?2, outcome_ms = ?3
             WHERE digest = ?4 AND store = ?5 AND (accepted IS NULL OR accepted = 0)",
            params![outcome.accepted, outcome.reason, outcome.at_ms, outcome.digest, store],
        )?;
        Ok(())
    }

    fn label_shown(&self, store: &str, shown: &v1::LabelShown) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO label_shown (chain, store, label, batch, item, price_minor, currency, proof, at_ms, reason)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET item = excluded.item, price_minor = excluded.price_minor,
               currency = excluded.currency, proof = excluded.proof, at_ms = excluded.at_ms,
               reason = excluded.reason
             WHERE excluded.at_ms >= label_shown.at_ms",
            params![
                self.chain,
                store,
                shown.label,
                shown.batch.cast_signed(),
                shown.item,
                shown.price_minor,
                shown.currency,
                shown.proof,
                shown.at_ms,
                shown.reason
            ],
        )?;
        Ok(())
    }
}

/// As the store wrote it: −18.4, not −18.399 999 6. What is no number is 0, as a field that was left out.
fn number(value: f32) -> f64 {
    if value.is_finite() { value.to_string().parse().unwrap_or(f64::from(value)) } else { 0.0 }
}

fn repair_json(repair: &v1::Repair) -> serde_json::Value {
    let is_fixed = !repair.fixed_by.is_empty();
    serde_json::json!({
        "reference": repair.reference,
        "by": repair.by,
        "since": rfc3339(repair.since_ms),
        "escalation": repair.escalation,
        "fixed_by": is_fixed.then_some(&repair.fixed_by),
        "fixed": is_fixed.then(|| rfc3339(repair.fixed_ms)),
    })
}

#[cfg(test)]
mod tests;
