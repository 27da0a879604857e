//! The journal as the store meets it: restarts, damage, jobs that fail beside jobs that do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use storewarden::journal::{Identity, Journal, JournalError, last_boot, outbox};
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Alert, Stream};
use storewarden_rules::Utc;

fn open(path: &Path) -> Result<Journal, JournalError> {
    let names = Identity { chain: "kaixin".into(), store: "0042".into(), boot: 1, journal: 0, reports: true };
    Journal::open(path, names)
}

async fn append(journal: &Journal) -> u64 {
    let identity = journal.identity().clone();
    let body = Body::Alert(Alert::default());
    journal.run(move |db| outbox::append(db, &identity, Utc(1), body.clone())).await.unwrap()
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_under_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    let name = journal.identity().journal;
    assert_eq!(append(&journal).await, 1);
    drop(journal);
    let journal = open(&path).unwrap();
    assert_eq!(journal.identity().journal, name);
    assert_eq!(append(&journal).await, 2);
    assert_eq!(last_boot(&path).unwrap_err().to_string(), "journal: Query returned no rows");
}

#[tokio::test]
async fn a_damaged_journal_is_put_aside_and_a_new_one_bears_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    let name = journal.identity().journal;
    append(&journal).await;
    drop(journal);
    // Wait for the thread to let go of the file, then hit it in the middle of a page.
    while std::fs::metadata(dir.path().join("journal.sqlite-wal")).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[..100].fill(0x5A);
    bytes[middle..middle + 4096].fill(0x5A);
    std::fs::write(&path, &bytes).unwrap();
    let journal = open(&path).unwrap();
    assert_ne!(journal.identity().journal, name);
    assert_eq!(append(&journal).await, 1);
    assert_eq!(std::fs::read(dir.path().join("journal.sqlite.damaged-1")).unwrap(), bytes, "kept as it was");
}

#[tokio::test]
async fn a_job_that_fails_takes_nothing_else_with_it_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir.path().join("journal.sqlite")).unwrap();
    let identity = journal.identity().clone();
    let failing = journal.run(move |db| {
        outbox::append(db, &identity, Utc(1), Body::Alert(Alert::default()))?;
        db.execute("INSERT INTO nowhere VALUES (1)", [])
    });
    let (good, bad, good_too) = tokio::join!(append(&journal), failing, append(&journal));
    assert!(matches!(bad, Err(JournalError::Job(_))));
    assert_eq!((good, good_too), (1, 2));
    let rows = journal.run(|db| outbox::rows_after(db, Stream::Alert, 0, 10)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_journal_of_another_version_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    journal.run(|db| db.execute("UPDATE identity SET version = 99", [])).await.unwrap();
    drop(journal);
    let told = open(&path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains("version 99"), "{told}");
    assert!(!dir.path().join("journal.sqlite.damaged-1").exists());
}

/// What the schema of a journal says, without comments, spaces and defaults that only a migration needs.
fn columns(path: &Path) -> Vec<(String, String, String, bool, i64)> {
    let db = rusqlite::Connection::open(path).unwrap();
    let mut statement = db
        .prepare(
            "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table' ORDER BY m.name, c.cid",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn count(path: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_journal_of_any_older_version_is_brought_to_this_one_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("fresh.sqlite");
    drop(open(&fresh).unwrap());
    let of_alarm = [
        "('freezer', 'no_response', 4, 'latched', 1, 2, NULL, 'power', '[]', NULL, 'li')",
        "('freezer', 'no_response', 4, 'latched', 1, 2, NULL, 'power', '[]', NULL, 'li', 0.5, '[]', NULL, NULL, 0,
          NULL, NULL, 0, NULL)",
    ];
    let schemas = [include_str!("journal_schemas/1.sql"), include_str!("journal_schemas/2.sql")];
    for (version, (schema, alarm)) in (1..).zip(schemas.iter().zip(of_alarm)) {
        let path = dir.path().join(format!("{version}.sqlite"));
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(schema).unwrap();
        old.execute_batch(&format!(
            "INSERT INTO identity VALUES ({version}, 77);
             INSERT INTO stream VALUES (1, 9, 7);
             INSERT INTO outbox VALUES (1, 8, 5, x'0102'), (1, 9, 5, x'030405');
             INSERT INTO alarm VALUES {alarm};"
        ))
        .unwrap();
        drop(old);
        let journal = open(&path).unwrap();
        assert_eq!(journal.identity().journal, 77);
        assert_eq!(append(&journal).await, 10, "numbers go on");
        assert_eq!(journal.run(|db| outbox::pending(db)).await.unwrap(), 3);
        let alarms = journal.run(|db| storewarden::journal::alarms::load(db)).await.unwrap();
        assert_eq!(alarms.iter().map(|alarm| (alarm.alarm, alarm.by.as_str())).collect::<Vec<_>>(), [(4, "li")]);
        assert_eq!(columns(&path), columns(&fresh));
        let held = "SELECT bytes - (SELECT sum(length(payload)) FROM outbox) FROM stream";
        assert_eq!(count(&path, held), 0, "bytes are counted from the first");
        assert_eq!(count(&path, "SELECT version FROM identity"), 3);
    }
}
