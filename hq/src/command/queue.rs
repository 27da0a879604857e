//! The queue of signed commands on their way to the stores.

use crate::database::{Database, Error, Row, Transaction, values};
use crate::due::Due;
use crate::show::rfc3339;
use serde::Serialize;
use storewarden_proto::v1::CommandOutcome;

/// A command that may be on its way: sent again when nothing was heard for so long.
const RESEND_MS: i64 = 30_000;

/// Commands sent in one round at most.
const ROUND_MAX: i64 = 64;

/// A signed command with what is needed to send and list it.
#[derive(Debug)]
pub(crate) struct Queued<'a> {
    pub(crate) id: &'a str,
    pub(crate) chain: &'a str,
    pub(crate) store: &'a str,
    pub(crate) by: &'a str,
    /// For people.
    pub(crate) act: &'a str,
    pub(crate) issued_ms: i64,
    pub(crate) deadline_ms: i64,
    /// A `SignedCommand` as it travels.
    pub(crate) payload: &'a [u8],
}

/// What became of a command.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) chain: String,
    pub(crate) store: String,
    by: String,
    act: String,
    issued: String,
    deadline: String,
    /// When it was last handed to the broker.
    sent: Option<String>,
    /// None until the store has said.
    pub(crate) done: Option<bool>,
    /// Why it was not done.
    reason: String,
    /// Its deadline is over without an answer.
    pub(crate) expired: bool,
}

impl Status {
    fn read(row: &Row, now_ms: i64) -> Result<Self, Error> {
        let done = row.get(8)?;
        let deadline_ms: i64 = row.get(6)?;
        Ok(Self {
            id: row.get(0)?,
            chain: row.get(1)?,
            store: row.get(2)?,
            by: row.get(3)?,
            act: row.get(4)?,
            issued: rfc3339(row.get(5)?),
            deadline: rfc3339(deadline_ms),
            sent: row.get::<Option<i64>>(7)?.map(rfc3339),
            done,
            reason: row.get::<Option<String>>(9)?.unwrap_or_default(),
            expired: done.is_none() && deadline_ms <= now_ms,
        })
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let said = match (self.done, &self.sent) {
            (Some(true), _) => "done".to_owned(),
            (Some(false), _) => format!("not done: {}", self.reason),
            (None, _) if self.expired => "not answered, and too late now".to_owned(),
            (None, Some(sent)) => format!("sent {sent}, not answered yet"),
            (None, None) => "waits to be sent".to_owned(),
        };
        format!("{}  {}  {}  {}, by {}: {said}", self.issued, self.id, self.store, self.act, self.by)
    }
}

/// Queues a command.
pub(crate) fn add(database: &mut Database, command: &Queued<'_>) -> Result<(), Error> {
    let Queued { id, chain, store, by, act, issued_ms, deadline_ms, payload } = *command;
    database.transaction(|transaction| {
        transaction.execute(
            "INSERT INTO command (id, chain, store, by, act, issued_ms, deadline_ms, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &values![id, chain, store, by, act, issued_ms, deadline_ms, payload],
        )?;
        Ok(())
    })
}

/// What to send now, noted as sent. A command is due when its store has not said what became of it, its
/// deadline is not over, and it was not sent within [`RESEND_MS`]. A store gets one at a time, in the order of
/// issue: were "on" lost and sent again after "off", the light would stay on. A store known to be offline is
/// left alone until it is back. Of several workers that ask at once, one gets each command.
pub(crate) fn take_due(database: &mut Database, chain: &str, now_ms: i64) -> Result<Vec<Due>, Error> {
    let rows = database.query(
        "SELECT command.id, command.store, payload
         FROM command LEFT JOIN store ON store.chain = command.chain AND store.store = command.store
         WHERE command.chain = ?1 AND done IS NULL AND deadline_ms > ?2
           AND (sent_ms IS NULL OR sent_ms <= ?3) AND coalesce(store.online, 1) = 1
           AND NOT EXISTS (
             SELECT 1 FROM command AS before
             WHERE before.chain = command.chain AND before.store = command.store
               AND before.done IS NULL AND before.deadline_ms > ?2
               AND (before.issued_ms, before.id) < (command.issued_ms, command.id))
         ORDER BY issued_ms, command.id LIMIT ?4",
        &values![chain, now_ms, now_ms - RESEND_MS, ROUND_MAX],
    )?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    database.transaction(|transaction| {
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.get(0)?;
            let is_ours = transaction.execute(
                "UPDATE command SET sent_ms = ?1
                 WHERE id = ?2 AND done IS NULL AND (sent_ms IS NULL OR sent_ms <= ?3)",
                &values![now_ms, id, now_ms - RESEND_MS],
            )? > 0;
            if is_ours {
                due.push(Due { store: row.get(1)?, payload: row.get(2)? });
            }
        }
        Ok(due)
    })
}

