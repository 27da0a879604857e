//! The journal as the store meets it: restarts, damage, jobs that fail beside jobs that do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use storewarden::journal::meter::Meter;
use storewarden::journal::{Identity, Journal, JournalError, last_boot, outbox, prices};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Alert, Envelope, PriceBatch, PriceEntry, PriceKind, SignedBatch, Stream};
use storewarden_rules::Utc;

fn open(path: &Path) -> Result<Journal, JournalError> {
    let names = Identity { chain: "kaixin".into(), store: "0042".into(), boot: 1, journal: 0, reports: true };
    Journal::open(path, names, Utc(9))
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
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
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
        "('freezer', 'no_response', 4, 'latched', 1, 2, NULL, 'power', '[]', NULL, 'li', 0.5, '[]', NULL, NULL, 0,
          NULL, NULL, 0, NULL)",
    ];
    let of_alarm_4 =
        "('freezer', 'no_response', 4, 'latched', 1, 2, NULL, 'power', '[]', NULL, 'li', 0.5, '[]',
          NULL, NULL, 0, NULL, NULL, 0, NULL, 1)";
    let schemas = [
        (include_str!("journal_schemas/1.sql"), of_alarm[0]),
        (include_str!("journal_schemas/2.sql"), of_alarm[1]),
        (include_str!("journal_schemas/3.sql"), of_alarm[1]),
        (include_str!("journal_schemas/4.sql"), of_alarm_4),
        (include_str!("journal_schemas/5.sql"), of_alarm_4),
    ];
    // From version 5 on a batch is kept as it was signed.
    let entry = PriceEntry {
        item: "water".into(),
        gtin: "6921168509256".into(),
        name: "农夫山泉".into(),
        unit: "550 ml".into(),
        currency: "CNY".into(),
        price_minor: 200,
        kind: PriceKind::Regular.into(),
        valid_from_ms: 500,
        ..PriceEntry::default()
    };
    let batch = PriceBatch { number: 7, issued_ms: 400, entries: vec![entry], ..PriceBatch::default() };
    let signed = SignedBatch { batch: batch.encode_to_vec(), ..SignedBatch::default() }.encode_to_vec();
    let signed: String = signed.iter().map(|byte| format!("{byte:02x}")).collect();
    for (version, (schema, alarm)) in (1..).zip(schemas) {
        let path = dir.path().join(format!("{version}.sqlite"));
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(schema).unwrap();
        old.execute_batch(&format!(
            "INSERT INTO identity VALUES ({version}, 77);
             INSERT INTO stream (stream, last, acked) VALUES (1, 9, 7);
             INSERT INTO outbox VALUES (1, 8, 5, x'0102'), (1, 9, 5, x'030405');
             INSERT INTO alarm VALUES {alarm};"
        ))
        .unwrap();
        old.execute_batch(&if version < 5 {
            "INSERT INTO price_batch VALUES (1, x'01', 'price-team', 7, 1000);
             INSERT INTO price_entry VALUES (1, 0, 'water', '6921168509256', '农夫山泉', '550 ml', 'CNY', 200,
               'regular', 500, NULL);"
                .to_owned()
        } else {
            format!("INSERT INTO price_batch VALUES (1, x'01', 'price-team', 7, 1000, x'{signed}');")
        })
        .unwrap();
        drop(old);
        let journal = open(&path).unwrap();
        assert_eq!(journal.identity().journal, 77);
        assert_eq!(append(&journal).await, 10, "numbers go on");
        assert_eq!(journal.run(outbox::pending).await.unwrap(), 3);
        let alarms =
            journal.run(|db| storewarden::journal::alarms::load(db, Meter::default())).await.unwrap();
        assert_eq!(
            alarms.iter().map(|alarm| (alarm.alarm, alarm.by.as_str())).collect::<Vec<_>>(),
            [(4, "li")]
        );
        assert_eq!(columns(&path), columns(&fresh));
        let held = "SELECT bytes - (SELECT sum(length(payload)) FROM outbox) FROM stream";
        assert_eq!(count(&path, held), 0, "bytes are counted from the first");
        assert_eq!(count(&path, "SELECT version FROM identity"), 7);
        let (book, numbers) = journal
            .run(|db| Ok((prices::load_book(db, chrono_tz::Asia::Shanghai)?, prices::numbers(db)?)))
            .await
            .unwrap();
        let price =
            book.price_at("water", Utc(2000)).map(|shown| (shown.entry.price.minor, shown.source.number));
        assert_eq!(price, Some((200, 7)), "what is on the shelf stays there");
        assert!(numbers.check("price-team", 7).is_err() && numbers.check("price-team", 8).is_ok());
    }
}

