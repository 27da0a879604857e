//! Time-series servers for the tests of whoever writes to them: two that fail on purpose, and
//! VictoriaMetrics.
#![allow(dead_code, reason = "each test file uses some of it")]

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long anything that must happen may take.
const SOON: Duration = Duration::from_secs(60);

/// One that fails the first times; and what it was sent, failed or not. Its organisation is `chain`, its
/// bucket `cold`, its token `secret`.
#[derive(Clone, Default)]
pub struct Fake {
    pub failures_left: Arc<Mutex<u32>>,
    pub bodies: Arc<Mutex<Vec<(StatusCode, String)>>>,
}

impl Fake {
    /// How many writes were taken.
    pub fn taken(&self) -> usize {
        self.bodies.lock().unwrap().iter().filter(|(status, _)| *status == StatusCode::NO_CONTENT).count()
    }

    /// Starts it; its address.
    pub async fn start(&self) -> String {
        serve(post(write), self.clone()).await
    }
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

/// One that answers each of the first writes in another way, and then takes at most four lines, and none
/// with the value of the poison.
#[derive(Clone, Default)]
pub struct Moody {
    pub writes: Arc<Mutex<u32>>,
    pub taken: Arc<Mutex<String>>,
}

/// What it says of the poison.
pub const NOT_TAKEN: &str = "400 Bad Request no such cold";
const POISON: &str = " value=-22 ";

impl Moody {
    /// Starts it; its address.
    pub async fn start(&self) -> String {
        serve(post(moody), self.clone()).await
    }
}

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

async fn serve<S: Clone + Send + Sync + 'static>(write: MethodRouter<S>, state: S) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new()
        .route("/api/v2/write", write)
        .layer(DefaultBodyLimit::disable())
        .with_state(state);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

pub async fn wait_for(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// VictoriaMetrics of the distribution, which `scripts/test` installs.
pub struct VictoriaMetrics {
    address: String,
    child: Child,
}

impl Drop for VictoriaMetrics {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl VictoriaMetrics {
    pub fn start(dir: &Path, port: u16) -> Self {
        let address = format!("127.0.0.1:{port}");
        let child = Command::new("victoria-metrics")
            .arg(format!("-storageDataPath={}", dir.join("victoria").display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-retentionPeriod=100y")
            .stderr(Stdio::null())
            .spawn()
            .expect("victoria-metrics is missing: apt-get install victoria-metrics");
        Self { address, child }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The series of `select` that it has now, each with its labels as `metric`, `values` and
    /// `timestamps`.
    pub async fn stored(&self, select: &str, from_ms: i64) -> Vec<serde_json::Value> {
        let _ = self.get("/internal/force_flush").await;
        let path = format!("/api/v1/export?match[]={select}&start={}", from_ms / 1_000);
        let text = self.get(&path).await.unwrap_or_default();
        text.lines().map(|series| serde_json::from_str(series).unwrap()).collect()
    }

    /// The body of the answer; none if there is none or it is no success.
    async fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        // HTTP/1.0, so that the body ends with the connection.
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }
}
