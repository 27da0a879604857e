//! Readings reach the time-series store exactly as far as it takes them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parties::{Headquarters, Process, SOON, Store, broker, free_port, telemetry};
use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use storewarden_proto::v1::Stream;
use storewarden_proto::v1::envelope::Body;

/// An InfluxDB that fails the first times; and what it was sent, failed or not.
#[derive(Clone, Default)]
struct Fake {
    failures_left: Arc<Mutex<u32>>,
    bodies: Arc<Mutex<Vec<(StatusCode, String)>>>,
}

async fn write(
    State(fake): State<Fake>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    assert_eq!((query["org"].as_str(), query["bucket"].as_str()), ("chain", "cold"));
    assert_eq!(headers["authorization"], "Token secret");
    let mut left = fake.failures_left.lock().unwrap();
    let status = if *left > 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
    *left = left.saturating_sub(1);
    fake.bodies.lock().unwrap().push((status, body));
    status
}

async fn start(fake: Fake) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new().route("/api/v2/write", post(write)).with_state(fake);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    port
}

async fn wait_for(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_moves_only_when_the_readings_were_taken() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let fake = Fake { failures_left: Arc::new(Mutex::new(2)), ..Fake::default() };
    let url = format!("http://127.0.0.1:{}", start(fake.clone()).await);
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
    let taken =
        || fake.bodies.lock().unwrap().iter().filter(|(status, _)| *status == StatusCode::NO_CONTENT).count();
    wait_for("the readings were never taken", || taken() == 1).await;
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
    wait_for("the next reading was never taken", || taken() == 2).await;
    let bodies = fake.bodies.lock().unwrap();
    assert_eq!(bodies.last().unwrap().1, format!("{tags} value=-18 1790000003000000000\n"));
}

/// A store that answers each of the first writes in another way, and then takes at most four lines,
/// and none with the value of the poison.
#[derive(Clone, Default)]
struct Moody {
    writes: Arc<Mutex<u32>>,
    taken: Arc<Mutex<String>>,
}

const POISON: &str = " value=-22 ";

async fn moody(State(moody): State<Moody>, body: String) -> Response {
    let write = {
        let mut writes = moody.writes.lock().unwrap();
        *writes += 1;
        *writes
    };
    match write {
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        3 => std::future::pending().await,
        4 => StatusCode::UNAUTHORIZED.into_response(),
        _ if body.lines().count() > 4 => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        _ if body.contains(POISON) => (StatusCode::BAD_REQUEST, "no such cold").into_response(),
        _ => {
            moody.taken.lock().unwrap().push_str(&body);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_the_poison_arrives_through_every_answer_and_the_poison_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let fake = Moody::default();
    let app = axum::Router::new()
        .route("/api/v2/write", post(moody))
        .layer(DefaultBodyLimit::disable())
        .with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

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
    assert_eq!(refused, (5, line(4).trim_end().to_owned(), "400 Bad Request no such cold".to_owned()));
}

/// Starts VictoriaMetrics of the distribution, which `scripts/test` installs.
fn victoria_metrics(dir: &std::path::Path, port: u16) -> Process {
    let child = Command::new("victoria-metrics")
        .arg(format!("-storageDataPath={}", dir.join("victoria").display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg("-retentionPeriod=100y")
        .stderr(Stdio::null())
        .spawn()
        .expect("victoria-metrics is missing: apt-get install victoria-metrics");
    Process::new(child)
}

async fn get(url: &str) -> Option<String> {
    reqwest::get(url).await.ok()?.error_for_status().ok()?.text().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = broker(dir.path(), port);
    let hq = Headquarters::sqlite(dir.path(), port);
    let listens = free_port();
    let _victoria = victoria_metrics(dir.path(), listens);
    let url = format!("http://127.0.0.1:{listens}");

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
    let export = format!("{url}/api/v1/export?match[]=reading_value&start={}", first_ms / 1_000);
    loop {
        let mut stored = BTreeMap::new();
        get(&format!("{url}/internal/force_flush")).await;
        for series in get(&export).await.unwrap_or_default().lines() {
            let series: serde_json::Value = serde_json::from_str(series).unwrap();
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
