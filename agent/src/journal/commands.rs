//! Commands of headquarters: which were begun, and what became of them.

use super::{Identity, audit, outbox};
use crate::command::verify::Verified;
use rusqlite::{Connection, OptionalExtension as _, params};
use storewarden_proto::v1::CommandOutcome;
use storewarden_proto::v1::envelope::Body;
use storewarden_rules::Utc;

/// Finished commands that are kept. A command lives seven days at most; of one that is forgotten the
/// deadline is long over.
const KEPT_MAX: i64 = 10_000;

/// What the journal knows of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it was noted as begun.
    Begun,
    /// It is under way, or was when the agent stopped.
    UnderWay,
    /// It is over, and headquarters was told so again.
    Answered,
    /// Another command has that id.
    OtherContent,
}

/// Notes that a command is begun, unless it is known.
pub fn begin(
    db: &Connection,
    identity: &Identity,
    now: Utc,
    command: &Verified,
    detail: &str,
) -> rusqlite::Result<Known> {
    let known = db
        .prepare_cached("SELECT digest, done, reason, finished_ms FROM command WHERE id = ?1")?
        .query_row([&command.id], |row| {
            let digest: Vec<u8> = row.get(0)?;
            let Some(done) = row.get(1)? else { return Ok((digest, None)) };
            let (reason, at): (String, i64) = (row.get(2)?, row.get(3)?);
            Ok((digest, Some(outcome(&command.id, &command.by, Utc(at), done, reason))))
        })
        .optional()?;
    match known {
        Some((digest, _)) if digest != command.digest => Ok(Known::OtherContent),
        Some((_, Some(outcome))) => {
            tell(db, identity, now, outcome)?;
            Ok(Known::Answered)
        }
        Some((_, None)) => Ok(Known::UnderWay),
        None => {
            db.prepare_cached("INSERT INTO command (id, digest, by, begun_ms) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![command.id, command.digest, command.by, now.0])?;
            audit::append(db, now, &command.by, "command", &format!("{} {detail}", command.id))?;
            Ok(Known::Begun)
        }
    }
}

/// Notes what became of a command, and tells headquarters.
pub fn finish(
    db: &Connection,
    identity: &Identity,
    now: Utc,
    id: &str,
    result: &Result<(), String>,
) -> rusqlite::Result<()> {
    let (done, reason) = (result.is_ok(), result.clone().err().unwrap_or_default());
    let by: Option<String> = db
        .prepare_cached(
            "UPDATE command SET done = ?2, reason = ?3, finished_ms = ?4 WHERE id = ?1 AND done IS NULL
             RETURNING by",
        )?
        .query_row(params![id, done, reason, now.0], |row| row.get(0))
        .optional()?;
    let Some(by) = by else { return Ok(()) };
    let what = if done { "command-done" } else { "command-failed" };
    audit::append(db, now, &by, what, &format!("{id} {reason}"))?;
    db.prepare_cached(
        "DELETE FROM command WHERE done IS NOT NULL AND rowid <=
           (SELECT rowid FROM command WHERE done IS NOT NULL ORDER BY rowid DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([KEPT_MAX])?;
    tell(db, identity, now, outcome(id, &by, now, done, reason))
}

/// Notes that something was refused that cannot be noted under its id, and tells headquarters if it has one.
pub fn refuse(
    db: &Connection,
    identity: &Identity,
    now: Utc,
    (id, key_id): (&str, &str),
    reason: &str,
) -> rusqlite::Result<()> {
    audit::append(db, now, key_id, "command-refused", &format!("{id} {reason}"))?;
    if id.is_empty() {
        return Ok(());
    }
    tell(db, identity, now, outcome(id, "", now, false, reason.to_owned()))
}

/// Commands that were begun and of which the end is not known.
pub fn under_way(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare("SELECT id FROM command WHERE done IS NULL ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn outcome(id: &str, by: &str, at: Utc, done: bool, reason: String) -> CommandOutcome {
    CommandOutcome { id: id.into(), by: by.into(), at_ms: at.0, done, reason, ..CommandOutcome::default() }
}

fn tell(db: &Connection, identity: &Identity, now: Utc, outcome: CommandOutcome) -> rusqlite::Result<()> {
    outbox::append(db, identity, now, Body::CommandOutcome(outcome)).map(drop)
}
