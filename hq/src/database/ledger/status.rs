//! What the stores say of themselves: online or offline, and which journal they use.

use super::{Group, STREAMS};
use crate::database::{Error, Row, Table, Type, values};
use storewarden_proto::v1::{self, Stream};

/// Boots remembered of a store. A late status is of the one before, or of the one before that.
const FORMER_MAX: usize = 8;

pub(super) const STORES: Table = Table {
    name: "store",
    columns: &[
        ("chain", Type::Text),
        ("store", Type::Text),
        ("online", Type::Integer),
        ("boot", Type::Integer),
        ("journal", Type::Integer),
        ("at_ms", Type::Integer),
        ("former", Type::Text),
        ("version", Type::Text),
        ("config_digest", Type::Bytes),
        ("clock", Type::Integer),
        ("received_ms", Type::Integer),
        ("timezone", Type::Text),
        ("jurisdiction", Type::Text),
    ],
    conflict: "ON CONFLICT (chain, store) DO UPDATE SET online = excluded.online, boot = excluded.boot,
      journal = excluded.journal, at_ms = excluded.at_ms, former = excluded.former,
      version = excluded.version, config_digest = excluded.config_digest, clock = excluded.clock,
      received_ms = excluded.received_ms, jurisdiction = excluded.jurisdiction,
      timezone = CASE excluded.timezone WHEN '' THEN store.timezone ELSE excluded.timezone END",
};

/// What is known of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    online: bool,
    boot: u64,
    /// The journal it said it uses; 0 if it never did.
    pub(super) journal: u64,
    at_ms: i64,
    /// The boots before the present one, the latest first.
    former: Vec<u64>,
}

impl Known {
    /// From a row of [`STORES`].
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let former: String = row.get(6)?;
        Ok(Self {
            online: row.get(2)?,
            boot: row.get::<i64>(3)?.cast_unsigned(),
            journal: row.get::<i64>(4)?.cast_unsigned(),
            at_ms: row.get(5)?,
            former: former
                .split(' ')
                .filter_map(|boot| boot.parse::<i64>().ok())
                .map(i64::cast_unsigned)
                .collect(),
        })
    }

    fn former_text(&self) -> String {
        let former: Vec<_> = self.former.iter().map(|boot| boot.cast_signed().to_string()).collect();
        former.join(" ")
    }
}

/// What is known after `status`; none if it changes nothing.
///
/// It may come late, from a life before the present one: as a Last Will, or through a worker that stood
/// still. A boot that came before the present one never comes back. Of a boot that was never heard of, a
/// Last Will counts if it was written later than what is known.
fn after(known: Option<&Known>, status: &v1::Status) -> Option<Known> {
    let v1::Status { online, boot, journal, at_ms, .. } = *status;
    let Some(known) = known else {
        return Some(Known { online, boot, journal, at_ms, former: Vec::new() });
    };
    let mut former = known.former.clone();
    if boot == known.boot {
        if (online, journal, at_ms) == (known.online, known.journal, known.at_ms) {
            return None;
        }
    } else if former.contains(&boot) || !(online || at_ms > known.at_ms) {
        return None;
    } else {
        former.insert(0, known.boot);
        former.truncate(FORMER_MAX);
    }
    Some(Known { online, boot, journal, at_ms, former })
}

/// Up to which numbers the store has deleted what was acknowledged, by stream.
pub(super) fn floor(status: &v1::Status) -> impl Iterator<Item = (Stream, u64)> + '_ {
    let is_told = status.online && status.journal != 0;
    let acked = status.acked.iter().filter(move |_| is_told);
    acked
        .map(|acked| (acked.stream(), acked.seq))
        .filter(|(stream, seq)| STREAMS.contains(stream) && *seq > 0 && i64::try_from(*seq).is_ok())
}

