//! `kills`: alerts lost or doubled at headquarters when the agent is killed again and again.

use crate::lab::{HqBroker, Lab};
use crate::report::{Row, Spread, Verdict};
use crate::waves::Waves;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Of so many freezers some alarm comes or goes between any two kills; each once in 31 to 37 s, since one that
/// came more often would be held back as chattering.
const WAVES: Waves = Waves { devices: 64, half_s: 15.5, spread_s: 0.05, poll: "100ms", delay: "200ms" };
/// How often the agent is killed.
const KILLS: usize = 20;
/// How long it lives before each, ms.
const LIFE_MS: std::ops::Range<u64> = 300..3000;
/// How long the rest may take to arrive once nothing changes any more.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// What makes an alert the same alert: number, device, condition, state, time.
type Key = (i64, String, String, String, String);

/// Kills the agent and compares its journal with headquarters.
pub async fn measure() -> io::Result<Vec<Row>> {
    let seed = fastrand::u64(..);
    eprintln!("kills: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut lab =
        Lab::open(HqBroker::Embedded, &WAVES.recordings(), |_| WAVES.simulator(), |place| WAVES.store(place))
            .await?;
    lab.start_agent().await?;
    for _ in 0..KILLS {
        sleep(Duration::from_millis(random.u64(LIFE_MS))).await;
        lab.check()?;
        lab.kill_agent().await?;
        lab.start_agent().await?;
    }
    lab.watch(3).await?;
    lab.stop_simulator().await?;
    // A delay that runs may still end in an alarm.
    lab.watch(3).await?;
    let settled = Instant::now() + SETTLE_LIMIT;
    let (journal, lost, doubled) = loop {
        let (journal, hq) = (history(&lab)?, received(&lab).await?);
        let (lost, doubled) = compare(&journal, &hq);
        if lost == 0 || Instant::now() > settled {
            break (journal, lost, doubled);
        }
        sleep(Duration::from_millis(500)).await;
    };
    if journal.is_empty() {
        return Err(io::Error::other("no alarm was raised"));
    }
    let of = format!("{KILLS} × SIGKILL, {} alarm changes in the journal", journal.len());
    let row = |what: String, count: usize| {
        let value = count as f64;
        let verdict = Verdict::at_most(value, 0.0);
        let value = Spread { min: value, median: value, max: value };
        Row {
            figure: "kills",
            what,
            value: Some(value),
            unit: "alerts",
            against: format!("0; {of}, seed {seed}"),
            verdict,
        }
    };
    Ok(vec![row("lost at headquarters".into(), lost), row("doubled at headquarters".into(), doubled)])
}

/// Every change of an alarm in the agent's journal.
fn history(lab: &Lab) -> io::Result<Vec<Key>> {
    let db = storewarden::journal::open_read_only(&lab.path("journal.sqlite")).map_err(io::Error::other)?;
    let read = || -> rusqlite::Result<Vec<Key>> {
        let mut query = db.prepare("SELECT alarm, device, condition, state, at_ms FROM alarm_history")?;
        let rows = query.query_map([], |row| {
            let at = chrono::DateTime::from_timestamp_millis(row.get(4)?).unwrap_or_default();
            let at = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, at))
        })?;
        rows.collect()
    };
    read().map_err(io::Error::other)
}

async fn received(lab: &Lab) -> io::Result<Vec<Key>> {
    let alerts = lab.alerts().await?;
    let key = |alert: crate::lab::Alert| {
        (alert.alarm.cast_signed(), alert.device, alert.condition, alert.state, alert.time)
    };
    Ok(alerts.into_iter().map(key).collect())
}

/// How many of `journal` are missing in `hq`, and how many of `hq` are more than `journal` has.
fn compare(journal: &[Key], hq: &[Key]) -> (usize, usize) {
    let mut counts: BTreeMap<&Key, (usize, usize)> = BTreeMap::new();
    for key in journal {
        counts.entry(key).or_default().0 += 1;
    }
    for key in hq {
        counts.entry(key).or_default().1 += 1;
    }
    let lost = counts.values().map(|(journal, hq)| journal.saturating_sub(*hq)).sum();
    let doubled = counts.values().map(|(journal, hq)| hq.saturating_sub(*journal)).sum();
    (lost, doubled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_are_counted_one_by_one() {
        let key = |alarm: i64, state: &str| (alarm, "d".into(), "c".into(), state.into(), "t".into());
        let journal = [key(1, "a"), key(1, "b"), key(2, "a"), key(2, "a")];
        assert_eq!(compare(&journal, &journal), (0, 0));
        assert_eq!(compare(&journal, &[key(1, "a"), key(2, "a")]), (2, 0));
        assert_eq!(compare(&journal, &[&journal[..], &[key(1, "b"), key(9, "x")]].concat()), (0, 2));
    }
}