/// Runs `program` on the file and returns what it printed.
fn python(program: &str, path: &Path) -> String {
    let python = std::env::var("STOREWARDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = std::process::Command::new(python).arg("-c").arg(program).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_backup_is_whole_while_the_agent_writes_and_never_takes_the_place_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    for _ in 0..50 {
        append(&journal).await;
    }
    let writing = {
        let journal = journal.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                append(&journal).await;
            }
        })
    };
    let copy = dir.path().join("copy.sqlite");
    let (from, to) = (path.clone(), copy.clone());
    let bytes =
        tokio::task::spawn_blocking(move || storewarden::journal::backup(&from, &to)).await.unwrap().unwrap();
    writing.await.unwrap();
    assert_eq!(bytes, std::fs::metadata(&copy).unwrap().len());
    let judged = python(
        "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
check = db.execute('PRAGMA integrity_check').fetchone()[0]
count, last = db.execute('SELECT count(*), max(seq) FROM outbox').fetchone()
print(check, count == last == db.execute('SELECT last FROM stream').fetchone()[0], 50 <= count <= 250)",
        &copy,
    );
    assert_eq!(judged, "ok True True");
    let before = std::fs::read(&copy).unwrap();
    let told = storewarden::journal::backup(&path, &copy).unwrap_err().to_string();
    assert!(told.contains("exists") && told.contains("name a new file"), "{told}");
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    let restored = open(&copy).unwrap();
    assert_eq!(restored.identity().journal, journal.identity().journal);
}

#[tokio::test]
async fn the_file_stops_growing_at_the_budget_and_shrinks_when_headquarters_has_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    let budget = outbox::Budget { bytes: 20_000_000, messages: u64::MAX };
    let mut lengths = Vec::new();
    for round in 0..6 {
        for _ in 0..10 {
            let identity = journal.identity().clone();
            journal
                .run(move |db| {
                    for _ in 0..100 {
                        outbox::append_encoded(
                            db,
                            &identity,
                            Utc(round),
                            Stream::Telemetry,
                            &vec![7; 10_000],
                        )?;
                        outbox::bound_telemetry(db, &identity, Utc(round), budget)?;
                    }
                    Ok(())
                })
                .await
                .unwrap();
        }
        lengths.push(count(&path, "PRAGMA page_count") * 4096);
    }
    // A message of 10,000 bytes takes three pages of 4,096.
    assert!(lengths[5] <= 26_000_000 && lengths[5] == lengths[2], "{lengths:?}");
    journal.run(|db| outbox::acknowledge(db, Stream::Telemetry, 6000)).await.unwrap();
    for _ in 0..40 {
        append(&journal).await;
    }
    let free = count(&path, "PRAGMA freelist_count");
    assert!(count(&path, "PRAGMA page_count") <= 2 * 1024 && free <= 1024, "{free}");
}

/// Lets the thread close the file, so that all is in the one.
async fn close(journal: Journal, path: &Path) {
    drop(journal);
    while std::fs::metadata(format!("{}-wal", path.display())).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Fills the page with nonsense that holds row `row` of `table`, by its place in the file.
fn damage(path: &Path, mark: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0x5A);
    std::fs::write(path, bytes).unwrap();
}

async fn fill(journal: &Journal, stream: Stream, mark: &'static str, messages: usize) {
    let identity = journal.identity().clone();
    let write = move |db: &rusqlite::Connection| {
        for n in 0..messages {
            // An unknown field of an envelope, long enough that each page holds few.
            let body = [&[0xBA, 0x3E, 0xC8, 0x01][..], format!("{mark}{n:0>195}").as_bytes()].concat();
            outbox::append_encoded(db, &identity, Utc(3), stream, &body)?;
        }
        storewarden::journal::audit::append(db, Utc(3), "li", "test", mark)
    };
    journal.run(write).await.unwrap();
}

