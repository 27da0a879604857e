//! `link-ingest`: what one headquarters commits, of many stores at once, for each second of its CPU time and for
//! each second of the day.
//!
//! The service stands still (SIGSTOP) while Mosquitto takes the messages, so that nothing but the two of them
//! works while it is measured.

use super::messages;
use super::store_day::{self, DEVICES, POINTS};
use crate::acks::Acks;
use crate::headquarters::{Cpu, Headquarters, Keeper, LIMIT, Outgoing};
use crate::lab::CHAIN;
use crate::report::Row;
use std::io;
use storewarden_proto::v1::Stream;
use tokio::time::Instant;

/// Stores that send.
const STORES: usize = 500;
/// Alerts of each in a run.
const ALERTS: u64 = 30;
/// Messages of each in a run that tell of labels, of many labels each
const OF_MANY_LABELS: u64 = 8;
/// or of one: no more than the broker queues.
const OF_ONE_LABEL: u64 = 128;
/// Labels that a store tells of in a message at most.
const LABELS_A_MESSAGE: u64 = 128;
/// Readings of a telemetry message: five minutes of a store of 60 devices.
const READINGS: usize = DEVICES * POINTS.len() * 5;
/// Measured runs of each kind, after one that is not.
const RUNS: u64 = 3;
/// The promise for a core: either is enough.
const ALERTS_PER_S: f64 = 5000.0;
/// See [`ALERTS_PER_S`].
const READINGS_PER_S: f64 = 500_000.0;

/// What the messages of a run tell.
#[derive(Clone, Copy)]
enum Kind {
    Alerts,
    Readings,
    /// So many labels a message.
    Labels(u64),
}

impl Kind {
    fn stream(self) -> Stream {
        match self {
            Self::Alerts => Stream::Alert,
            Self::Readings => Stream::Telemetry,
            Self::Labels(_) => Stream::PriceResult,
        }
    }

    /// Messages of a store in a run.
    fn each(self) -> u64 {
        match self {
            Self::Alerts => ALERTS,
            Self::Readings => 1,
            Self::Labels(1) => OF_ONE_LABEL,
            Self::Labels(_) => OF_MANY_LABELS,
        }
    }
}

/// What a run came to.
struct Run {
    wall_s: f64,
    cpu: Cpu,
}

/// Measures both kinds with either database.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for keeper in [Keeper::Sqlite, Keeper::Postgres { workers: 1 }, Keeper::Postgres { workers: 2 }] {
        eprintln!("  {}", keeper.name());
        for kind in [Kind::Alerts, Kind::Readings, Kind::Labels(LABELS_A_MESSAGE), Kind::Labels(1)] {
            rows.extend(report(keeper, kind).await?);
        }
    }
    Ok(rows)
}

async fn report(keeper: Keeper, kind: Kind) -> io::Result<Vec<Row>> {
    let (runs, disk_bytes) = run_all(keeper, kind).await?;
    let messages = (STORES as u64 * kind.each()) as f64;
    let (what, unit, weight, bound) = match kind {
        Kind::Alerts => ("alerts", "alerts/s", 1.0, Some(ALERTS_PER_S)),
        Kind::Readings => ("readings", "readings/s", READINGS as f64, Some(READINGS_PER_S)),
        Kind::Labels(1) => ("labels, a message each,", "labels/s", 1.0, None),
        Kind::Labels(count) => ("labels", "labels/s", count as f64, None),
    };
    let things = messages * weight;
    let of = |value: fn(&Run) -> f64| runs.iter().map(value);
    let rate = |value: fn(&Run) -> f64| of(value).map(|s| things / s).collect::<Vec<_>>();
    let each_us = |value: fn(&Run) -> f64| of(value).map(|s| s / messages * 1e6).collect::<Vec<_>>();
    let name = keeper.name();
    let row = |text: &str| format!("{name}: {text}");
    let core =
        row(&format!("{what} of {STORES} stores, {things} a run, for a second of the service's CPU time"));
    let (by_core, by_clock) = (rate(|run| run.cpu.service_s), rate(|run| run.wall_s));
    let measured = |name, values: &[f64]| match bound {
        Some(bound) => Row::at_least("link-ingest", name, values, unit, bound),
        None => Row::compared("link-ingest", name, values, unit, "many a message or one"),
    };
    let mut rows = vec![measured(core, &by_core), measured(row("the same, by the clock"), &by_clock)];
    let compared = |text: &str, values: &[f64], unit, against: &str| {
        Row::compared("link-ingest", row(text), values, unit, against)
    };
    if keeper != Keeper::Sqlite {
        let text = "for a second of CPU time of service and server";
        let both = rate(|run| run.cpu.service_s + run.cpu.postgres_s);
        rows.push(compared(text, &both, unit, "the lines above"));
    }
    let broker = each_us(|run| run.cpu.broker_s);
    rows.push(compared("CPU time of the broker for a message", &broker, "µs", "Mosquitto"));
    let disk = [disk_bytes / things];
    rows.push(compared(&format!("database on disk for each of the {what}"), &disk, "bytes", "with indices"));
    Ok(rows)
}

/// The measured runs, and by how many bytes the database grew in each.
async fn run_all(keeper: Keeper, kind: Kind) -> io::Result<(Vec<Run>, f64)> {
    let (stream, each) = (kind.stream(), kind.each());
    let mut hq = Headquarters::open(keeper).await?;
    let acks = Acks::listen(hq.port, CHAIN, "+").await?;
    let day = store_day::make();
    let count = STORES as u64 * each;
    let (mut runs, mut disk_before) = (Vec::new(), 0);
    for run in 0..=RUNS {
        let mut messages = Vec::new();
        for seq in run * each + 1..=(run + 1) * each {
            let body = match kind {
                Kind::Alerts => messages::alert(seq),
                Kind::Readings => messages::telemetry(&day, DEVICES, usize::try_from(seq).unwrap_or(0)),
                Kind::Labels(count) => messages::labels(seq, count),
            };
            for store in 0..STORES {
                messages.push(Outgoing::new(&messages::store(store), 7, stream, seq, body.clone()));
            }
        }
        hq.stand_still()?;
        hq.send(messages).await?;
        let (before, began) = (hq.cpu()?, Instant::now());
        hq.go_on()?;
        acks.wait_for(stream, (run + 1) * count, LIMIT).await?;
        let (wall_s, after) = (began.elapsed().as_secs_f64(), hq.cpu()?);
        hq.check()?;
        if run == 0 {
            disk_before = hq.disk_bytes()?;
        } else {
            runs.push(Run { wall_s, cpu: after.since(before) });
        }
    }
    let grown = hq.disk_bytes()?.saturating_sub(disk_before) as f64 / RUNS as f64;
    Ok((runs, grown))
}
