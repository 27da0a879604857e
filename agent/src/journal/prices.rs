//! Accepted price batches, and the newest result of each label.

use super::{Identity, audit, outbox};
use crate::label::delivery::Pages;
use crate::label::record::{Proof, Record, Told};
use crate::price::{KeyList, ListFault, Numbers, Refusal, Right, Verified};
use chrono_tz::Tz;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;
use storewarden_prices::{Batch, BatchId, PriceBook, Source, WITHDRAWN_KEPT};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{BatchOutcome, LabelShown, LabelsShown, PriceBatch, SignedBatch};
use storewarden_rules::Utc;

/// Labels of one message at most: some 20 KB.
const LABELS_A_MESSAGE: usize = 128;

/// Commits an accepted batch as it was signed, the audit row and the answer to headquarters.
pub fn accept(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    verified: &Verified,
) -> rusqlite::Result<()> {
    let Source { key, number, .. } = &verified.batch.source;
    connection
        .prepare_cached(
            "INSERT INTO price_batch (digest, key_id, number, at_ms, signed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![verified.digest, key, number.cast_signed(), now.0, verified.signed])?;
    let signers = verified.signers.join(", ");
    let mut what = format!("with {} entries", verified.batch.entries.len());
    for BatchId { key, number } in &verified.batch.withdraws {
        what += &format!(", withdrawing batch {number} of key {key}");
    }
    if !verified.by.is_empty() {
        what += &format!(", made by {}", verified.by);
    }
    let digest = hex(&verified.digest);
    let detail = format!("batch {number} {what}, signed by {signers}, sha256 {digest}");
    audit::append(connection, now, key, "price-batch-accepted", &detail)?;
    // Headquarters has not seen what the store manager signs.
    let made_here = if verified.right == Right::StoreManager { verified.signed.clone() } else { Vec::new() };
    let told = BatchOutcome { made_here, ..outcome(now, verified.digest, key, *number, None) };
    answer(connection, identity, now, told)
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

/// Commits a list of keys that holds from now on, the audit row and the answer to headquarters.
pub fn accept_list(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    (digest, signed): ([u8; 32], &[u8]),
    list: &KeyList,
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM key_list", [])?;
    connection.execute(
        "INSERT INTO key_list VALUES (?1, ?2, ?3, ?4)",
        params![digest, list.version.cast_signed(), now.0, signed],
    )?;
    let detail = format!("version {}, sha256 {}", list.version, hex(&digest));
    audit::append(connection, now, &list.root, "key-list-accepted", &detail)?;
    answer(connection, identity, now, outcome(now, digest, &list.root, list.version, None))
}

/// The list of keys in force, as it was signed.
pub fn key_list(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT signed FROM key_list", [], |row| row.get(0)).optional()
}

/// Commits that a list of keys was refused, and tells headquarters why.
pub fn refuse_list(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    digest: [u8; 32],
    why: &ListFault,
) -> rusqlite::Result<()> {
    let reason = why.to_string();
    let detail = format!("{reason}; sha256 {}", hex(&digest));
    audit::append(connection, now, "", "key-list-refused", &detail)?;
    answer(connection, identity, now, outcome(now, digest, "", 0, Some(reason)))
}

/// If a batch or list of keys with this digest was accepted before, tells headquarters so again and returns true.
pub fn answer_again(
    connection: &Connection,
    identity: &Identity,
    now: Utc,
    digest: [u8; 32],
) -> rusqlite::Result<bool> {
    let known: Option<(String, i64, i64)> = connection
        .prepare_cached(
            "SELECT key_id, number, at_ms FROM price_batch WHERE digest = ?1
             UNION ALL SELECT '', version, at_ms FROM key_list WHERE digest = ?1",
        )?
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
        made_here: Vec::new(),
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

/// When prices were last looked up by a clock that could be trusted.
pub fn priced_at(connection: &Connection) -> rusqlite::Result<Option<Utc>> {
    let at = connection.query_row("SELECT at_ms FROM price_time", [], |row| row.get(0)).optional()?;
    Ok(at.map(Utc))
}

/// Prices are looked up `at`.
pub fn price_at(connection: &Connection, at: Utc) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM price_time", [])?;
    connection.execute("INSERT INTO price_time VALUES (?1)", [at.0])?;
    Ok(())
}

/// The numbers that are used up.
pub fn numbers(connection: &Connection) -> rusqlite::Result<Numbers> {
    let mut numbers = Numbers::default();
    let mut batches = connection.prepare("SELECT key_id, number FROM price_batch ORDER BY number")?;
    let mut rows = batches.query([])?;
    while let Some(row) = rows.next()? {
        numbers.take(&row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(numbers)
}

/// Every accepted price of a store in `zone`. What this program cannot read of a batch
/// that another version accepted is left out and said.
pub fn load_book(connection: &Connection, zone: Tz) -> rusqlite::Result<PriceBook> {
    let mut book = PriceBook::new(zone);
    let mut batches =
        connection.prepare("SELECT key_id, number, signed FROM price_batch WHERE length(signed) > 0")?;
    let mut rows = batches.query([])?;
    while let Some(row) = rows.next()? {
        let (key, number): (String, i64) = (row.get(0)?, row.get(1)?);
        let signed = SignedBatch::decode(row.get_ref(2)?.as_blob()?);
        let batch = signed.and_then(|signed| PriceBatch::decode(signed.batch.as_slice()));
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(key, number, %error, "an accepted price batch cannot be read; push its prices again");
                continue;
            }
        };
        let (batch, faults) = Batch::read_again(&batch, &key);
        for (item, error) in faults {
            tracing::error!(key, number, item, %error, "an accepted price cannot be read; push it again");
        }
        batch.add_to(&mut book);
    }
    Ok(book)
}

/// Gives up the bytes of batches that were signed and accepted before `before` and are not among those
/// `held`: nothing of them counts any more. That they were, and when, stays. How many they were.
pub fn forget(connection: &Connection, before: Utc, held: &BTreeSet<BatchId>) -> rusqlite::Result<usize> {
    let mut old = connection.prepare(
        "SELECT accepted_order, key_id, number, signed FROM price_batch WHERE at_ms < ?1 AND length(signed) > 0",
    )?;
    let mut rows = old.query([before.0])?;
    let mut over: Vec<i64> = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        let id = BatchId { key: key.into(), number: row.get::<_, i64>(2)?.cast_unsigned() };
        let signed = SignedBatch::decode(row.get_ref(3)?.as_blob()?);
        let batch = signed.and_then(|signed| PriceBatch::decode(signed.batch.as_slice()));
        let is_over = |batch: PriceBatch| {
            let kept = if batch.withdraws.is_empty() { 0 } else { WITHDRAWN_KEPT.0 };
            batch.issued_ms < before.0 - kept
        };
        if !held.contains(&id) && batch.is_ok_and(is_over) {
            over.push(row.get(0)?);
        }
    }
    for order in &over {
        connection
            .prepare_cached("UPDATE price_batch SET signed = x'' WHERE accepted_order = ?1")?
            .execute([order])?;
    }
    Ok(over.len())
}

/// Commits a label's result. Headquarters is told by [`tell_labels`].
pub fn record_label(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let shown = LabelShown::from(record.clone());
    let proof = record.result.as_ref().ok().map(|proof| proof.name());
    connection
        .prepare_cached(
            "INSERT INTO label VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET
               image = ?2, proof = ?3, batch = ?4, at_ms = ?5,
               battery_mv = coalesce(?6, battery_mv), rf_dbm = coalesce(?7, rf_dbm), key_id = ?8, untold = ?9",
        )?
        .execute(params![
            record.label,
            shown.image,
            proof,
            shown.batch.cast_signed(),
            shown.at_ms,
            shown.battery_mv,
            shown.rf_dbm,
            shown.key_id,
            shown.encode_to_vec()
        ])
        .map(drop)
}

/// Tells headquarters what labels show of which it was not told, [`LABELS_A_MESSAGE`] a message. Of a label only its
/// newest result is told.
pub fn tell_labels(connection: &Connection, identity: &Identity, now: Utc) -> rusqlite::Result<()> {
    let untold = "SELECT label, untold FROM label WHERE untold IS NOT NULL ORDER BY at_ms, label";
    let mut untold = connection.prepare_cached(untold)?;
    let mut rows = untold.query([])?;
    let mut shown = Vec::new();
    while let Some(row) = rows.next()? {
        match LabelShown::decode(row.get_ref(1)?.as_blob()?) {
            Ok(label) => shown.push(label),
            Err(fault) => {
                let label: String = row.get(0)?;
                tracing::error!(%label, %fault, "what it shows cannot be read in the journal: headquarters is not told");
            }
        }
    }
    for some in shown.chunks(LABELS_A_MESSAGE) {
        let told = LabelsShown { shown: some.to_vec() };
        outbox::append(connection, identity, now, Body::LabelsShown(told))?;
    }
    connection.execute("UPDATE label SET untold = NULL WHERE untold IS NOT NULL", []).map(drop)
}

/// Commits what is known of a label's pages.
pub fn record_pages(connection: &Connection, label: &str, pages: Pages) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO label_page VALUES (?1, ?2, ?3)")?
        .execute(params![label, pages.shown, pages.kept])
        .map(drop)
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
    pub batch: BatchId,
    /// Its pages.
    pub pages: Pages,
    /// What it last told of itself.
    pub told: Told,
}

