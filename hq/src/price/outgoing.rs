//! The queue of signed batches on their way to the stores.

use rusqlite::{Connection, OptionalExtension, params};

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
}

/// A batch to send to a store now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) store: String,
    pub(crate) payload: Vec<u8>,
}

/// The last number used with `key_id` in `chain`; 0 if none was.
pub(crate) fn last_number(connection: &Connection, chain: &str, key_id: &str) -> rusqlite::Result<i64> {
    let last = connection
        .query_row("SELECT max(number) FROM batch WHERE chain = ? AND key_id = ?", [chain, key_id], |row| {
            row.get::<_, Option<i64>>(0)
        })
        .optional()?;
    Ok(last.flatten().unwrap_or(0))
}

/// All stores of `chain` that ever sent a status.
pub(crate) fn known_stores(connection: &Connection, chain: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT store FROM store WHERE chain = ? ORDER BY store")?
        .query_map([chain], |row| row.get(0))?
        .collect()
}

/// Queues `batch` for `stores`, in one transaction.
pub(crate) fn queue(
    connection: &mut Connection,
    chain: &str,
    batch: &Batch,
    stores: &[String],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "INSERT INTO batch (digest, chain, key_id, number, entries, accept_until_ms, created_ms, payload)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            batch.digest,
            chain,
            batch.key_id,
            batch.number,
            i64::try_from(batch.entries).unwrap_or(i64::MAX),
            batch.accept_until_ms,
            batch.created_ms,
            batch.payload
        ],
    )?;
    for store in stores {
        transaction
            .execute("INSERT INTO batch_store (digest, store) VALUES (?, ?)", params![batch.digest, store])?;
    }
    transaction.commit()
}

/// What to send now, noted as sent. A batch is due when its store has not said what became of it, it
/// may still be accepted, and it was not sent within [`RESEND_MS`]. A store known to be offline is
/// left alone until it is back: its broker session would only fill with copies. Of one key, a store
/// gets one batch at a time: were the second accepted first, the store would have to refuse the
/// first as a replay.
pub(crate) fn take_due(connection: &mut Connection, chain: &str, now_ms: i64) -> rusqlite::Result<Vec<Due>> {
    let transaction = connection.transaction()?;
    let due: Vec<([u8; 32], Due)> = transaction
        .prepare_cached(
            "SELECT batch.digest, target.store, batch.payload
             FROM batch_store AS target JOIN batch ON batch.digest = target.digest
               LEFT JOIN store ON store.chain = batch.chain AND store.store = target.store
             WHERE batch.chain = ?1 AND target.accepted IS NULL AND batch.accept_until_ms > ?2
               AND (target.sent_ms IS NULL OR target.sent_ms <= ?2 - ?3)
               AND coalesce(store.online, 1) = 1
               AND NOT EXISTS (
                 SELECT 1 FROM batch_store AS before_target JOIN batch AS before USING (digest)
                 WHERE before_target.store = target.store AND before_target.accepted IS NULL
                   AND before.chain = batch.chain AND before.key_id = batch.key_id
                   AND before.number < batch.number AND before.accept_until_ms > ?2)
             ORDER BY batch.created_ms, target.store LIMIT ?4",
        )?
        .query_map(params![chain, now_ms, RESEND_MS, ROUND_MAX], |row| {
            Ok((row.get(0)?, Due { store: row.get(1)?, payload: row.get(2)? }))
        })?
        .collect::<Result<_, _>>()?;
    for (digest, due) in &due {
        transaction
            .prepare_cached("UPDATE batch_store SET sent_ms = ? WHERE digest = ? AND store = ?")?
            .execute(params![now_ms, digest, due.store])?;
    }
    transaction.commit()?;
    Ok(due.into_iter().map(|(_, due)| due).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    fn sent(connection: &mut Connection, now_ms: i64) -> Vec<(String, u8)> {
        take_due(connection, "kaixin", now_ms)
            .unwrap()
            .into_iter()
            .map(|due| (due.store, due.payload[0]))
            .collect()
    }

    fn answer(connection: &Connection, number: i64, store: &str, accepted: bool) {
        let answered = connection
            .execute(
                "UPDATE batch_store SET accepted = ? WHERE digest = ? AND store = ?",
                params![accepted, batch(number).digest, store],
            )
            .unwrap();
        assert_eq!(answered, 1);
    }

    #[test]
    fn a_batch_is_sent_again_until_the_store_has_answered() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = crate::database::open(&dir.path().join("hq.sqlite")).unwrap();
        queue(&mut connection, "kaixin", &batch(1), &["a".into(), "b".into()]).unwrap();
        queue(&mut connection, "kaixin", &batch(2), &["a".into()]).unwrap();
        assert_eq!(last_number(&connection, "kaixin", "hq-1").unwrap(), 2);
        assert_eq!(last_number(&connection, "kaixin", "hq-2").unwrap(), 0);

        assert_eq!(sent(&mut connection, 10), [("a".into(), 1), ("b".into(), 1)]);
        assert_eq!(sent(&mut connection, 20), []);
        answer(&connection, 1, "a", true);
        assert_eq!(sent(&mut connection, 30), [("a".into(), 2)], "the next of its key may go now");
        assert_eq!(sent(&mut connection, 10 + RESEND_MS), [("b".into(), 1)]);
        answer(&connection, 1, "b", false);
        assert_eq!(sent(&mut connection, HOUR - 1), [("a".into(), 2)]);
        assert_eq!(sent(&mut connection, HOUR + RESEND_MS), [], "too late to be accepted");
    }

    #[test]
    fn an_offline_store_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = crate::database::open(&dir.path().join("hq.sqlite")).unwrap();
        connection
            .execute("INSERT INTO store VALUES ('kaixin', 'a', 0, 1, 1, '', x'', 0, 0, 0)", [])
            .unwrap();
        queue(&mut connection, "kaixin", &batch(1), &["a".into()]).unwrap();
        assert_eq!(known_stores(&connection, "kaixin").unwrap(), ["a"]);
        assert_eq!(sent(&mut connection, 10), []);
        connection.execute("UPDATE store SET online = 1", []).unwrap();
        assert_eq!(sent(&mut connection, 20), [("a".into(), 1)]);
    }
}