fn number(n: usize) -> String {
    format!("TELEM{n:0>195}")
}

#[tokio::test]
async fn damaged_telemetry_becomes_a_gap_under_the_old_name_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    let name = journal.identity().journal;
    fill(&journal, Stream::Alert, "ALERT", 300).await;
    fill(&journal, Stream::Telemetry, "TELEM", 300).await;
    journal.run(|db| outbox::acknowledge(db, Stream::Alert, 100)).await.unwrap();
    let alerts = journal.run(|db| outbox::rows_after(db, Stream::Alert, 0, 1000)).await.unwrap();
    close(journal, &path).await;
    damage(&path, number(150).as_bytes());

    let journal = open(&path).unwrap();
    assert!(journal.was_damaged());
    assert_eq!(journal.identity().journal, name);
    let after = journal.run(|db| outbox::rows_after(db, Stream::Alert, 0, 1000)).await.unwrap();
    assert_eq!(after.len(), 200);
    assert_eq!(after, alerts, "byte for byte");
    let telemetry = journal.run(|db| outbox::rows_after(db, Stream::Telemetry, 0, 1000)).await.unwrap();
    let mut next = 1;
    let mut gaps = 0;
    for row in &telemetry {
        let first = match Envelope::decode(row.payload.as_slice()).unwrap().body {
            Some(Body::Gap(gap)) => {
                gaps += 1;
                gap.first_seq
            }
            _ => row.seq,
        };
        assert_eq!(first, next);
        next = row.seq + 1;
    }
    assert_eq!((next, gaps), (301, 1));
    assert!(telemetry.len() > 250, "one page is lost: {}", telemetry.len());
    assert_eq!(append(&journal).await, 301, "numbers go on");
    let audit = journal
        .run(|db| db.query_row("SELECT group_concat(what) FROM audit", [], |row| row.get::<_, String>(0)));
    assert_eq!(audit.await.unwrap(), "test,test,journal-damaged");
    assert_eq!(journal.run(storewarden::journal::audit::first_break).await.unwrap(), None);
    let held = journal.run(|db| outbox::bytes(db, Stream::Telemetry)).await.unwrap();
    assert_eq!(held, telemetry.iter().map(|row| row.payload.len() as u64).sum::<u64>());
    assert!(dir.path().join("journal.sqlite.damaged-1").exists());
}

#[tokio::test]
async fn with_an_alert_lost_the_rest_goes_on_under_another_name_numbered_without_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    let name = journal.identity().journal;
    fill(&journal, Stream::Alert, "TELEM", 300).await;
    close(journal, &path).await;
    damage(&path, number(150).as_bytes());
    let journal = open(&path).unwrap();
    let new = journal.identity().journal;
    assert_ne!(new, name);
    let rows = journal.run(|db| outbox::rows_after(db, Stream::Alert, 0, 1000)).await.unwrap();
    assert!((250..300).contains(&rows.len()), "{}", rows.len());
    for (seq, row) in (1..).zip(&rows) {
        let envelope = Envelope::decode(row.payload.as_slice()).unwrap();
        assert_eq!((row.seq, envelope.seq, envelope.journal), (seq, seq, new));
    }
    let held = journal.run(|db| outbox::bytes(db, Stream::Alert)).await.unwrap();
    assert_eq!(held, rows.iter().map(|row| row.payload.len() as u64).sum::<u64>());
    assert_eq!(append(&journal).await, rows.len() as u64 + 1);
}

#[tokio::test]
async fn a_recovery_that_was_cut_off_is_finished_or_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite");
    let recovered = dir.path().join("journal.sqlite.recovered");
    let journal = open(&path).unwrap();
    let name = journal.identity().journal;
    close(journal, &path).await;
    // Cut off before the damaged one was out of the way: half a file counts for nothing.
    std::fs::write(&recovered, b"half").unwrap();
    let journal = open(&path).unwrap();
    assert_eq!((journal.identity().journal, recovered.exists()), (name, false));
    close(journal, &path).await;
    // And after: the new one is taken into use.
    std::fs::rename(&path, &recovered).unwrap();
    assert_eq!(open(&path).unwrap().identity().journal, name);
}

