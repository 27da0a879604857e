//! Commits what came from the stores, and knows what may be acknowledged.
//!
//! Any number of workers may do so at once: which numbers of a stream have come is read under the lock of
//! its row and written back in the same transaction, so that each message is taken in once and the
//! acknowledgement steps over no gap.

mod rows;
mod status;

use super::{Database, Error, Table, Transaction, Type, Value, retention, values};
use crate::command::queue;
use crate::contiguous::{Contiguous, Seen};
use crate::ingest::{self, Incoming, Message, PointReadings, Refusal, Rows};
use prost::Message as _;
use status::Known;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use storewarden_proto::v1::{self, Stream};

/// Rows kept in `refused`; older ones are dropped.
const REFUSED_MAX: i64 = 1_000;

/// Readings gathered before they are written; a message has fewer.
const SAMPLES_MAX: usize = 16_384;

/// The stream numbers that are acknowledged.
const STREAMS: [Stream; 4] = [Stream::Alert, Stream::PriceResult, Stream::CommandResult, Stream::Telemetry];

const NUMBERS: Table = Table {
    name: "contiguous",
    columns: &[
        ("chain", Type::Text),
        ("store", Type::Text),
        ("journal", Type::Integer),
        ("stream", Type::Integer),
        ("seq", Type::Integer),
        ("beyond", Type::Text),
    ],
    conflict: "ON CONFLICT (chain, store, journal, stream) DO UPDATE
      SET seq = excluded.seq, beyond = excluded.beyond",
};

/// A row for a stream of which nothing had come.
const FRESH_NUMBERS: Table =
    Table { conflict: "ON CONFLICT (chain, store, journal, stream) DO NOTHING", ..NUMBERS };

/// Names of points that are known: their rows never change their number.
type Points = HashMap<(String, String, String), i64>;

/// A writer of one chain's messages.
pub(crate) struct Ledger {
    database: Database,
    chain: String,
    /// Bounded by the stores that the broker lets in and their points.
    points: Points,
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
    pub(crate) fn new(database: Database, chain: &str) -> Self {
        Self { database, chain: chain.to_owned(), points: Points::new(), noted_day: None }
    }

    /// The database, for other work of the thread that owns the ledger.
    pub(crate) fn database(&mut self) -> &mut Database {
        &mut self.database
    }

    /// Commits `batch` (topic and payload of each) in one transaction: all of it is on the disk when
    /// this returns, or none. The acknowledgements of the stores it concerns, one each.
    pub(crate) fn commit<'a>(
        &mut self,
        batch: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now_ms: i64,
    ) -> Result<Vec<StoreAck>, Error> {
        let chain = self.chain.as_str();
        let read = |(topic, payload)| (topic, payload, ingest::read(chain, topic, payload));
        let batch: Vec<_> = batch.into_iter().map(read).collect();
        let day = retention::day(now_ms);
        let (known, is_noted) = (&self.points, self.noted_day == Some(day));
        let (acks, met) = self.database.transaction(|transaction| {
            if !is_noted {
                retention::note_day(transaction, day)?;
            }
            let mut group = Group::lock(transaction, chain, known, now_ms, &batch)?;
            for (topic, payload, incoming) in &batch {
                match incoming {
                    Ok(Incoming::Status(status)) => group.status(status)?,
                    Ok(Incoming::Message(message)) => group.message(message, topic, payload)?,
                    Err(refusal) => group.refuse(topic, payload, &refusal.to_string())?,
                }
            }
            group.write()?;
            Ok((group.acks()?, group.met))
        })?;
        // Only now it is true.
        self.points.extend(met);
        self.noted_day = Some(day);
        Ok(acks)
    }
}

/// A stream of a store: its name, its journal, the number of the stream.
type Name = (String, u64, i32);

/// A store, its label, and the number and key of a batch.
type LabelOfBatch = (String, String, u64, String);

/// What is committed together.
struct Group<'a, 'b> {
    transaction: &'a mut Transaction<'b>,
    chain: &'a str,
    known_points: &'a Points,
    /// Points first met here.
    met: Points,
    now_ms: i64,
    /// Of every stream that is concerned, and whether that changed.
    numbers: BTreeMap<Name, (Contiguous, bool)>,
    /// What is known of the stores that are concerned.
    stores: BTreeMap<String, Known>,
    /// The journal of a message of a store that never told its status.
    journals: HashMap<String, u64>,
    /// Stores that are to be answered.
    concerned: BTreeSet<String>,
    messages: Vec<Vec<Value>>,
    alerts: Vec<Vec<Value>>,
    samples: Vec<Vec<Value>>,
    /// The newest of each, and when that was.
    labels: BTreeMap<LabelOfBatch, (i64, Vec<Value>)>,
}

