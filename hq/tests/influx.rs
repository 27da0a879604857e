//! Readings reach the time-series store exactly as far as it takes them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parties::{Headquarters, SOON, Store, broker, free_port, telemetry};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use storewarden_proto::v1::Stream;

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
    let hq = Headquarters { db: dir.path().join("hq.sqlite"), port };
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
