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
