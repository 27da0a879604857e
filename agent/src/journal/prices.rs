//! Accepted price batches, and the newest result of each label.

use super::{Identity, audit, outbox};
use crate::label::record::{Proof, Record};
use crate::price::{Currency, Entry, Gtin, Kind, Money, PriceBook, Refusal, Verified};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{BatchOutcome, LabelShown};
use storewarden_rules::Utc;

/// Commits an accepted batch with its entries, the audit row and the answer to headquarters. Returns
/// its place in the order of acceptance.
pub fn accept(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    batch: &Verified,
) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("INSERT INTO price_batch (digest, key_id, number, at_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![batch.digest, batch.key_id, batch.number.cast_signed(), now.0])?;
    let order = connection.last_insert_rowid();
    let mut insert = connection
        .prepare_cached("INSERT INTO price_entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    for (position, entry) in (0_i64..).zip(&batch.entries) {
        insert.execute(params![
            order,
            position,
            entry.item,
            entry.gtin.to_string(),
            entry.name,
            entry.unit,
            entry.price.currency.code(),
            entry.price.minor,
            entry.kind.name(),
            entry.valid_from.0,
            entry.valid_until.map(|until| until.0),
        ])?;
    }
    let detail =
        format!("batch {} with {} entries, sha256 {}", batch.number, batch.entries.len(), hex(&batch.digest));
    audit::append(connection, now, &batch.key_id, "price-batch-accepted", &detail)?;
    answer(connection, identity, now, outcome(now, batch.digest, &batch.key_id, batch.number, None))?;
    Ok(order.cast_unsigned())
}

/// Commits that a batch was refused, and tells headquarters why.
pub fn refuse(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    refusal: &Refusal,
) -> rusqlite::Result<()> {
    let reason = refusal.to_string();
    let detail = format!("batch {} refused: {reason}; sha256 {}", refusal.number, hex(&refusal.digest));
    audit::append(connection, now, &refusal.key_id, "price-batch-refused", &detail)?;
    let told = outcome(now, refusal.digest, &refusal.key_id, refusal.number, Some(reason));
    answer(connection, identity, now, told)
}

/// If a batch with this digest was accepted before, tells headquarters so again and returns true.
pub fn answer_again(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    digest: [u8; 32],
) -> rusqlite::Result<bool> {
    let known: Option<(String, i64, i64)> = connection
        .prepare_cached("SELECT key_id, number, at_ms FROM price_batch WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((key_id, number, at_ms)) = known else { return Ok(false) };
    answer(connection, identity, now, outcome(Utc(at_ms), digest, &key_id, number.cast_unsigned(), None))?;
    Ok(true)
}

fn outcome(at: Utc, digest: [u8; 32], key_id: &str, number: u64, refused: Option<String>) -> BatchOutcome {
    BatchOutcome {
        digest: digest.to_vec(),
        key_id: key_id.to_owned(),
        number,
        accepted: refused.is_none(),
        reason: refused.unwrap_or_default(),
        at_ms: at.0,
    }
}

fn answer(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    outcome: BatchOutcome,
) -> rusqlite::Result<()> {
    outbox::append(connection, identity, now, Body::BatchOutcome(outcome)).map(drop)
}

/// The highest number accepted from each key.
pub fn last_numbers(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    connection
        .prepare("SELECT key_id, max(number) FROM price_batch GROUP BY key_id")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect()
}

/// Every accepted price that may still be shown at `now` or later.
pub fn load_book(connection: &Connection, now: Utc) -> rusqlite::Result<PriceBook> {
    let mut book = PriceBook::default();
    let mut batches = connection.prepare("SELECT accepted_order, number FROM price_batch ORDER BY 1")?;
    let mut entries = connection.prepare(
        "SELECT item, gtin, name, unit, currency, price_minor, kind, valid_from_ms, valid_until_ms
         FROM price_entry WHERE accepted_order = ?1 ORDER BY position",
    )?;
    let mut rows = batches.query([])?;
    while let Some(row) = rows.next()? {
        let (order, number): (i64, i64) = (row.get(0)?, row.get(1)?);
        let entries: Vec<Entry> = entries.query_map([order], entry)?.collect::<Result<_, _>>()?;
        book.insert(order.cast_unsigned(), number.cast_unsigned(), entries);
    }
    book.forget_before(now);
    Ok(book)
}

fn entry(row: &Row) -> rusqlite::Result<Entry> {
    let text = |index: usize| row.get::<_, String>(index);
    let wrong = |index: usize, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, what.into())
    };
    let gtin = Gtin::parse(&text(1)?).map_err(|_| wrong(1, "not a GTIN"))?;
    let currency = Currency::from_code(&text(4)?).ok_or_else(|| wrong(4, "not a currency"))?;
    let kind = Kind::from_name(&text(6)?).ok_or_else(|| wrong(6, "not a kind of price"))?;
    Ok(Entry {
        item: text(0)?,
        gtin,
        name: text(2)?,
        unit: text(3)?,
        price: Money::new(row.get(5)?, currency),
        kind,
        valid_from: Utc(row.get(7)?),
        valid_until: row.get::<_, Option<i64>>(8)?.map(Utc),
    })
}

/// Commits a label's result, and tells headquarters.
pub fn record_label(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    record: &Record,
) -> rusqlite::Result<()> {
    let shown = LabelShown::from(record.clone());
    let proof = record.result.as_ref().ok().map(|proof| proof.name());
    connection
        .prepare_cached("INSERT OR REPLACE INTO label VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![record.label, shown.image, proof, shown.batch.cast_signed(), shown.at_ms])?;
    outbox::append(connection, identity, now, Body::LabelShown(shown)).map(drop)
}

/// The newest result of one label.
pub struct StoredLabel {
    /// Tag id.
    pub label: String,
    /// SHA-256 of its image.
    pub image: [u8; 32],
    /// How sure it is; none if the attempt failed.
    pub proof: Option<Proof>,
    /// The batch its price came from.
    pub batch: u64,
}

/// The newest result of every label.
pub fn load_labels(connection: &Connection) -> rusqlite::Result<Vec<StoredLabel>> {
    connection
        .prepare("SELECT label, image, proof, batch FROM label")?
        .query_map([], |row| {
            let proof: Option<String> = row.get(2)?;
            Ok(StoredLabel {
                label: row.get(0)?,
                image: row.get(1)?,
                proof: proof.and_then(|name| Proof::from_name(&name)),
                batch: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })?
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
