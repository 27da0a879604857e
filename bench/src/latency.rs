//! `latency`: from the moment a fault can be read in a register to its commit at headquarters.

use crate::lab::{Alert, HqBroker, Lab};
use crate::report::{Row, Spread, percentile};
use crate::waves::Waves;
use serde::Deserialize;
use std::io;

/// Freezers that break again and again, each once in 31 to 37 s: an alarm that came more often would be held
/// back as chattering.
const WAVES: Waves = Waves { devices: 24, half_s: 15.5, spread_s: 0.13, poll: "1s", delay: "2s" };
/// How often each is polled, s.
const POLL_S: f64 = 1.0;
/// How long the temperature must be beyond its limit, s.
const DELAY_S: f64 = 2.0;
/// One poll until the agent can know it, and 1 s for everything after.
const BOUND_S: f64 = POLL_S + 1.0;
/// How long faults come and go, and how long the last ones may take, s.
const RUN_S: (u32, u32) = (60, 8);
/// Fewer faults say nothing.
const FAULTS_MIN: usize = 20;

/// A true fact; only crossings of the limit matter here.
#[derive(Deserialize)]
struct Fact {
    at_ms: i64,
    event: String,
    device: Option<String>,
    above: Option<bool>,
}

/// Breaks freezers for a minute and compares what is true with what headquarters knows.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut lab =
        Lab::open(HqBroker::Embedded, &WAVES.recordings(), |_| WAVES.simulator(), |place| WAVES.store(place))
            .await?;
    lab.start_agent().await?;
    lab.watch(RUN_S.0).await?;
    let end_ms = chrono::Utc::now().timestamp_millis();
    lab.watch(RUN_S.1).await?;
    let alerts = lab.alerts().await?;
    let facts = lab.truth()?.into_iter().map(serde_json::from_value::<Fact>);
    let facts = facts.collect::<Result<Vec<_>, _>>()?;
    let began_ms = lab.ask_journal("SELECT min(started_ms) FROM boot")?;
    let begun = facts.iter().filter(|fact| {
        fact.event == "limit_crossed" && fact.above == Some(true) && (began_ms..end_ms).contains(&fact.at_ms)
    });
    let mut latencies = Vec::new();
    let mut missed = 0;
    for fault in begun {
        match received_ms(&facts, &alerts, fault)? {
            Some(received_ms) => latencies.push((received_ms - fault.at_ms) as f64 / 1000.0 - DELAY_S),
            None => missed += 1,
        }
    }
    if latencies.len() + missed < FAULTS_MIN {
        return Err(io::Error::other(format!("only {} faults happened", latencies.len() + missed)));
    }
    let all = Spread::of(&latencies);
    let faults = format!("{} faults of {} devices", latencies.len(), WAVES.devices);
    let row = |what: String, value: f64| Row::bounded("latency", &what, value, "s", BOUND_S);
    Ok(vec![
        row(format!("register to headquarters' commit less the delay, {faults}: median"), all.median),
        row("the same, p90".into(), percentile(&latencies, 0.9)),
        row("the same, slowest".into(), all.max),
        Row::bounded("latency", "faults that headquarters never heard of", missed as f64, "faults", 0.0),
    ])
}

/// When headquarters committed the alert that `fault` caused: the first of its device before the
/// device's next fault.
fn received_ms(facts: &[Fact], alerts: &[Alert], fault: &Fact) -> io::Result<Option<i64>> {
    let next = facts
        .iter()
        .filter(|fact| fact.device == fault.device && fact.above == Some(true) && fact.at_ms > fault.at_ms)
        .map(|fact| fact.at_ms)
        .min()
        .unwrap_or(i64::MAX);
    for alert in alerts.iter().filter(|alert| {
        Some(&alert.device) == fault.device.as_ref()
            && alert.condition == "temperature_high"
            && alert.state == "active_unacknowledged"
    }) {
        let raised_ms = alert.time_ms()?;
        if (fault.at_ms..next).contains(&raised_ms) {
            return alert.received_ms().map(Some);
        }
    }
    Ok(None)
}
