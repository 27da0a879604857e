//! The queue of signed batches on their way to the stores.

use crate::database::{Database, Error, Table, Type, values};
use crate::due::Due;

/// A batch that may be on its way: sent again when nothing was heard for so long.
const RESEND_MS: i64 = 30_000;

/// Batches sent in one round at most: 16 MiB if each is as large as a payload may be.
const ROUND_MAX: i64 = 64;

/// A signed batch with what is needed to send and list it.
pub(crate) struct Batch {
    /// SHA-256 of the signed bytes.
    pub(crate) digest: [u8; 32],
    pub(crate) key_id: String,
    pub(crate) number: i64,
    pub(crate) entries: usize,
    pub(crate) accept_until_ms: i64,
    pub(crate) created_ms: i64,
    /// A `SignedBatch` as it travels.
    pub(crate) payload: Vec<u8>,
    /// What it belongs to; a list of keys belongs to none.
    pub(crate) campaign: Option<String>,
}

/// The last number used with `key_id` in `chain`; 0 if none was.
pub(crate) fn last_number(database: &mut Database, chain: &str, key_id: &str) -> Result<i64, Error> {
    let rows = database.query(
        "SELECT coalesce(max(number), 0) FROM batch WHERE chain = ?1 AND key_id = ?2 AND is_list = 0",
        &values![chain, key_id],
    )?;
    rows.first().map_or(Ok(0), |row| row.get(0))
}

/// The last version of a list of keys in `chain`, whichever root key signed it; 0 if none was.
pub(crate) fn last_list(database: &mut Database, chain: &str) -> Result<i64, Error> {
    let sql = "SELECT coalesce(max(number), 0) FROM batch WHERE chain = ?1 AND is_list = 1";
    database.query(sql, &values![chain])?.first().map_or(Ok(0), |row| row.get(0))
}

/// The digests of a campaign's batches.
pub(crate) fn batches_of(
    database: &mut Database,
    chain: &str,
    campaign: &str,
) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "SELECT digest FROM batch WHERE chain = ?1 AND campaign = ?2 AND is_list = 0 ORDER BY number";
    database.query(sql, &values![chain, campaign])?.iter().map(|row| row.get(0)).collect()
}

/// All stores of `chain` that ever sent a status.
pub(crate) fn known_stores(database: &mut Database, chain: &str) -> Result<Vec<String>, Error> {
    let rows = database.query("SELECT store FROM store WHERE chain = ?1 ORDER BY store", &values![chain])?;
    rows.iter().map(|row| row.get(0)).collect()
}

const BATCH_STORES: Table =
    Table { name: "batch_store", columns: &[("digest", Type::Bytes), ("store", Type::Text)], conflict: "" };

/// Queues `batches` for `stores`, all or none.
pub(crate) fn queue(
    database: &mut Database,
    chain: &str,
    batches: &[Batch],
    stores: &[String],
) -> Result<(), Error> {
    database.transaction(|transaction| {
        batches.iter().try_for_each(|batch| {
            let digest = batch.digest.as_slice();
            let stores: Vec<_> = stores.iter().map(|store| values![digest, store].to_vec()).collect();
            transaction.execute(
            "INSERT INTO batch (digest, chain, key_id, number, entries, accept_until_ms, created_ms, payload,
               campaign, is_list)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            &values![
                digest,
                chain,
                &batch.key_id,
                batch.number,
                i64::try_from(batch.entries).unwrap_or(i64::MAX),
                batch.accept_until_ms,
                batch.created_ms,
                &batch.payload,
                batch.campaign.as_deref().unwrap_or_default(),
                batch.campaign.is_none()
            ],
        )?;
            transaction.insert(&BATCH_STORES, &stores)
        })
    })
}