/// A store says what became of a command of its own. The first word stays, but a "done" that comes after a
/// "not done" counts: a copy that came too late, or under a clock that was wrong, is answered for itself.
pub(crate) fn answer(
    transaction: &mut Transaction<'_>,
    chain: &str,
    store: &str,
    outcome: &CommandOutcome,
) -> Result<(), Error> {
    transaction.execute(
        "UPDATE command SET done = ?1, reason = ?2, outcome_ms = ?3
         WHERE id = ?4 AND chain = ?5 AND store = ?6 AND (done IS NULL OR (done = 0 AND ?1 = 1))",
        &values![outcome.done, &outcome.reason, outcome.at_ms, &outcome.id, chain, store],
    )?;
    Ok(())
}

/// The commands of a store or of all, oldest first; of one id if it is given.
pub(crate) fn statuses(
    database: &mut Database,
    (store, id): (Option<&str>, Option<&str>),
    now_ms: i64,
) -> Result<Vec<Status>, Error> {
    let rows = database.query(
        "SELECT id, chain, store, by, act, issued_ms, deadline_ms, sent_ms, done, reason FROM command
         WHERE (CAST(?1 AS text) IS NULL OR store = ?1) AND (CAST(?2 AS text) IS NULL OR id = ?2)
         ORDER BY issued_ms, id",
        &values![store, id],
    )?;
    rows.iter().map(|row| Status::read(row, now_ms)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::Empty;

    const HOUR: i64 = 3_600_000;

    fn queue(database: &mut Database, id: &str, store: &str, issued_ms: i64) {
        let queued = Queued {
            id,
            chain: "kaixin",
            store,
            by: "Wang",
            act: "defrost f",
            issued_ms,
            deadline_ms: HOUR,
            payload: id.as_bytes(),
        };
        add(database, &queued).unwrap();
    }

    fn sent(database: &mut Database, now_ms: i64) -> Vec<(String, String)> {
        let due = take_due(database, "kaixin", now_ms).unwrap();
        due.into_iter().map(|due| (due.store, String::from_utf8(due.payload).unwrap())).collect()
    }

    fn said(database: &mut Database, store: &str, id: &str, done: bool, reason: &str) {
        let outcome =
            CommandOutcome { id: id.into(), done, reason: reason.into(), at_ms: 50, ..Default::default() };
        database.transaction(|transaction| answer(transaction, "kaixin", store, &outcome)).unwrap();
    }

    #[test]
    fn a_command_is_sent_again_until_its_store_has_said_or_it_is_too_late() {
        for empty in Empty::each() {
            let database = &mut empty.open();
            queue(database, "c-2", "a", 2);
            queue(database, "c-1", "a", 1);
            queue(database, "c-3", "b", 3);
            let of = |store: &str, id: &str| (store.to_owned(), id.to_owned());
            assert_eq!(sent(database, 10), [of("a", "c-1"), of("b", "c-3")], "one at a time, by issue");
            assert_eq!(sent(database, 20), []);
            said(database, "a", "c-1", true, "");
            assert_eq!(sent(database, 30), [of("a", "c-2")]);
            // Another store says nothing about it.
            said(database, "a", "c-3", true, "");
            assert_eq!(sent(database, 30 + RESEND_MS), [of("a", "c-2"), of("b", "c-3")]);
            said(database, "a", "c-2", false, "too warm");
            said(database, "a", "c-2", false, "its deadline is over");
            assert_eq!(sent(database, HOUR + RESEND_MS), []);
            let lines: Vec<_> =
                statuses(database, (None, None), HOUR).unwrap().iter().map(Status::line).collect();
            assert!(lines[0].ends_with("c-1  a  defrost f, by Wang: done"), "{}", lines[0]);
            assert!(lines[1].ends_with("not done: too warm"), "{}", lines[1]);
            assert!(lines[2].ends_with("not answered, and too late now"), "{}", lines[2]);
            said(database, "a", "c-2", true, "");
            assert_eq!(statuses(database, (Some("a"), Some("c-2")), 0).unwrap()[0].done, Some(true));
        }
    }

    #[test]
    fn of_several_workers_one_sends_each_command() {
        for empty in Empty::each() {
            for n in 0..40 {
                queue(&mut empty.open(), &format!("c-{n:02}"), &format!("s{n:02}"), n);
            }
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
            let each = (0..40).map(|n| (format!("s{n:02}"), format!("c-{n:02}")));
            assert_eq!(all, each.collect::<Vec<_>>());
        }
    }
}
