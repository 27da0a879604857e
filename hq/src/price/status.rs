//! `price status`: what became of each batch in each store.

use crate::Failure;
use crate::database::{Database, Error, now_ms, values};
use crate::keys::hex;
use crate::show::rfc3339;
use serde::Serialize;
use std::io::Write as _;
use storewarden_proto::v1::Proof;

/// What one store did with one batch.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) store: String,
    /// None until the store has said.
    pub(crate) accepted: Option<bool>,
    /// Why it was refused.
    reason: Option<String>,
    /// When it was last handed to the broker for this store.
    sent: Option<String>,
    /// Too late to be accepted, without an answer.
    expired: bool,
    /// Labels of which the store says that they show the batch's price, or why not yet.
    labels: Labels,
}

/// Labels by how sure the store is.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Labels {
    /// Refreshed or read back.
    shown: u32,
    /// Queued at or delivered by the gateway.
    under_way: u32,
    failed: u32,
}

impl Outcome {
    /// For people.
    pub(crate) fn line(&self) -> String {
        let Labels { shown, under_way, failed } = self.labels;
        let said = match (self.accepted, &self.sent) {
            (Some(true), _) => "accepted".to_owned(),
            (Some(false), _) => format!("refused: {}", self.reason.as_deref().unwrap_or("")),
            (None, _) if self.expired => "not answered, and too late now".to_owned(),
            (None, Some(sent)) => format!("sent {sent}, not answered yet"),
            (None, None) => "waits to be sent".to_owned(),
        };
        format!("{}: {said}; labels: {shown} shown, {under_way} under way, {failed} failed", self.store)
    }
}

/// One batch with its stores.
#[derive(Debug, Serialize)]
struct BatchStatus {
    digest: String,
    chain: String,
    key_id: String,
    number: i64,
    prices: i64,
    created: String,
    accept_until: String,
    stores: Vec<Outcome>,
}

/// Prints all batches, the newest last; one JSON object a line if `json`.
pub(crate) fn run(database: &mut Database, json: bool) -> Result<(), Failure> {
    let batches = database.query(
        "SELECT digest, chain, key_id, number, entries, created_ms, accept_until_ms FROM batch
         ORDER BY created_ms, number",
        &[],
    )?;
    for row in batches {
        let digest: Vec<u8> = row.get(0)?;
        let batch = BatchStatus {
            digest: hex(&digest),
            chain: row.get(1)?,
            key_id: row.get(2)?,
            number: row.get(3)?,
            prices: row.get(4)?,
            created: rfc3339(row.get(5)?),
            accept_until: rfc3339(row.get(6)?),
            stores: outcomes(database, &digest)?,
        };
        if json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&batch)?)?;
            continue;
        }
        writeln!(
            std::io::stdout(),
            "batch {} of key {} for chain {}: {} prices, signed {}, to be accepted until {}",
            batch.number,
            batch.key_id,
            batch.chain,
            batch.prices,
            batch.created,
            batch.accept_until
        )?;
        for outcome in &batch.stores {
            writeln!(std::io::stdout(), "  {}", outcome.line())?;
        }
    }
    Ok(())
}

/// What the stores of a batch have said so far.
pub(crate) fn outcomes(database: &mut Database, digest: &[u8]) -> Result<Vec<Outcome>, Error> {
    let proofs = [Proof::Refreshed, Proof::ReadBack, Proof::Queued, Proof::Delivered, Proof::Failed];
    let [refreshed, read_back, queued, delivered, failed] = proofs.map(i32::from);
    let rows = database.query(
        "SELECT target.store, accepted, target.reason, sent_ms, accept_until_ms,
           count(label) FILTER (WHERE proof IN (?2, ?3)),
           count(label) FILTER (WHERE proof IN (?4, ?5)),
           count(label) FILTER (WHERE proof = ?6)
         FROM batch_store AS target JOIN batch ON batch.digest = target.digest
           LEFT JOIN label_shown ON label_shown.chain = batch.chain AND label_shown.store = target.store
             AND label_shown.batch = batch.number
         WHERE target.digest = ?1
         GROUP BY target.store, accepted, target.reason, sent_ms, accept_until_ms ORDER BY target.store",
        &values![digest, refreshed, read_back, queued, delivered, failed],
    )?;
    let outcome = |row: &crate::database::Row| {
        let accepted: Option<bool> = row.get(1)?;
        Ok(Outcome {
            store: row.get(0)?,
            accepted,
            reason: row.get::<Option<String>>(2)?.filter(|reason| !reason.is_empty()),
            sent: row.get::<Option<i64>>(3)?.map(rfc3339),
            expired: accepted.is_none() && row.get::<i64>(4)? <= now_ms(),
            labels: Labels { shown: row.get(5)?, under_way: row.get(6)?, failed: row.get(7)? },
        })
    };
    rows.iter().map(outcome).collect()
}