impl<'a, 'b> Group<'a, 'b> {
    /// Locks what `batch` concerns, in one order for all workers.
    fn lock(
        transaction: &'a mut Transaction<'b>,
        chain: &'a str,
        known_points: &'a Points,
        now_ms: i64,
        batch: &[(&str, &[u8], Result<Incoming, Refusal>)],
    ) -> Result<Self, Error> {
        let mut streams = BTreeSet::new();
        let (mut told, mut heard) = (BTreeSet::new(), BTreeSet::new());
        for incoming in batch.iter().filter_map(|(_, _, incoming)| incoming.as_ref().ok()) {
            match incoming {
                Incoming::Message(message) => {
                    streams.insert((message.store.clone(), message.journal, message.stream as i32));
                    heard.insert(message.store.as_str());
                }
                Incoming::Status(status) => {
                    streams.extend(
                        status::floor(status)
                            .map(|(stream, _)| (status.store.clone(), status.journal, stream as i32)),
                    );
                    told.insert(status.store.as_str());
                }
            }
        }
        let numbers = lock_numbers(transaction, chain, &streams)?;
        let mut stores = BTreeMap::new();
        for (names, for_update) in [(told.iter(), true), (heard.iter(), false)] {
            let keys: Vec<_> = names.map(|store| values![chain, *store].to_vec()).collect();
            for row in transaction.rows(&status::STORES, &keys, for_update)? {
                stores.insert(row.get(1)?, Known::read(&row)?);
            }
        }
        Ok(Self {
            transaction,
            chain,
            known_points,
            met: Points::new(),
            now_ms,
            numbers,
            stores,
            journals: HashMap::new(),
            concerned: BTreeSet::new(),
            messages: Vec::new(),
            alerts: Vec::new(),
            samples: Vec::new(),
            labels: BTreeMap::new(),
        })
    }

    fn refuse(&mut self, topic: &str, payload: &[u8], reason: &str) -> Result<(), Error> {
        tracing::warn!(topic, reason, "refused");
        let newest: i64 = self
            .transaction
            .query(
                "INSERT INTO refused (received_ms, topic, reason, payload) VALUES (?1, ?2, ?3, ?4) RETURNING id",
                &values![self.now_ms, topic, reason, payload],
            )?
            .first()
            .map_or(Ok(0), |row| row.get(0))?;
        self.transaction.execute("DELETE FROM refused WHERE id <= ?1", &values![newest - REFUSED_MAX])?;
        Ok(())
    }

    fn message(&mut self, message: &Message, topic: &str, payload: &[u8]) -> Result<(), Error> {
        self.concerned.insert(message.store.clone());
        self.journals.entry(message.store.clone()).or_insert(message.journal);
        if let Rows::Gap(gap) = &message.rows {
            return self.gap(message, gap, topic, payload);
        }
        match self.numbers(&message.store, message.journal, message.stream).insert(message.seq) {
            Seen::Duplicate => return Ok(()),
            Seen::TooManyGaps => {
                return self.refuse(topic, payload, &Refusal::TooManyGaps(message.seq).to_string());
            }
            Seen::Fresh => {}
        }
        self.keep(message, payload);
        match &message.rows {
            Rows::Alert(alert) => {
                self.alerts.push(rows::alert(self.chain, message, alert, self.now_ms));
                Ok(())
            }
            Rows::Readings(points) => self.readings(&message.store, points),
            Rows::BatchOutcome(outcome) => self.batch_outcome(&message.store, outcome),
            Rows::LabelsShown(labels) => {
                labels.iter().for_each(|shown| self.label_shown(&message.store, shown));
                Ok(())
            }
            Rows::CommandOutcome(outcome) => {
                queue::answer(self.transaction, self.chain, &message.store, outcome)
            }
            Rows::None | Rows::Gap(_) => Ok(()),
            Rows::Fault(reason) => self.refuse(topic, payload, reason),
        }
    }

    /// A gap may carry the number of a message that came before the store dropped it: the numbers
    /// before it are settled all the same.
    fn gap(&mut self, message: &Message, gap: &v1::Gap, topic: &str, payload: &[u8]) -> Result<(), Error> {
        let numbers = self.numbers(&message.store, message.journal, message.stream);
        let before = numbers.highest();
        if !numbers.skip(gap.first_seq, message.seq) {
            return self.refuse(topic, payload, "the gap begins beyond a message that has not come");
        }
        if numbers.highest() == before {
            return Ok(());
        }
        self.keep(message, payload);
        let numbers = (gap.first_seq, message.seq);
        self.note_gap(&message.store, message.stream, numbers, (gap.from_ms, gap.to_ms))
    }

