//! From version 4: a price batch is kept as it was signed, and when prices were looked up last: until then
//! whatever the clock said was believed, up to the last sign of life.
//!
//! Until then its entries were rows, and the signed bytes were thrown away. They are written as a batch without
//! signatures, so that there is one kind of batch to read; of these nothing can be proven later.

use rusqlite::{Connection, params};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::{PriceBatch, PriceEntry, PriceKind, SignedBatch};

/// The step, in the transaction of all steps.
pub(super) fn migrate(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE price_batch_5 (
            accepted_order INTEGER PRIMARY KEY,
            digest         BLOB NOT NULL UNIQUE,
            key_id         TEXT NOT NULL,
            number         INTEGER NOT NULL,
            at_ms          INTEGER NOT NULL,
            signed         BLOB NOT NULL,
            UNIQUE (key_id, number)
         ) STRICT;",
    )?;
    let mut batches =
        db.prepare("SELECT accepted_order, digest, key_id, number, at_ms FROM price_batch ORDER BY 1")?;
    let mut rows = batches.query([])?;
    let mut issued_ms = 0;
    while let Some(row) = rows.next()? {
        let (order, at_ms): (i64, i64) = (row.get(0)?, row.get(4)?);
        let number: i64 = row.get(3)?;
        // What counted was the order of acceptance, also where the clock was put back.
        issued_ms = at_ms.max(issued_ms + 1);
        let batch = PriceBatch {
            number: number.cast_unsigned(),
            issued_ms,
            entries: entries(db, order)?,
            ..PriceBatch::default()
        };
        let signed = SignedBatch { batch: batch.encode_to_vec(), ..SignedBatch::default() };
        db.execute(
            "INSERT INTO price_batch_5 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                order,
                row.get::<_, Vec<u8>>(1)?,
                row.get::<_, String>(2)?,
                number,
                at_ms,
                signed.encode_to_vec()
            ],
        )?;
    }
    drop(rows);
    drop(batches);
    db.execute_batch(
        "DROP TABLE price_entry; DROP TABLE price_batch; ALTER TABLE price_batch_5 RENAME TO price_batch;
         CREATE TABLE price_time (at_ms INTEGER NOT NULL) STRICT;
         INSERT INTO price_time SELECT max(max(started_ms), coalesce(max(stopped_ms), 0)) FROM boot
            HAVING count(*) > 0;",
    )
}

fn entries(db: &Connection, order: i64) -> rusqlite::Result<Vec<PriceEntry>> {
    db.prepare_cached(
        "SELECT item, gtin, name, unit, currency, price_minor, kind, valid_from_ms, coalesce(valid_until_ms, 0)
         FROM price_entry WHERE accepted_order = ?1 ORDER BY position",
    )?
    .query_map([order], |row| {
        let kind: String = row.get(6)?;
        let kind = if kind == "promotion" { PriceKind::Promotion } else { PriceKind::Regular };
        Ok(PriceEntry {
            item: row.get(0)?,
            gtin: row.get(1)?,
            name: row.get(2)?,
            unit: row.get(3)?,
            currency: row.get(4)?,
            price_minor: row.get(5)?,
            kind: kind.into(),
            valid_from_ms: row.get(7)?,
            valid_until_ms: row.get(8)?,
            ..PriceEntry::default()
        })
    })?
    .collect()
}
