//! `link-ingest`: what one headquarters commits, of many stores at once, for each second of its CPU time and for
//! each second of the day.
//!
//! The service stands still (SIGSTOP) while Mosquitto takes the messages, so that nothing but the two of them
//! works while it is measured.

use super::messages;
use super::store_day::{self, DEVICES, POINTS};
use crate::acks::Acks;
use crate::headquarters::{Headquarters, LIMIT, Outgoing};
use crate::lab::CHAIN;
use crate::report::Row;
use std::io;
use storewarden_proto::v1::Stream;
use tokio::time::Instant;

/// Stores that send.
const STORES: usize = 2000;
/// Alerts of each in a run.
const ALERTS: u64 = 30;
/// Readings of a telemetry message: five minutes of a store of 60 devices.
const READINGS: usize = DEVICES * POINTS.len() * 5;
/// Measured runs of each kind, after one that is not.
const RUNS: u64 = 3;
/// The promise for a core: either is enough.
const ALERTS_PER_S: f64 = 5000.0;
/// See [`ALERTS_PER_S`].
const READINGS_PER_S: f64 = 500_000.0;

/// What a run came to.
struct Run {
    wall_s: f64,
    hq_s: f64,
    broker_s: f64,
}

/// Measures both kinds.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (runs, count, disk) = run_all(Stream::Alert, ALERTS).await?;
    report(&mut rows, "alerts", 1.0, ALERTS_PER_S, &runs, count, disk);
    let (runs, count, disk) = run_all(Stream::Telemetry, 1).await?;
    report(&mut rows, "readings", READINGS as f64, READINGS_PER_S, &runs, count, disk);
    Ok(rows)
}

fn report(
    rows: &mut Vec<Row>,
    what: &str,
    weight: f64,
    bound: f64,
    runs: &[Run],
    count: u64,
    disk_bytes: f64,
) {
    let things = count as f64 * weight;
    let of = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    let rate = |seconds: Vec<f64>| seconds.into_iter().map(|s| things / s).collect::<Vec<_>>();
    let unit = if what == "alerts" { "alerts/s" } else { "readings/s" };
    let core = format!("{what} of {STORES} stores committed, {things} a run: for a second of CPU time");
    rows.push(Row::at_least("link-ingest", core, &rate(of(|run| run.hq_s)), unit, bound));
    rows.push(Row::at_least(
        "link-ingest",
        "the same, by the clock",
        &rate(of(|run| run.wall_s)),
        unit,
        bound,
    ));
    let cpu: Vec<_> = of(|run| run.broker_s).into_iter().map(|s| s / count as f64 * 1e6).collect();
    rows.push(Row::compared("link-ingest", "CPU time of the broker for a message", &cpu, "µs", "Mosquitto"));
    let on_disk = [disk_bytes / things];
    let each = format!("{what}: database on disk for each, everything that is kept of it");
    rows.push(Row::compared("link-ingest", each, &on_disk, "bytes", "SQLite"));
}

/// The measured runs, how many messages each had, and by how many bytes the database grew in each.
async fn run_all(stream: Stream, each: u64) -> io::Result<(Vec<Run>, u64, f64)> {
    let mut hq = Headquarters::open().await?;
    let acks = Acks::listen(hq.port, CHAIN, "+").await?;
    let day = store_day::make();
    let count = STORES as u64 * each;
    let (mut runs, mut disk_before) = (Vec::new(), 0);
    for run in 0..=RUNS {
        let mut messages = Vec::new();
        for seq in run * each + 1..=(run + 1) * each {
            let body = match stream {
                Stream::Alert => messages::alert(seq),
                _ => messages::telemetry(&day, DEVICES, usize::try_from(seq).unwrap_or(0)),
            };
            for store in 0..STORES {
                messages.push(Outgoing::new(&messages::store(store), 7, stream, seq, body.clone()));
            }
        }
        hq.stand_still()?;
        hq.send(messages).await?;
        let (before, began) = (hq.cpu_s()?, Instant::now());
        hq.go_on()?;
        acks.wait_for(stream, (run + 1) * count, LIMIT).await?;
        let (wall_s, after) = (began.elapsed().as_secs_f64(), hq.cpu_s()?);
        hq.check()?;
        if run == 0 {
            disk_before = hq.disk_bytes()?;
        } else {
            runs.push(Run { wall_s, hq_s: after.0 - before.0, broker_s: after.1 - before.1 });
        }
    }
    let grown = hq.disk_bytes()?.saturating_sub(disk_before) as f64 / RUNS as f64;
    Ok((runs, count, grown))
}