/// What to send now, noted as sent. A batch is due when its store has not said what became of it, it
/// may still be accepted, and it was not sent within [`RESEND_MS`]. A store known to be offline is
/// left alone until it is back: its broker session would only fill with copies. A store takes
/// the batches of a key in any order. Of several workers that ask at once, one gets each batch.
pub(crate) fn take_due(database: &mut Database, chain: &str, now_ms: i64) -> Result<Vec<Due>, Error> {
    let rows = database.query(
        "SELECT batch.digest, target.store, batch.payload
         FROM batch_store AS target JOIN batch ON batch.digest = target.digest
           LEFT JOIN store ON store.chain = batch.chain AND store.store = target.store
         WHERE batch.chain = ?1 AND target.accepted IS NULL AND batch.accept_until_ms > ?2
           AND (target.sent_ms IS NULL OR target.sent_ms <= ?3)
           AND coalesce(store.online, 1) = 1
         ORDER BY batch.created_ms, target.store LIMIT ?4",
        &values![chain, now_ms, now_ms - RESEND_MS, ROUND_MAX],
    )?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    database.transaction(|transaction| {
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let (digest, store): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
            let is_ours = transaction.execute(
                "UPDATE batch_store SET sent_ms = ?1
                 WHERE digest = ?2 AND store = ?3 AND (sent_ms IS NULL OR sent_ms <= ?4)",
                &values![now_ms, &digest, &store, now_ms - RESEND_MS],
            )? > 0;
            if is_ours {
                due.push(Due { store, payload: row.get(2)? });
            }
        }
        Ok(due)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Ledger;
    use crate::database::tests::Empty;
    use prost::Message as _;
    use storewarden_proto::{topic::StoreTopics, v1};

    const HOUR: i64 = 3_600_000;

    fn batch(number: i64) -> Batch {
        Batch {
            digest: [u8::try_from(number).unwrap(); 32],
            key_id: "hq-1".into(),
            number,
            entries: 1,
            accept_until_ms: HOUR,
            created_ms: number,
            payload: vec![u8::try_from(number).unwrap()],
            campaign: Some("leaflet".into()),
        }
    }

    fn sent(database: &mut Database, now_ms: i64) -> Vec<(String, u8)> {
        let due = take_due(database, "kaixin", now_ms).unwrap();
        due.into_iter().map(|due| (due.store, due.payload[0])).collect()
    }

    fn answer(database: &mut Database, number: i64, store: &str, accepted: bool) {
        let sql = "UPDATE batch_store SET accepted = ?1 WHERE digest = ?2 AND store = ?3";
        let values = values![accepted, batch(number).digest.as_slice(), store];
        assert_eq!(database.transaction(|transaction| transaction.execute(sql, &values)).unwrap(), 1);
    }

    #[test]
    fn a_batch_is_sent_again_until_the_store_has_answered() {
        for empty in Empty::each() {
            let database = &mut empty.open();
            queue(database, "kaixin", &[batch(1)], &["a".into(), "b".into()]).unwrap();
            queue(database, "kaixin", &[batch(2)], &["a".into()]).unwrap();
            assert_eq!(last_number(database, "kaixin", "hq-1").unwrap(), 2);
            assert_eq!(last_number(database, "kaixin", "hq-2").unwrap(), 0);

            let mut first = sent(database, 10);
            first.sort();
            assert_eq!(first, [("a".into(), 1), ("a".into(), 2), ("b".into(), 1)]);
            assert_eq!(sent(database, 20), []);
            answer(database, 2, "a", true);
            let mut again = sent(database, 10 + RESEND_MS);
            again.sort();
            assert_eq!(again, [("a".into(), 1), ("b".into(), 1)]);
            answer(database, 1, "b", false);
            assert_eq!(sent(database, HOUR - 1), [("a".into(), 1)]);
            assert_eq!(sent(database, HOUR + RESEND_MS), [], "too late to be accepted");
        }
    }

    #[test]
    fn of_several_workers_one_sends_each_batch() {
        for empty in Empty::each() {
            let stores: Vec<_> = (0..40).map(|n| format!("s{n:02}")).collect();
            queue(&mut empty.open(), "kaixin", &[batch(1)], &stores).unwrap();
            let mut all: Vec<_> = std::thread::scope(|scope| {
                let workers: Vec<_> = (0..4)
                    .map(|_| {
                        let mut database = empty.open();
                        scope.spawn(move || sent(&mut database, 10))
                    })
                    .collect();
                workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
            });
            all.sort();
            assert_eq!(all, stores.into_iter().map(|store| (store, 1)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_offline_store_is_left_alone() {
        for empty in Empty::each() {
            let database = &mut empty.open();
            let offline =
                v1::Status { chain: "kaixin".into(), store: "a".into(), journal: 1, ..Default::default() };
            let topic = StoreTopics::new("kaixin", "a").status();
            let payload = offline.encode_to_vec();
            Ledger::new(empty.open(), "kaixin").commit([(topic.as_str(), payload.as_slice())], 1).unwrap();
            queue(database, "kaixin", &[batch(1)], &["a".into()]).unwrap();
            assert_eq!(known_stores(database, "kaixin").unwrap(), ["a"]);
            assert_eq!(sent(database, 10), []);
            let online = "UPDATE store SET online = 1";
            database.transaction(|transaction| transaction.execute(online, &[])).unwrap();
            assert_eq!(sent(database, 20), [("a".into(), 1)]);
        }
    }
}
