//! The parties of the tests: a real broker, the service as its own process, and a store's client.
#![allow(dead_code, reason = "each test file uses some of it")]

use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use storewarden_proto::prost::Message as _;
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::{self, Stream, envelope::Body};
use tokio::sync::mpsc;

pub const CHAIN: &str = "kaixin";

/// How long anything that must happen may take.
pub const SOON: Duration = Duration::from_secs(30);

/// A process that does not outlive the test.
pub struct Process(Child);

impl Process {
    pub fn new(child: Child) -> Self {
        Self(child)
    }
}

impl Process {
    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: no chance to tidy up, which is what the tests are about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on, below those of outgoing connections (32768 and up), so that nobody
/// takes it while its server is away. Found by knocking, not by listening: a program that another thread
/// starts at that moment would inherit the listener and hold the port until it is under way.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// Starts Mosquitto with its configuration in `dir`.
pub fn broker(dir: &Path, port: u16) -> Process {
    let config = dir.join("mosquitto.conf");
    std::fs::write(
        &config,
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n"),
    )
    .unwrap();
    let child = Command::new("mosquitto").arg("-c").arg(&config).stderr(Stdio::null()).spawn().unwrap();
    let mut process = Process(child);
    let end = Instant::now() + SOON;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(process.0.try_wait().unwrap(), None, "Mosquitto does not run");
        assert!(Instant::now() < end, "Mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// A headquarters with its database.
pub struct Headquarters {
    pub db: String,
    pub port: u16,
}

/// Somebody who keeps the database from being written.
pub enum Hold {
    Sqlite { _open: rusqlite::Connection },
    Postgres { _session: Process },
}

impl Headquarters {
    /// With a file in `dir`.
    pub fn sqlite(dir: &Path, port: u16) -> Self {
        Self { db: dir.join("hq.sqlite").to_str().unwrap().to_owned(), port }
    }

    /// With a schema of its own in the server of `$STOREWARDEN_POSTGRES`.
    pub fn postgres(_: &Path, port: u16) -> Self {
        let server = std::env::var("STOREWARDEN_POSTGRES").expect(
            "STOREWARDEN_POSTGRES is not set: start a server with `scripts/postgres start DIR` and set it to the address that prints",
        );
        let schema = format!("hq_{}_{port}", std::process::id());
        psql(&server, &format!("CREATE SCHEMA {schema}"));
        Self { db: format!("{server}&options=-c%20search_path%3D{schema}"), port }
    }

    fn is_postgres(&self) -> bool {
        self.db.starts_with("postgres://")
    }

    pub fn serve(&self, more: &[&str]) -> Process {
        let broker = format!("mqtt://127.0.0.1:{}", self.port);
        let child =
            self.command(&["serve", "--broker", &broker, "--chain", CHAIN]).args(more).spawn().unwrap();
        Process(child)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_storewarden-hq"));
        command.arg("--db").arg(&self.db).args(args);
        command
    }

    /// Runs a command in the background of the test's own tasks.
    pub async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub fn sql(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.db).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    pub fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {what}");
        if self.is_postgres() {
            return psql(&self.db, &sql).parse().unwrap();
        }
        self.sql().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// Until it is dropped nothing can be committed.
    pub fn hold(&self) -> Hold {
        if !self.is_postgres() {
            let connection = self.sql();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            return Hold::Sqlite { _open: connection };
        }
        let mut session = Command::new("psql");
        session.arg(&self.db).args(["-qAt", "-v", "ON_ERROR_STOP=1"]);
        session.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut session = session.spawn().unwrap();
        let (mut to, from) = (session.stdin.take().unwrap(), session.stdout.take().unwrap());
        writeln!(to, "BEGIN; LOCK TABLE message; SELECT 'held';").unwrap();
        let mut said = String::new();
        BufReader::new(from).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        session.stdin = Some(to);
        Hold::Postgres { _session: Process(session) }
    }
}

/// What PostgreSQL's own client says.
fn psql(place: &str, sql: &str) -> String {
    let output = Command::new("psql").args([place, "-qAtc", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A store as the broker sees it.
pub struct Store {
    pub topics: StoreTopics,
    store: String,
    client: AsyncClient,
    received: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    poll: tokio::task::JoinHandle<()>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

impl Store {
    pub async fn connect(port: u16, store: &str) -> Self {
        let topics = StoreTopics::new(CHAIN, store);
        let options = MqttOptions::new(format!("test-{store}-{}", fastrand::u64(..)), ("127.0.0.1", port));
        let (client, mut events) = AsyncClient::builder(options).capacity(100).build();
        client.subscribe(topics.ack(), QoS::AtLeastOnce).await.unwrap();
        client.subscribe(topics.price(), QoS::AtLeastOnce).await.unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let poll = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        let _ = sender.send((topic, publish.payload.to_vec()));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Self { topics, store: store.to_owned(), client, received, poll }
    }

    pub async fn send(&self, topic: String, payload: Vec<u8>, retain: bool) {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        self.client.publish(topic, payload, options).await.unwrap();
    }

    pub async fn online(&self, journal: u64) {
        let status = v1::Status {
            chain: CHAIN.into(),
            store: self.store.clone(),
            online: true,
            boot: 1,
            journal,
            version: "test".into(),
            ..Default::default()
        };
        self.send(self.topics.status(), status.encode_to_vec(), true).await;
    }

    pub async fn message(&self, journal: u64, seq: u64, body: Body) {
        let stream = match body {
            Body::Alert(_) => Stream::Alert,
            Body::Telemetry(_) | Body::Gap(_) => Stream::Telemetry,
            Body::BatchOutcome(_) | Body::LabelShown(_) | Body::LabelsShown(_) => Stream::PriceResult,
            Body::CommandOutcome(_) => Stream::CommandResult,
        };
        let envelope = v1::Envelope {
            chain: CHAIN.into(),
            store: self.store.clone(),
            boot: 1,
            stream: stream.into(),
            seq,
            journal,
            committed_ms: now_ms(),
            body: Some(body),
        };
        self.send(self.topics.stream(stream), envelope.encode_to_vec(), false).await;
    }

    /// The next message on `topic`; others are thrown away.
    pub async fn next_on(&mut self, topic: &str) -> Vec<u8> {
        let next = async {
            loop {
                let (on, payload) = self.received.recv().await.expect("the client lives");
                if on == topic {
                    return payload;
                }
            }
        };
        tokio::time::timeout(SOON, next).await.unwrap_or_else(|_| panic!("nothing came on {topic}"))
    }

    /// Waits until headquarters acknowledges exactly `seq` of `stream` of `journal`.
    pub async fn acknowledged(&mut self, journal: u64, stream: Stream, seq: u64) {
        let topic = self.topics.ack();
        loop {
            let ack = v1::Ack::decode(self.next_on(&topic).await.as_slice()).unwrap();
            let number = ack.streams.iter().find(|ack| ack.stream == i32::from(stream)).map(|ack| ack.seq);
            if ack.journal == journal && number == Some(seq) {
                return;
            }
            assert!(ack.journal != journal || number <= Some(seq), "acknowledged too much: {ack:?}");
        }
    }

    /// Whether nothing at all comes for `span`.
    pub async fn hears_nothing(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, self.received.recv()).await.is_err()
    }
}

pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

pub fn alert(alarm: u64) -> Body {
    Body::Alert(v1::Alert {
        alarm,
        device: "freezer-2".into(),
        device_name: "Freezer 2".into(),
        condition: "temperature_high".into(),
        priority: "high".into(),
        state: v1::AlarmState::ActiveUnacknowledged.into(),
        at_ms: now_ms(),
        since_ms: now_ms() - 60_000,
        cause: "the door stands open".into(),
        evidence: vec![
            v1::Fact { quantity: "worst_temperature".into(), value: -11.5, unit: "°C".into() },
            v1::Fact { quantity: "held_s".into(), value: 600.0, unit: "1".into() },
        ],
        ..v1::Alert::default()
    })
}

/// Readings of one point, a second apart; every third without a value.
pub fn telemetry(first_ms: i64, count: u32) -> Body {
    let run = |n: u32| match n % 3 {
        2 => v1::QualityRun { quality: v1::Quality::NoResponse.into(), count: 1, exception: 0 },
        _ => v1::QualityRun { quality: v1::Quality::Good.into(), count: 1, exception: 0 },
    };
    Body::Telemetry(v1::Telemetry {
        series: vec![v1::Series {
            device: "freezer 2".into(),
            point: "air_temperature".into(),
            unit: "°C".into(),
            first_ms,
            step_ms: vec![1000; count as usize - 1],
            value: (0..count).map(|n| if n % 3 == 2 { 0.0 } else { -18.0 - f64::from(n) }).collect(),
            quality: (0..count).map(run).collect(),
        }],
        ..Default::default()
    })
}