    /// For people: what will never come.
    fn note_gap(
        &mut self,
        store: &str,
        stream: Stream,
        (first, last): (u64, u64),
        (from_ms, to_ms): (i64, i64),
    ) -> Result<(), Error> {
        let (first, last) = (first.cast_signed(), last.cast_signed());
        self.transaction.execute(
            "INSERT INTO gap (chain, store, stream, first_seq, last_seq, from_ms, to_ms, received_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &values![self.chain, store, stream as i32, first, last, from_ms, to_ms, self.now_ms],
        )?;
        Ok(())
    }

    /// The raw message.
    fn keep(&mut self, message: &Message, payload: &[u8]) {
        self.messages.push(
            values![
                self.chain,
                &message.store,
                message.journal.cast_signed(),
                message.stream as i32,
                message.seq.cast_signed(),
                message.boot.cast_signed(),
                message.committed_ms,
                self.now_ms,
                payload
            ]
            .to_vec(),
        );
    }

    /// Of a stream that was locked, to be changed.
    fn numbers(&mut self, store: &str, journal: u64, stream: Stream) -> &mut Contiguous {
        let (numbers, is_changed) =
            self.numbers.entry((store.to_owned(), journal, stream as i32)).or_default();
        *is_changed = true;
        numbers
    }

    fn readings(&mut self, store: &str, points: &[PointReadings]) -> Result<(), Error> {
        for readings in points {
            let point = self.point(store, readings)?;
            self.samples.extend(
                readings
                    .readings
                    .iter()
                    .map(|reading| values![point, reading.at_ms, reading.value, reading.quality].to_vec()),
            );
        }
        if self.samples.len() >= SAMPLES_MAX {
            self.transaction.insert(&rows::SAMPLES, &std::mem::take(&mut self.samples))?;
        }
        Ok(())
    }

    fn point(&mut self, store: &str, readings: &PointReadings) -> Result<i64, Error> {
        let key = (store.to_owned(), readings.device.clone(), readings.point.clone());
        if let Some(&id) = self.known_points.get(&key).or_else(|| self.met.get(&key)) {
            return Ok(id);
        }
        let rows = self.transaction.query(
            "INSERT INTO point (chain, store, device, point, unit) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (chain, store, device, point) DO UPDATE SET unit = excluded.unit RETURNING id",
            &values![self.chain, store, &readings.device, &readings.point, &readings.unit],
        )?;
        let id = rows.first().ok_or(Error::Column { column: 0, expected: "a point's number" })?.get(0)?;
        self.met.insert(key, id);
        Ok(id)
    }

    /// A refusal never undoes an acceptance: a store that gets an accepted batch once more may say
    /// that its number is used up.
    ///
    /// A markdown that was made in a store is known only from here on.
    fn batch_outcome(&mut self, store: &str, outcome: &v1::BatchOutcome) -> Result<(), Error> {
        if outcome.accepted && !outcome.made_here.is_empty() {
            self.made_in_store(store, outcome)?;
        }
        self.transaction.execute(
            "UPDATE batch_store SET accepted = ?1, reason = ?2, outcome_ms = ?3
             WHERE digest = ?4 AND store = ?5 AND (accepted IS NULL OR accepted = 0)",
            &values![outcome.accepted, &outcome.reason, outcome.at_ms, &outcome.digest, store],
        )?;
        Ok(())
    }

