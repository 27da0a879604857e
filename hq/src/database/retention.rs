//! Telemetry is kept for so many days; alerts, prices and outcomes for ever.

use super::{Database, Error, Transaction, values};

const DAY_MS: i64 = 24 * 3_600_000;

/// Rows of each kind deleted in one go at most, so that messages never wait long behind it.
const SLICE: i64 = 10_000;

/// The day of a moment, counted from 1970-01-01 in UTC.
pub(crate) fn day(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

/// Deletes readings and raw telemetry taken in more than `keep_days` days ago, oldest first, at most a
/// slice of each. How many rows went; more may be left.
///
/// A reading counts by the day on which it came, not by its own time, which a store's clock may have
/// wrong. A raw message beyond a gap stays: only its row says that it has come.
pub(crate) fn forget(database: &mut Database, keep_days: i64, now_ms: i64) -> Result<u64, Error> {
    let oldest_day = day(now_ms) - keep_days;
    database.transaction(|transaction| {
        let readings = transaction.execute(
            "DELETE FROM sample WHERE id IN (
               SELECT id FROM sample
               WHERE id < coalesce((SELECT min(first_sample) FROM sample_day WHERE day >= ?1),
                                   (SELECT max(id) + 1 FROM sample))
               ORDER BY id LIMIT ?2)",
            &values![oldest_day, SLICE],
        )?;
        let messages = transaction.execute(
            "DELETE FROM message WHERE (chain, store, journal, stream, seq) IN (
               SELECT message.chain, message.store, message.journal, message.stream, message.seq
               FROM message JOIN contiguous USING (chain, store, journal, stream)
               WHERE message.stream = 4 AND message.received_ms < ?1 AND message.seq <= contiguous.seq
               ORDER BY message.received_ms LIMIT ?2)",
            &values![oldest_day * DAY_MS, SLICE],
        )?;
        Ok(readings + messages)
    })
}

/// Notes which reading will be the first of a day, unless another worker has.
pub(super) fn note_day(transaction: &mut Transaction<'_>, day: i64) -> Result<(), Error> {
    transaction.execute(
        "INSERT INTO sample_day VALUES (?1, (SELECT coalesce(max(id), 0) + 1 FROM sample))
         ON CONFLICT (day) DO NOTHING",
        &values![day],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Ledger;
    use crate::database::tests::Empty;
    use prost::Message as _;
    use storewarden_proto::v1::{self, Stream, envelope::Body};

    fn telemetry(seq: u64) -> Vec<u8> {
        let series = v1::Series {
            device: "d".into(),
            point: "p".into(),
            // A clock far in the future must not keep a reading for ever.
            first_ms: i64::MAX,
            value: vec![1.0],
            quality: vec![v1::QualityRun { quality: 1, count: 1, exception: 0 }],
            ..Default::default()
        };
        v1::Envelope {
            chain: "kaixin".into(),
            store: "0042".into(),
            stream: Stream::Telemetry.into(),
            seq,
            journal: 9,
            body: Some(Body::Telemetry(v1::Telemetry { series: vec![series], ..Default::default() })),
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn old_telemetry_goes_and_is_still_not_taken_twice() {
        for empty in Empty::each() {
            let mut ledger = Ledger::new(empty.open(), "kaixin");
            let topic = "storewarden/v1/kaixin/0042/telemetry";
            let send = |ledger: &mut Ledger, seq, day: i64| {
                let payload = telemetry(seq);
                ledger.commit([(topic, payload.as_slice())], day * DAY_MS + 5).unwrap();
            };
            let rows = || (empty.count("sample"), empty.count("message"));
            // Number 3 lies beyond a gap.
            for (seq, day) in [(1, 100), (3, 101), (4, 110)] {
                send(&mut ledger, seq, day);
            }
            assert_eq!(forget(ledger.database(), 10, 110 * DAY_MS).unwrap(), 0);
            assert_eq!(forget(ledger.database(), 5, 110 * DAY_MS).unwrap(), 3);
            assert_eq!(rows(), (1, 2));
            let mut restarted = Ledger::new(empty.open(), "kaixin");
            for seq in [1, 3, 4] {
                send(&mut restarted, seq, 110);
            }
            assert_eq!(rows(), (1, 2), "all of them were here before");
            // Nothing came for long: all goes.
            assert_eq!(forget(ledger.database(), 5, 200 * DAY_MS).unwrap(), 1);
        }
    }
}
