//! `link-latency`: from the moment a rule fires to its commit at headquarters, while nothing else is sent and
//! while a backlog of telemetry drains. Real agent, Mosquitto, real headquarters, on loopback.

use super::backlog;
use crate::acks::{Acks, Heard};
use crate::lab::{Alert, CHAIN, HqBroker, Lab, STORE};
use crate::report::{Row, percentile};
use crate::waves::Waves;
use std::io;
use std::ops::Range;
use std::time::Duration;
use storewarden_proto::v1::Stream;

/// Freezers that break again and again, some nine alarms a second: a store has as many in a week.
const WAVES: Waves = Waves { devices: 24, half_s: 1.0, spread_s: 0.03, poll: "100ms", delay: "200ms" };
/// The promise, ms.
const BOUND_MS: f64 = 150.0;
/// The age of the backlog, days.
const DAYS: u32 = 7;
/// How long the quiet run lasts, s.
const QUIET_S: u32 = 40;
/// How long the backlog may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(600);
/// Fewer alarms say nothing about one in a hundred.
const ALARMS_MIN: usize = 100;

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
    rows("nothing else under way", &mut lab, &acks, span).await
}

async fn draining() -> io::Result<Vec<Row>> {
    let (mut lab, acks) = open().await?;
    backlog::write(&lab.path("journal.sqlite"), DAYS).await?;
    let began_ms = now_ms();
    lab.start_agent().await?;
    let messages = u64::from(DAYS) * backlog::MESSAGES_A_DAY;
    acks.wait_for(Stream::Telemetry, messages, DRAIN_LIMIT).await?;
    let span = began_ms..now_ms();
    let what = format!("{DAYS} days of telemetry drain");
    let mut rows = rows(&what, &mut lab, &acks, span.clone()).await?;
    let seconds = (span.end - span.start) as f64 / 1000.0;
    let what = format!("{DAYS} days of telemetry, {messages} messages: until all is committed");
    rows.push(Row::compared("link-latency", what, &[seconds], "s", "beside the alarms of the lines above"));
    Ok(rows)
}

async fn open() -> io::Result<(Lab, Acks)> {
    let files = WAVES.recordings();
    let lab =
        Lab::open(HqBroker::Mosquitto, &files, |_| WAVES.simulator(), |place| WAVES.store(place)).await?;
    let acks = Acks::listen(lab.place.hq, CHAIN, STORE).await?;
    Ok((lab, acks))
}

/// The alarms that were raised in `span` (ms since 1970).
async fn rows(what: &str, lab: &mut Lab, acks: &Acks, span: Range<i64>) -> io::Result<Vec<Row>> {
    // What was raised last is on its way.
    lab.watch(2).await?;
    let heard: Vec<_> = acks.heard().into_iter().filter(|heard| heard.stream == Stream::Alert).collect();
    let mut waits = Vec::new();
    for alert in lab.alerts().await?.iter().filter(|alert| alert.state == "active_unacknowledged") {
        let raised_ms = alert.time_ms()?;
        if span.contains(&raised_ms) {
            waits.push((committed_ms(&heard, alert)? - raised_ms) as f64);
        }
    }
    if waits.len() < ALARMS_MIN {
        return Err(io::Error::other(format!("only {} alarms were raised", waits.len())));
    }
    let row = |which: &str, share| {
        let what = format!("rule to commit, {what}, {} alarms: {which}", waits.len());
        Row::bounded("link-latency", &what, percentile(&waits, share), "ms", BOUND_MS)
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
