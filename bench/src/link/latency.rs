//! `link-latency`: from the moment a rule fires to its commit at headquarters, while nothing else is sent and
//! while a backlog of telemetry drains. Real agent, Mosquitto, real headquarters, on loopback.

use super::backlog;
use crate::acks::{Acks, Heard};
use crate::lab::{Alert, CHAIN, HqBroker, Lab, STORE};
use crate::process;
use crate::report::{Row, percentile};
use crate::waves::Waves;
use std::io;
use std::ops::Range;
use std::time::Duration;
use storewarden_proto::v1::Stream;

/// Freezers that break and are whole again, each once in 31 to 37 s: an alarm that came more often would be
/// held back as chattering. Together some four changes a second, as many as a bad store has in an hour.
const WAVES: Waves = Waves { devices: 64, half_s: 15.5, spread_s: 0.05, poll: "1s", delay: "2s" };
/// The promise, ms.
const BOUND_MS: f64 = 150.0;
/// The promise for the agent, MB.
const MEMORY_MB: f64 = 30.0;
/// The age of the backlog, days.
const DAYS: u32 = 7;
/// How long the quiet run lasts, s.
const QUIET_S: u32 = 90;
/// How often it drains, and how long the equipment runs before, s.
const DRAINS: u32 = 3;
/// See [`DRAINS`].
const LEAD_S: u32 = 20;
/// How long the backlog may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(600);
/// Fewer changes say nothing about one in a hundred.
const CHANGES_MIN: usize = 100;

/// Measures both.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut rows = quiet().await?;
    rows.extend(draining().await?);
    Ok(rows)
}

async fn quiet() -> io::Result<Vec<Row>> {
    let (mut lab, acks) = open().await?;
    lab.start_agent().await?;
    let began_ms = now_ms();
    lab.watch(QUIET_S).await?;
    let span = began_ms..now_ms();
    rows("nothing else under way", &waits(&mut lab, &acks, span).await?)
}

async fn draining() -> io::Result<Vec<Row>> {
    let messages = u64::from(DAYS) * backlog::MESSAGES_A_DAY;
    let (mut all, mut seconds, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..DRAINS {
        let (mut lab, acks) = open().await?;
        backlog::write(&lab.path("journal.sqlite"), DAYS).await?;
        // Alarms come and go before it begins.
        lab.watch(LEAD_S).await?;
        let began_ms = now_ms();
        lab.start_agent().await?;
        acks.wait_for(Stream::Telemetry, messages, DRAIN_LIMIT).await?;
        let span = began_ms..now_ms();
        memory.push(process::highest_mb(lab.agent_id()?)?);
        seconds.push((span.end - span.start) as f64 / 1000.0);
        all.extend(waits(&mut lab, &acks, span).await?);
    }
    let mut rows = rows(&format!("{DAYS} days of telemetry drain"), &all)?;
    let what = format!("{DAYS} days of telemetry, {messages} messages: until all is committed");
    rows.push(Row::compared("link-latency", what, &seconds, "s", "beside the alerts of the lines above"));
    let what = "agent, its highest resident memory meanwhile";
    rows.push(Row::at_most("link-latency", what, &memory, "MB", MEMORY_MB));
    Ok(rows)
}

async fn open() -> io::Result<(Lab, Acks)> {
    let files = WAVES.recordings();
    let lab =
        Lab::open(HqBroker::Mosquitto, &files, |_| WAVES.simulator(), |place| WAVES.store(place)).await?;
    let acks = Acks::listen(lab.place.hq, CHAIN, STORE).await?;
    Ok((lab, acks))
}

/// How long each alarm that came or went in `span` (ms since 1970) took to be committed, ms.
async fn waits(lab: &mut Lab, acks: &Acks, span: Range<i64>) -> io::Result<Vec<f64>> {
    // The last ones are on their way.
    lab.watch(2).await?;
    let heard: Vec<_> = acks.heard().into_iter().filter(|heard| heard.stream == Stream::Alert).collect();
    let mut waits = Vec::new();
    for alert in lab.alerts().await? {
        let changed_ms = alert.time_ms()?;
        if span.contains(&changed_ms) {
            waits.push((committed_ms(&heard, &alert)? - changed_ms) as f64);
        }
    }
    Ok(waits)
}

fn rows(what: &str, waits: &[f64]) -> io::Result<Vec<Row>> {
    if waits.len() < CHANGES_MIN {
        return Err(io::Error::other(format!("only {} alarms came or went", waits.len())));
    }
    let row = |which: &str, share| {
        let what = format!("rule to commit, {what}, {} alerts: {which}", waits.len());
        Row::bounded("link-latency", &what, percentile(waits, share), "ms", BOUND_MS)
    };
    Ok(vec![row("p50", 0.5), row("p99", 0.99), row("slowest", 1.0)])
}

/// When it was heard that headquarters has `alert`.
fn committed_ms(heard: &[Heard], alert: &Alert) -> io::Result<i64> {
    let first = heard.iter().find(|heard| heard.seq >= alert.seq);
    first.map(|heard| heard.at_ms).ok_or_else(|| io::Error::other("an alert was never acknowledged"))
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