    fn made_in_store(&mut self, store: &str, outcome: &v1::BatchOutcome) -> Result<(), Error> {
        let batch = v1::SignedBatch::decode(outcome.made_here.as_slice())
            .and_then(|signed| v1::PriceBatch::decode(signed.batch.as_slice()));
        let batch = batch.unwrap_or_default();
        let known = self.transaction.execute(
            "INSERT INTO batch (digest, chain, key_id, number, entries, accept_until_ms, created_ms, payload,
               campaign)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            &values![
                &outcome.digest,
                self.chain,
                &outcome.key_id,
                outcome.number.cast_signed(),
                i64::try_from(batch.entries.len()).unwrap_or(i64::MAX),
                batch.accept_until_ms,
                batch.issued_ms,
                &outcome.made_here,
                format!("{}-{}", outcome.key_id, outcome.number)
            ],
        )?;
        if known > 0 {
            let target = "INSERT INTO batch_store (digest, store) VALUES (?1, ?2)";
            self.transaction.execute(target, &values![&outcome.digest, store])?;
        }
        Ok(())
    }

    /// The newest of what is told of a label and a batch counts.
    fn label_shown(&mut self, store: &str, shown: &v1::LabelShown) {
        let name = (store.to_owned(), shown.label.clone(), shown.batch, shown.key_id.clone());
        let known = self.labels.get(&name).is_some_and(|(at_ms, _)| *at_ms > shown.at_ms);
        if !known {
            self.labels.insert(name, (shown.at_ms, rows::label_shown(self.chain, store, shown)));
        }
    }

    /// Writes what was gathered.
    fn write(&mut self) -> Result<(), Error> {
        self.transaction.insert(&rows::MESSAGES, &self.messages)?;
        self.transaction.insert(&rows::ALERTS, &self.alerts)?;
        self.transaction.insert(&rows::SAMPLES, &self.samples)?;
        let labels: Vec<_> = std::mem::take(&mut self.labels).into_values().map(|(_, row)| row).collect();
        self.transaction.insert(&rows::LABELS_SHOWN, &labels)?;
        let changed = self.numbers.iter().filter(|(_, (_, is_changed))| *is_changed);
        let changed: Vec<_> =
            changed.map(|(name, (numbers, _))| number_row(self.chain, name, numbers)).collect();
        self.transaction.insert(&NUMBERS, &changed)
    }

    fn acks(&mut self) -> Result<Vec<StoreAck>, Error> {
        let journal_of = |store: &String| {
            let told = self.stores.get(store).map(|known| known.journal).filter(|journal| *journal != 0);
            told.or_else(|| self.journals.get(store).copied()).map(|journal| (store.clone(), journal))
        };
        let journals: Vec<_> = self.concerned.iter().filter_map(journal_of).collect();
        let key =
            |(store, journal): &(String, u64)| values![self.chain, store, journal.cast_signed()].to_vec();
        let keys: Vec<_> = journals.iter().map(key).collect();
        let mut highest = HashMap::new();
        for row in self.transaction.rows(&NUMBERS, &keys, false)? {
            let (store, stream, seq): (String, i32, i64) = (row.get(1)?, row.get(3)?, row.get(4)?);
            highest.insert((store, stream), seq.cast_unsigned());
        }
        let at_ms = self.now_ms;
        let acks = journals.into_iter().map(|(store, journal)| {
            let of = |stream: Stream| {
                let seq = highest.get(&(store.clone(), stream as i32)).copied().unwrap_or(0);
                v1::StreamAck { stream: stream as i32, seq }
            };
            let streams = STREAMS.map(of).to_vec();
            StoreAck { store, ack: v1::Ack { journal, streams, at_ms } }
        });
        Ok(acks.collect())
    }
}

fn number_row(chain: &str, (store, journal, stream): &Name, numbers: &Contiguous) -> Vec<Value> {
    let highest = numbers.highest().cast_signed();
    values![chain, store, journal.cast_signed(), *stream, highest, numbers.beyond()].to_vec()
}

/// Reads which numbers of `streams` have come; until the end of the transaction that is nobody else's.
fn lock_numbers(
    transaction: &mut Transaction<'_>,
    chain: &str,
    streams: &BTreeSet<Name>,
) -> Result<BTreeMap<Name, (Contiguous, bool)>, Error> {
    let mut numbers = BTreeMap::new();
    let key =
        |(store, journal, stream): &Name| values![chain, store, journal.cast_signed(), *stream].to_vec();
    let mut keys: Vec<_> = streams.iter().map(key).collect();
    for attempt in 0..2 {
        for row in transaction.rows(&NUMBERS, &keys, true)? {
            let (highest, beyond): (i64, String) = (row.get(4)?, row.get(5)?);
            let stored =
                Contiguous::from_stored(highest.cast_unsigned(), &beyond).ok_or(Error::Numbers(beyond))?;
            let name = (row.get(1)?, row.get::<i64>(2)?.cast_unsigned(), row.get(3)?);
            numbers.insert(name, (stored, false));
        }
        let missing: Vec<_> = streams.iter().filter(|name| !numbers.contains_key(*name)).collect();
        if missing.is_empty() || attempt > 0 {
            break;
        }
        let fresh = Contiguous::default();
        let rows: Vec<_> = missing.iter().map(|name| number_row(chain, name, &fresh)).collect();
        transaction.insert(&FRESH_NUMBERS, &rows)?;
        // Read again: another worker may have been first.
        keys = missing.into_iter().map(key).collect();
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests;
