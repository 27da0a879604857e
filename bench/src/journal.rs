//! `journal`: durable alarm commits, alone and many at once, beside bare SQLite with the same settings.
//!
//! An alarm commit writes four rows (state, history, number, message) through the journal's thread. The
//! bare peer inserts one row of the message's size on the spot: what this disk gives to whoever asks least.

use crate::report::Row;
use rusqlite::Connection;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use storewarden::journal::alarms::{self, AlarmChange};
use storewarden::journal::meter::Meter;
use storewarden::journal::{Identity, Journal};
use storewarden_rules::{AlarmState, Chatter, Condition, Diagnosis, Evidence, Quantity, Utc};
use tokio::task::JoinSet;

/// How long each run measures.
const RUN: Duration = Duration::from_secs(2);
/// Runs of each kind, by turns.
const RUNS: usize = 3;
/// Alarms that come at once in the group runs.
const GROUP: usize = 64;

/// Measures both kinds on both sides.
pub async fn measure() -> io::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let names =
        Identity { chain: "figures".into(), store: "0001".into(), boot: 1, journal: 0, reports: true };
    let journal =
        Journal::open(&dir.path().join("journal.sqlite"), names, Utc(0)).map_err(io::Error::other)?;
    let mut bare = open_bare(&dir.path().join("bare.sqlite")).map_err(io::Error::other)?;
    let message = message_bytes(&journal).await?;
    let (mut rates, mut ratios) = ([const { Vec::new() }; 4], [const { Vec::new() }; 2]);
    for _ in 0..RUNS {
        let run = [
            single(&journal).await?,
            bare_commits(&mut bare, 1, message).map_err(io::Error::other)?,
            group(&journal).await?,
            bare_commits(&mut bare, GROUP, message).map_err(io::Error::other)?,
        ];
        for (rates, rate) in rates.iter_mut().zip(run) {
            rates.push(rate);
        }
        ratios[0].push(run[0] / run[1]);
        ratios[1].push(run[2] / run[3]);
    }
    let [single, bare_single, group, bare_group] = &rates;
    let row =
        |what: String, values: &[f64], unit, peer: String| Row::compared("journal", what, values, unit, peer);
    let bare = "bare SQLite, one row of the same bytes";
    Ok(vec![
        row("alarm commits, one after another".into(), single, "/s", format!("{bare}: next line")),
        row(format!("{bare}, one a commit"), bare_single, "/s", "peer".into()),
        row("ratio, one after another".into(), &ratios[0], "×", "1 would be bare SQLite".into()),
        row(
            format!("alarm commits, {GROUP} at once"),
            group,
            "/s",
            format!("{bare}, {GROUP} a commit: next line"),
        ),
        row(format!("{bare}, {GROUP} a commit"), bare_group, "/s", "peer".into()),
        row(format!("ratio, {GROUP} at once"), &ratios[1], "×", "1 would be bare SQLite".into()),
    ])
}

fn change(number: u64) -> AlarmChange {
    let raised = number % 2 == 1;
    AlarmChange {
        alarm: number.div_ceil(2),
        device: format!("freezer-{}", number / 2 % 16),
        device_name: "冰淇淋柜".into(),
        condition: Condition::TemperatureHigh.name().into(),
        priority: Condition::TemperatureHigh.priority(),
        state: if raised { AlarmState::ActiveUnacknowledged } else { AlarmState::ReturnedUnacknowledged },
        previous: if raised { AlarmState::Normal } else { AlarmState::ActiveUnacknowledged },
        at: Utc(1_796_000_000_000),
        meter: Meter::default(),
        diagnosis: Diagnosis::default(),
        evidence: Evidence::since(Utc(1_796_000_000_000)).with(Quantity::ALL[0], -9.5),
        parent: None,
        escalation: 0,
        chatter: Chatter::default(),
        repair: None,
        curve: Vec::new(),
        shelved_until: None,
        by: String::new(),
    }
}

async fn record(journal: &Journal, number: u64) -> io::Result<()> {
    let (identity, change) = (journal.identity().clone(), change(number));
    journal
        .run(move |db| alarms::record(db, &identity, Utc(1_796_000_000_000), &change))
        .await
        .map_err(io::Error::other)
}

/// How long the message of an alarm is.
async fn message_bytes(journal: &Journal) -> io::Result<usize> {
    record(journal, 1).await?;
    let bytes: i64 = journal
        .run(|db| db.query_row("SELECT max(length(payload)) FROM outbox", [], |row| row.get(0)))
        .await
        .map_err(io::Error::other)?;
    usize::try_from(bytes).map_err(io::Error::other)
}

/// Commits per second, each waited for.
async fn single(journal: &Journal) -> io::Result<f64> {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < RUN {
        count += 1;
        record(journal, count).await?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Alarms per second when many wait at once.
async fn group(journal: &Journal) -> io::Result<f64> {
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..GROUP {
        let journal = journal.clone();
        senders.spawn(async move {
            let mut count = 0;
            while began.elapsed() < RUN {
                count += 1;
                record(&journal, count).await?;
            }
            Ok::<_, io::Error>(count)
        });
    }
    let mut total = 0;
    while let Some(count) = senders.join_next().await {
        total += count??;
    }
    Ok(total as f64 / began.elapsed().as_secs_f64())
}

fn open_bare(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    // As the journal sets them.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -2000)?;
    db.execute_batch("CREATE TABLE message (number INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT")?;
    Ok(db)
}

/// Rows per second, `group` in each commit.
fn bare_commits(db: &mut Connection, group: usize, bytes: usize) -> rusqlite::Result<f64> {
    let payload = vec![7_u8; bytes];
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < RUN {
        let transaction = db.transaction()?;
        for _ in 0..group {
            transaction.prepare_cached("INSERT INTO message (payload) VALUES (?1)")?.execute([&payload])?;
        }
        transaction.commit()?;
        count += group;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
