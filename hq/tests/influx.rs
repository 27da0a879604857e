//! Readings reach the time-series store exactly as far as it takes them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;
#[path = "../../timeseries/tests/servers/mod.rs"]
mod servers;

use parties::{Headquarters, SOON, Store, broker, free_port, telemetry};
use servers::{Fake, Moody, NOT_TAKEN, VictoriaMetrics, wait_for};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use storewarden_proto::v1::Stream;
use storewarden_proto::v1::envelope::Body;

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_moves_only_when_the_readings_were_taken() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let fake = Fake { failures_left: Arc::new(Mutex::new(2)), ..Fake::default() };
    let url = fake.start().await;
    let token = dir.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let arguments = [
        "--influx-url",
        &url,
        "--influx-org",
        "chain",
        "--influx-bucket",
        "cold",
        "--influx-token-file",
        token.to_str().unwrap(),
    ];

    let mut store = Store::connect(port, "0042").await;
    let serve = hq.serve(&arguments);
    store.online(9).await;
    store.acknowledged(9, Stream::Telemetry, 0).await;
    store.message(9, 1, telemetry(1_790_000_000_000, 3)).await;
    store.acknowledged(9, Stream::Telemetry, 1).await;
    wait_for("the readings were never taken", || fake.taken() == 1).await;
    wait_for("the cursor never moved", || hq.count("influx_cursor WHERE sample = 3") == 1).await;
    // Two good readings of three; a bad one is a gap. Written by hand from the line protocol reference.
    let tags = "reading,chain=kaixin,device=freezer\\ 2,point=air_temperature,store=0042,unit=°C";
    let expected = format!("{tags} value=-18 1790000000000000000\n{tags} value=-19 1790000001000000000\n");
    {
        let bodies = fake.bodies.lock().unwrap();
        assert_eq!(bodies.len(), 3);
        assert!(bodies.iter().all(|(_, body)| *body == expected), "{bodies:?}");
    }

    // After a restart it goes on where it was.
    drop(serve);
    let _serve = hq.serve(&arguments);
    store.message(9, 2, telemetry(1_790_000_003_000, 1)).await;
    wait_for("the next reading was never taken", || fake.taken() == 2).await;
    let bodies = fake.bodies.lock().unwrap();
    assert_eq!(bodies.last().unwrap().1, format!("{tags} value=-18 1790000003000000000\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_the_poison_arrives_through_every_answer_and_the_poison_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let fake = Moody::default();
    let url = fake.start().await;

    let mut store = Store::connect(port, "0042").await;
    let _serve = hq.serve(&[
        "--influx-url",
        &url,
        "--influx-org",
        "o",
        "--influx-bucket",
        "b",
        "--influx-timeout",
        "1",
    ]);
    store.online(9).await;
    store.acknowledged(9, Stream::Telemetry, 0).await;
    store.message(9, 1, telemetry(1_790_000_000_000, 30)).await;
    store.acknowledged(9, Stream::Telemetry, 1).await;
    wait_for("the cursor never came to the end", || hq.count("influx_cursor WHERE sample = 30") == 1).await;

    // Of 30 readings every third is bad; the fifth is the poison. Each of the others once, in order.
    let tags = "reading,chain=kaixin,device=freezer\\ 2,point=air_temperature,store=0042,unit=°C";
    let line = |n: i64| format!("{tags} value={} {}\n", -18 - n, (1_790_000_000 + n) * 1_000_000_000);
    let expected: String = (0..30).filter(|n| n % 3 != 2 && *n != 4).map(line).collect();
    assert_eq!(*fake.taken.lock().unwrap(), expected);
    let refused: (i64, String, String) = hq
        .sql()
        .query_row("SELECT sample, line, reason FROM export_refused", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(refused, (5, line(4).trim_end().to_owned(), NOT_TAKEN.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let victoria = VictoriaMetrics::start(dir.path(), free_port());
    let url = victoria.url();

    let mut store = Store::connect(port, "0042").await;
    let _serve = hq.serve(&["--influx-url", &url, "--influx-org", "o", "--influx-bucket", "b"]);
    store.online(9).await;
    store.acknowledged(9, Stream::Telemetry, 0).await;
    let first_ms = parties::now_ms() - 86_400_000;
    let mut sent = BTreeMap::new();
    for seq in 1..=12_u32 {
        let from_ms = first_ms + i64::from(seq) * 1_000_000;
        let mut body = telemetry(from_ms, 900);
        let Body::Telemetry(telemetry) = &mut body else { panic!("not telemetry") };
        for (n, value) in telemetry.series[0].value.iter_mut().enumerate() {
            if n % 3 != 2 {
                // Hundredths, as devices say them: VictoriaMetrics keeps about 15 digits.
                *value = -f64::from(1_800 + u32::try_from(n).unwrap() + 100 * seq) / 100.0;
                sent.insert(from_ms + i64::try_from(n).unwrap() * 1_000, *value);
            }
        }
        store.message(9, u64::from(seq), body).await;
    }
    store.acknowledged(9, Stream::Telemetry, 12).await;
    wait_for("the cursor never came to the end", || hq.count("influx_cursor WHERE sample = 10800") == 1)
        .await;

    let end = Instant::now() + SOON;
    loop {
        let mut stored = BTreeMap::new();
        for series in victoria.stored("reading_value", first_ms).await {
            assert_eq!(
                series["metric"],
                serde_json::json!({
                    "__name__": "reading_value", "chain": "kaixin", "device": "freezer 2",
                    "point": "air_temperature", "store": "0042", "unit": "°C",
                })
            );
            let times = series["timestamps"].as_array().unwrap();
            for (at, value) in times.iter().zip(series["values"].as_array().unwrap()) {
                stored.insert(at.as_i64().unwrap(), value.as_f64().unwrap());
            }
        }
        if stored.len() >= sent.len() {
            // Not the maps as a whole, of which nobody could read the difference.
            let other: Vec<_> =
                sent.iter().filter(|(at, value)| stored.get(at) != Some(value)).take(9).collect();
            assert!(other.is_empty(), "{other:?}");
            assert_eq!(stored.len(), sent.len());
            return;
        }
        assert!(Instant::now() < end, "{} of {} values are there", stored.len(), sent.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Each metric and label name of a query: what stands before a brace, and before an operator in it.
fn names(query: &str) -> (Vec<&str>, Vec<&str>) {
    let word = |text: &'_ str| -> usize {
        text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1)
    };
    let (mut metrics, mut labels) = (vec![], vec![]);
    let mut rest = query;
    while let Some((before, after)) = rest.split_once('{') {
        metrics.push(&before[word(before)..]);
        let (within, after) = after.split_once('}').unwrap();
        labels.extend(within.split(',').map(|label| label.split(['=', '!']).next().unwrap().trim()));
        rest = after;
    }
    (metrics, labels)
}

#[test]
fn the_dashboard_asks_for_what_is_written() {
    let text = include_str!("../../deploy/grafana/storewarden.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut queries: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert_eq!(queries.len(), 3);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = variable["query"].as_str().unwrap();
            let (inner, label) = query
                .strip_prefix("label_values(")
                .unwrap()
                .strip_suffix(')')
                .unwrap()
                .rsplit_once(", ")
                .unwrap();
            assert!(["chain", "store", "device"].contains(&label), "{query}");
            assert!(inner == "reading_value" || inner.starts_with("reading_value{"), "{query}");
            queries.push(query);
        }
    }
    // The tags that the test against VictoriaMetrics finds there.
    for query in queries {
        let (metrics, labels) = names(query);
        assert!(metrics.iter().all(|name| *name == "reading_value"), "{query}");
        let known = ["chain", "store", "device", "point", "unit"];
        assert!(labels.iter().all(|label| known.contains(label)), "{query}");
    }
    assert_eq!(names("sum(a_b{x=~\"1\", y!=\"2\"})"), (vec!["a_b"], vec!["x", "y"]));
}