impl Group<'_, '_> {
    pub(super) fn status(&mut self, status: &v1::Status) -> Result<(), Error> {
        if status.online {
            self.concerned.insert(status.store.clone());
        }
        let known = self.stores.get(&status.store);
        let Some(now_known) = after(known, status) else { return Ok(()) };
        let (is_known, journal_before) = (known.is_some(), known.map_or(0, |known| known.journal));
        let is_new_journal = status.online && status.journal != 0 && status.journal != journal_before;
        self.write_store(status, &now_known)?;
        self.stores.insert(status.store.clone(), now_known);
        if is_known && is_new_journal {
            // A store with a new journal has lost its price book: what it may still accept is sent anew.
            self.transaction.execute(
                "UPDATE batch_store SET accepted = NULL, sent_ms = NULL WHERE store = ?1
                   AND digest IN (SELECT digest FROM batch WHERE chain = ?2 AND accept_until_ms > ?3)",
                &values![&status.store, self.chain, self.now_ms],
            )?;
        }
        if !status.online {
            return Ok(());
        }
        self.floor(status)?;
        // A store that is back gets what waits for it without waiting for the next round.
        self.transaction.execute(
            "UPDATE batch_store SET sent_ms = NULL WHERE store = ?1 AND accepted IS NULL
               AND digest IN (SELECT digest FROM batch WHERE chain = ?2)",
            &values![&status.store, self.chain],
        )?;
        self.transaction.execute(
            "UPDATE command SET sent_ms = NULL WHERE chain = ?1 AND store = ?2 AND done IS NULL",
            &values![self.chain, &status.store],
        )?;
        Ok(())
    }

    fn write_store(&mut self, status: &v1::Status, known: &Known) -> Result<(), Error> {
        let row = values![
            self.chain,
            &status.store,
            known.online,
            known.boot.cast_signed(),
            known.journal.cast_signed(),
            known.at_ms,
            known.former_text(),
            &status.version,
            &status.config_digest,
            status.clock,
            self.now_ms,
            &status.timezone,
            &status.jurisdiction
        ];
        self.transaction.insert(&STORES, &[row.to_vec()])
    }

    /// What the store had acknowledged and no longer holds will never come: after a loss of this
    /// database it must not be waited for.
    fn floor(&mut self, status: &v1::Status) -> Result<(), Error> {
        for (stream, acked) in floor(status) {
            let name = (status.store.clone(), status.journal, stream as i32);
            let known = self.numbers.get(&name).map_or(0, |(numbers, _)| numbers.highest());
            if acked <= known {
                continue;
            }
            self.numbers(&status.store, status.journal, stream).skip(known + 1, acked);
            tracing::error!(
                store = %status.store, ?stream, from = known + 1, to = acked,
                "the store had these messages acknowledged and deleted them, but they are not in this database"
            );
            self.note_gap(&status.store, stream, (known + 1, acked), (0, status.at_ms))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(online: bool, boot: u64, at_ms: i64) -> v1::Status {
        v1::Status { online, boot, journal: boot, at_ms, ..v1::Status::default() }
    }

    #[test]
    fn a_status_of_a_former_boot_changes_nothing_however_late_it_comes() {
        let first = after(None, &status(true, 1, 100)).unwrap();
        assert_eq!(after(Some(&first), &status(true, 1, 100)), None, "told again");
        // The clock was set back before the second boot.
        let second = after(Some(&first), &status(true, 2, 50)).unwrap();
        assert_eq!((second.boot, second.journal), (2, 2));
        for late in [status(true, 1, 100), status(false, 1, 900), status(true, 1, 900)] {
            assert_eq!(after(Some(&second), &late), None);
        }
        assert!(!after(Some(&second), &status(false, 2, 50)).unwrap().online, "its own Last Will");
        assert_eq!(after(Some(&second), &status(false, 3, 40)), None, "of a life between the two");
        assert!(!after(Some(&second), &status(false, 3, 60)).unwrap().online);
    }

    #[test]
    fn few_boots_are_remembered_and_come_back_from_their_text() {
        let mut known = after(None, &status(true, u64::MAX, 0)).unwrap();
        for boot in 1..20 {
            known = after(Some(&known), &status(true, boot, 0)).unwrap();
        }
        assert_eq!(known.former, [18, 17, 16, 15, 14, 13, 12, 11]);
        let row = values!["c", "s", true, 19, 19, 0, known.former_text()];
        assert_eq!(Known::read(&Row(row.to_vec())).unwrap(), known);
    }
}