/// The newest result of every label.
pub fn load_labels(connection: &Connection) -> rusqlite::Result<Vec<StoredLabel>> {
    connection
        .prepare(
            "SELECT label, image, proof, batch, coalesce(shown, 0), kept, battery_mv, rf_dbm, key_id FROM label LEFT JOIN label_page USING (label)",
        )?
        .query_map([], |row| {
            let proof: Option<String> = row.get(2)?;
            Ok(StoredLabel {
                label: row.get(0)?,
                image: row.get(1)?,
                proof: proof.and_then(|name| Proof::from_name(&name)),
                batch: BatchId {
                    key: row.get::<_, String>(8)?.into(),
                    number: row.get::<_, i64>(3)?.cast_unsigned(),
                },
                pages: Pages { shown: row.get(4)?, kept: row.get(5)? },
                told: Told { battery_mv: row.get(6)?, rf_dbm: row.get(7)?, temperature_c: None },
            })
        })?
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::record::Price;
    use storewarden_prices::{Currency, LOOKS_BACK, Money};
    use storewarden_proto::v1;

    const DAY: i64 = 86_400_000;

    /// A batch accepted when it was signed: a price of water from then on, or a withdrawal.
    fn accept(db: &Connection, number: u64, day: i64, withdraws: Option<u64>) {
        let entry = v1::PriceEntry {
            item: "water".into(),
            gtin: "6921168509256".into(),
            name: "water".into(),
            currency: "CNY".into(),
            price_minor: number.cast_signed(),
            kind: v1::PriceKind::Regular.into(),
            valid_from_ms: day * DAY,
            ..v1::PriceEntry::default()
        };
        let name = |number| v1::BatchName { key_id: "li".into(), number };
        let batch = PriceBatch {
            number,
            issued_ms: day * DAY,
            entries: if withdraws.is_none() { vec![entry] } else { Vec::new() },
            withdraws: withdraws.map(name).into_iter().collect(),
            ..PriceBatch::default()
        };
        let signed = SignedBatch { batch: batch.encode_to_vec(), ..SignedBatch::default() };
        db.execute(
            "INSERT INTO price_batch (digest, key_id, number, at_ms, signed) VALUES (?1, 'li', ?2, ?3, ?4)",
            params![number.to_be_bytes(), number.cast_signed(), day * DAY, signed.encode_to_vec()],
        )
        .unwrap();
    }

    fn record(label: u32, minor: i64, at: i64) -> Record {
        let batch = BatchId { key: "li".into(), number: minor.cast_unsigned() };
        let price = Money::new(minor, Currency::Cny);
        let price = Price { item: "water".into(), price, batch };
        Record {
            label: format!("{label:08}"),
            image: [7; 32],
            price,
            result: Ok(Proof::Refreshed),
            told: Told::default(),
            at: Utc(at),
        }
    }

    /// What the outbox holds: of each message the labels and their prices.
    fn told(db: &Connection) -> Vec<Vec<(String, i64)>> {
        let rows = outbox::rows_after(db, v1::Stream::PriceResult, 0, 100).unwrap();
        let bodies = rows.into_iter().map(|row| v1::Envelope::decode(row.payload.as_slice()).unwrap().body);
        let labels = bodies.map(|body| match body {
            Some(Body::LabelsShown(told)) => told.shown,
            other => panic!("{other:?}"),
        });
        labels
            .map(|labels| labels.into_iter().map(|label| (label.label, label.price_minor)).collect())
            .collect()
    }

    #[test]
    fn each_label_is_told_once_and_as_it_is_at_last() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let store =
            Identity { chain: "kaixin".into(), store: "0042".into(), boot: 1, journal: 2, reports: true };
        tell_labels(&db, &store, Utc(1)).unwrap();
        assert!(told(&db).is_empty(), "there is nothing to tell");
        for label in 0..200 {
            record_label(&db, &record(label, 100, 1_000 - i64::from(label))).unwrap();
        }
        record_label(&db, &record(5, 300, 2_000)).unwrap();
        tell_labels(&db, &store, Utc(1)).unwrap();
        record_label(&db, &record(150, 400, 3_000)).unwrap();
        tell_labels(&db, &store, Utc(1)).unwrap();
        tell_labels(&db, &store, Utc(1)).unwrap();
        let messages = told(&db);
        assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), [128, 72, 1]);
        assert_eq!(messages[0][0], ("00000199".to_owned(), 100), "what waits longest goes first");
        let prices = |label: &str| {
            let of = messages.iter().flatten().filter(|(name, _)| name == label);
            of.map(|(_, price)| *price).collect::<Vec<_>>()
        };
        assert_eq!((prices("00000005"), prices("00000006")), (vec![300], vec![100]));
        assert_eq!(prices("00000150"), [100, 400], "told, shown, and told again");

        let nobody = Identity { reports: false, ..store.clone() };
        record_label(&db, &record(5, 500, 4_000)).unwrap();
        tell_labels(&db, &nobody, Utc(1)).unwrap();
        assert_eq!(told(&db).len(), 3);
        db.execute("UPDATE label SET untold = x'ff' WHERE label = '00000005'", []).unwrap();
        tell_labels(&db, &store, Utc(1)).unwrap();
        assert_eq!(told(&db).len(), 3, "what cannot be read holds up nothing");
        let left: i64 = db
            .query_row("SELECT count(*) FROM label WHERE untold IS NOT NULL", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0, "who has nobody to tell keeps nothing for it");
    }

    #[test]
    fn what_is_over_is_given_up_and_no_price_changes_by_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let zone = chrono_tz::Asia::Shanghai;
        accept(&db, 1, 0, None);
        accept(&db, 2, 1, None);
        accept(&db, 3, 2, None);
        accept(&db, 4, 3, Some(3));
        accept(&db, 5, 70, None);
        let price = |day: i64| {
            let book = load_book(&db, zone).unwrap();
            book.price_at("water", Utc(day * DAY)).map(|shown| shown.entry.price.minor)
        };
        assert_eq!(
            (price(1), price(2), price(3), price(69), price(71)),
            (Some(2), Some(3), Some(2), Some(2), Some(5))
        );
        let give_up = |day: i64| {
            let before = Utc(day * DAY - LOOKS_BACK.0);
            let mut book = load_book(&db, zone).unwrap();
            book.forget_before(before);
            forget(&db, before, &book.batches()).unwrap()
        };
        assert_eq!(give_up(40), 0, "younger than eight weeks");
        assert_eq!(give_up(72), 2, "the one that was replaced and the one that was withdrawn");
        assert_eq!((price(71), price(72)), (Some(5), Some(5)));
        assert_eq!(give_up(200), 1, "the second, but neither what withdraws nor what is in force");
        assert_eq!(price(200), Some(5));
        assert_eq!(give_up(500), 1, "what withdrew");
        let numbers = numbers(&db).unwrap();
        assert!((1..=5).all(|number| numbers.check("li", number).is_err()), "none can come again");
    }
}