/// Unmounts what was mounted there.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A disk of 2 MB in memory; none if we are not root.
fn small_disk(dir: &tempfile::TempDir) -> Option<Unmount> {
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=2m", "journal-test"]).arg(dir.path());
    if !mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("not root: no small disk to fill, the test is left out");
        return None;
    }
    Some(Unmount(dir.path().to_path_buf()))
}

/// Makes the small disk `how`, "ro" or "rw".
fn remount(dir: &tempfile::TempDir, how: &str) {
    let mut mount = std::process::Command::new("mount");
    assert!(mount.args(["-o", &format!("remount,{how}")]).arg(dir.path()).status().unwrap().success());
}

/// A disk of 2 MB that is full, then free again. Needs to be root; elsewhere it says so.
#[tokio::test]
async fn on_a_disk_that_is_really_full_facts_wait_and_telemetry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_unmount) = small_disk(&dir) else { return };
    let path = dir.path().join("journal.sqlite");
    let journal = open(&path).unwrap();
    assert_eq!(append(&journal).await, 1);
    let ballast = dir.path().join("ballast");
    assert!(std::fs::write(&ballast, vec![1; 2 << 20]).is_err(), "the disk is smaller than that");
    let telemetry = || {
        let identity = journal.identity().clone();
        let body = [&[0xBA, 0x3E, 0xD0, 0x86, 0x03][..], &[7; 50_000]].concat();
        journal
            .offer(move |db| outbox::append_encoded(db, &identity, Utc(1), Stream::Telemetry, &body))
            .unwrap()
    };
    assert!(matches!(telemetry().await, Err(JournalError::Refused)));
    let identity = journal.identity().clone();
    // More than what is left of the last page, so that it waits for the disk.
    let alert = Body::Alert(Alert { device: "x".repeat(50_000), ..Alert::default() });
    let waiting = journal.hand_over(move |db| outbox::append(db, &identity, Utc(1), alert.clone())).unwrap();
    assert!(matches!(telemetry().await, Err(JournalError::Refused)), "also behind a fact that waits");
    let pending = journal.read(outbox::pending).await.unwrap();
    assert_eq!(pending, 1, "what is committed is read meanwhile");
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(waiting.await.unwrap(), 2);
    assert_eq!(telemetry().await.unwrap(), 1);
    assert_eq!(append(&journal).await, 3);
}

/// Needs to be root; elsewhere it says so.
#[tokio::test]
async fn a_start_on_a_disk_that_takes_nothing_goes_on_from_the_journal_and_writes_when_it_can() {
    for is_full in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let Some(_unmount) = small_disk(&dir) else { return };
        let path = dir.path().join("journal.sqlite");
        let ballast = dir.path().join("ballast");
        let journal = open(&path).unwrap();
        let name = journal.identity().journal;
        assert_eq!(append(&journal).await, 1);
        close(journal, &path).await;
        if is_full {
            assert!(std::fs::write(&ballast, vec![1; 2 << 20]).is_err(), "the disk is smaller than that");
        } else {
            remount(&dir, "ro");
        }
        let journal = open(&path).unwrap();
        assert_eq!(journal.identity().journal, name);
        assert_eq!(journal.read(outbox::pending).await.unwrap(), 1, "what it holds is read");
        let identity = journal.identity().clone();
        let alert = move |db: &rusqlite::Connection| {
            outbox::append(db, &identity, Utc(1), Body::Alert(Alert::default()))
        };
        let refused = journal.offer(alert.clone()).unwrap();
        assert!(matches!(refused.await, Err(JournalError::Refused)), "what may be lost does not wait");
        let waiting = journal.hand_over(alert).unwrap();
        if is_full {
            std::fs::remove_file(&ballast).unwrap();
        } else {
            remount(&dir, "rw");
        }
        assert_eq!(waiting.await.unwrap(), 2, "without another start");
        assert_eq!(append(&journal).await, 3);
    }
}
