//! The agent's program writes what a sensor said to a time-series server: each value once, whatever is
//! stopped or killed on the way.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../timeseries/tests/servers/mod.rs"]
mod servers;

mod free_port;

use free_port::free_port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use servers::{Fake, Moody, NOT_TAKEN, VictoriaMetrics, wait_for};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use storewarden_proto::prost::Message as _;
use storewarden_proto::telemetry::unpack;
use storewarden_proto::v1::Envelope;
use storewarden_proto::v1::envelope::Body;

const TAGS: &str = "reading,chain=kaixin,device=case-1,point=air_temperature,store=0042,unit=°C value=";

/// A temperature sensor (XY-MD02 behind Modbus TCP) that says another value each time it is asked: a tenth
/// of a degree more.
#[derive(Clone)]
struct Sensor {
    port: u16,
    /// What it said, tenths of a degree.
    said: Arc<Mutex<Vec<i16>>>,
}

impl Sensor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sensor = Self { port: listener.local_addr().unwrap().port(), said: Arc::default() };
        let of_thread = sensor.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let sensor = of_thread.clone();
                std::thread::spawn(move || while sensor.answer(connection.as_ref().unwrap()).is_ok() {});
            }
        });
        sensor
    }

    /// One answer, written by hand from the Modbus specification: input registers are all 500, but number 1.
    fn answer(&self, mut connection: &TcpStream) -> std::io::Result<()> {
        let mut request = [0_u8; 12];
        connection.read_exact(&mut request)?;
        assert_eq!(request[7], 4, "read input registers");
        let first = u16::from_be_bytes([request[8], request[9]]);
        let count = u16::from_be_bytes([request[10], request[11]]);
        let mut answer = request[..8].to_vec();
        answer.push(u8::try_from(2 * count).unwrap());
        for register in first..first + count {
            let word = if register == 1 {
                let mut said = self.said.lock().unwrap();
                let next = said.last().map_or(-225, |last| last + 1);
                said.push(next);
                next.to_be_bytes()
            } else {
                500_i16.to_be_bytes()
            };
            answer.extend(word);
        }
        let length = u16::try_from(answer.len() - 6).unwrap().to_be_bytes();
        answer[4..6].copy_from_slice(&length);
        connection.write_all(&answer)
    }

    fn said(&self) -> Vec<i16> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it was asked so many times more.
    async fn asked(&self, more: usize) {
        let before = self.said().len();
        wait_for("the sensor is not asked", || self.said().len() >= before + more).await;
    }
}

/// A store with the sensor.
struct Store {
    dir: tempfile::TempDir,
}

impl Store {
    fn new(sensor: &Sensor, sections: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[store]\nchain = \"kaixin\"\nid = \"0042\"\ntimezone = \"Asia/Shanghai\"\n\n\
             [journal]\npath = \"journal.sqlite\"\n\n\
             [telemetry]\nheartbeat = \"0s\"\n\n\
             [console]\nlisten = \"127.0.0.1:{}\"\n\n{sections}\n\
             [[bus]]\nid = \"cold\"\ntcp = \"127.0.0.1:{}\"\n\n\
             [[device]]\nid = \"case-1\"\nclass = \"freezer\"\nprofile = \"xy-md02\"\nbus = \"cold\"\nunit = 1\npoll = \"200ms\"\n",
            free_port(),
            sensor.port,
        );
        std::fs::write(dir.path().join("store.toml"), text).unwrap();
        std::fs::write(dir.path().join("token"), "secret\n").unwrap();
        Self { dir }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal.sqlite")
    }

    fn run(&self) -> Agent {
        let child = Command::new(env!("CARGO_BIN_EXE_storewarden"))
            .args(["run", "--config"])
            .arg(self.dir.path().join("store.toml"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Agent(child)
    }

    /// Counts or the like of the journal; -1 while there is none.
    fn number(&self, sql: &str) -> i64 {
        let read = || rusqlite::Connection::open(self.journal())?.query_row(sql, [], |row| row.get(0));
        read().unwrap_or(-1)
    }

    fn text(&self, sql: &str) -> String {
        rusqlite::Connection::open(self.journal()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

struct Agent(Child);

impl Agent {
    /// Stops it in order, and waits for that.
    fn stop(mut self) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

/// By SIGKILL.
impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The temperatures of these lines, tenths of a degree, in their order.
fn temperatures<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<i16> {
    let of = |line: &str| {
        let value: f64 = line.strip_prefix(TAGS)?.split(' ').next()?.parse().unwrap();
        Some(tenths(value))
    };
    lines.filter_map(of).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "tenths of a degree")]
fn tenths(value: f64) -> i16 {
    (value * 10.0).round() as i16
}

#[tokio::test(flavor = "multi_thread")]
async fn without_headquarters_a_restart_in_the_middle_doubles_and_loses_nothing() {
    let sensor = Sensor::start();
    let fake = Fake { failures_left: Arc::new(Mutex::new(2)), ..Fake::default() };
    let url = fake.start().await;
    let section = format!(
        "[timeseries]\nurl = \"{url}\"\norg = \"chain\"\nbucket = \"cold\"\ntoken_file = \"token\"\nevery = \"1s\"\n"
    );
    let store = Store::new(&sensor, &section);
    let taken = || {
        let bodies = fake.bodies.lock().unwrap();
        let taken = bodies.iter().filter(|(status, _)| status.is_success());
        temperatures(taken.flat_map(|(_, body)| body.lines()))
    };

    let agent = store.run();
    wait_for("nothing is written", || fake.taken() >= 2).await;
    agent.stop();
    let last_of_run = *sensor.said().last().unwrap();
    // Another run, of which nothing is taken at all: it is kept, and written by the next.
    *fake.failures_left.lock().unwrap() = u32::MAX;
    let agent = store.run();
    sensor.asked(20).await;
    agent.stop();
    let last_of_next_run = *sensor.said().last().unwrap();
    assert!(store.number("SELECT count(*) FROM outbox") > 0);
    *fake.failures_left.lock().unwrap() = 0;

    let _agent = store.run();
    sensor.asked(10).await;
    let said = sensor.said();
    wait_for("the last value is not written", || taken().contains(said.last().unwrap())).await;
    let taken = taken();
    assert!(taken.is_sorted_by(|a, b| a < b), "each once, in order: {taken:?}");
    let lost: Vec<_> = said.iter().filter(|value| !taken.contains(value)).collect();
    // The answer that was under way when the agent stopped.
    assert!(lost.iter().all(|value| [last_of_run, last_of_next_run].contains(value)), "{lost:?}");
    wait_for("what is written is not removed", || store.number("SELECT count(*) FROM outbox") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_the_server_refuses_is_told_and_every_other_arrives() {
    let sensor = Sensor::start();
    // The answers that take long are tried at headquarters: this one begins with 401.
    let fake = Moody { writes: Arc::new(Mutex::new(3)), ..Moody::default() };
    let url = fake.start().await;
    let section = format!("[timeseries]\nurl = \"{url}\"\norg = \"o\"\nbucket = \"b\"\nevery = \"1s\"\n");
    let store = Store::new(&sensor, &section);
    let _agent = store.run();
    sensor.asked(20).await;
    let said = sensor.said();
    let taken = || temperatures(fake.taken.lock().unwrap().lines());
    wait_for("the last value is not written", || taken().contains(said.last().unwrap())).await;
    let expected: Vec<_> = said.iter().copied().filter(|value| *value != -220).collect();
    assert_eq!(taken()[..expected.len()], expected, "all but the poison, each once");
    let audit = "FROM audit WHERE what = 'not-exported'";
    wait_for("it is not in the audit trail", || store.number(&format!("SELECT count(*) {audit}")) == 1).await;
    let told = store.text(&format!("SELECT detail {audit}"));
    assert!(told.starts_with(&format!("{NOT_TAKEN}: {TAGS}-22 ")), "{told}");
}

/// Time and value of the good temperatures of the telemetry in the outbox.
fn outbox(journal: &Path) -> BTreeSet<(i64, i16)> {
    let db = rusqlite::Connection::open(journal).unwrap();
    let mut query = db.prepare("SELECT payload FROM outbox WHERE stream = 4 ORDER BY seq").unwrap();
    let payloads = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut readings = BTreeSet::new();
    for payload in payloads {
        let telemetry = match Envelope::decode(payload.unwrap().as_slice()).unwrap().body {
            Some(Body::Telemetry(telemetry)) => telemetry,
            // The time between a kill and the next start.
            Some(Body::Gap(_)) => continue,
            other => panic!("no telemetry: {other:?}"),
        };
        for series in unpack(&telemetry.packed).unwrap() {
            if series.point != "air_temperature" {
                continue;
            }
            let mut at_ms = series.first_ms;
            let steps = std::iter::once(0).chain(series.step_ms);
            assert!(series.quality.iter().all(|run| run.quality == 1), "{:?}", series.quality);
            for (step, value) in steps.zip(series.value) {
                at_ms += step;
                readings.insert((at_ms, tenths(value)));
            }
        }
    }
    readings
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_gets_what_waits_for_headquarters_also_after_a_kill() {
    let sensor = Sensor::start();
    let dir = tempfile::tempdir().unwrap();
    let victoria = VictoriaMetrics::start(dir.path(), free_port());
    let broker_port = free_port();
    let sections = format!(
        "[hq]\nbroker = \"mqtt://127.0.0.1:{broker_port}\"\nack = \"broker\"\ntelemetry_every = \"1s\"\n\n\
         [timeseries]\nurl = \"{}\"\norg = \"o\"\nbucket = \"b\"\n",
        victoria.url()
    );
    let store = Store::new(&sensor, &sections);
    for _ in 0..3 {
        let agent = store.run();
        sensor.asked(12).await;
        drop(agent);
    }
    let agent = store.run();
    sensor.asked(12).await;
    agent.stop();
    // Headquarters has never been there, so that all that was committed is in the outbox.
    let committed = outbox(&store.journal());
    assert!(committed.len() > 20, "{}", committed.len());
    let said: BTreeSet<_> = sensor.said().into_iter().collect();
    assert!(committed.iter().all(|(_, value)| said.contains(value)));

    let agent = store.run();
    let last = i64::from(committed.last().unwrap().1);
    let stored = async || {
        let mut stored = BTreeSet::new();
        for series in
            victoria.stored("reading_value{point=\"air_temperature\"}", committed.first().unwrap().0).await
        {
            let tags = serde_json::json!({
                "__name__": "reading_value", "chain": "kaixin", "device": "case-1",
                "point": "air_temperature", "store": "0042", "unit": "°C",
            });
            assert_eq!(series["metric"], tags);
            let times = series["timestamps"].as_array().unwrap();
            for (at_ms, value) in times.iter().zip(series["values"].as_array().unwrap()) {
                stored.insert((at_ms.as_i64().unwrap(), tenths(value.as_f64().unwrap())));
            }
        }
        stored
    };
    let end = std::time::Instant::now() + Duration::from_secs(60);
    let stored = loop {
        let stored = stored().await;
        // Something newer is there, so all of the earlier runs is.
        if stored.iter().any(|(_, value)| i64::from(*value) > last) {
            break stored;
        }
        assert!(std::time::Instant::now() < end, "{} of {} are there", stored.len(), committed.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let earlier: BTreeSet<_> = stored.into_iter().filter(|(_, value)| i64::from(*value) <= last).collect();
    assert_eq!(earlier, committed, "each value at its time, and nothing else");

    // Headquarters comes: what both have is removed.
    let config = dir.path().join("mosquitto.conf");
    std::fs::write(&config, format!("listener {broker_port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let mosquitto = Command::new("mosquitto").arg("-c").arg(config).stderr(Stdio::null()).spawn();
    let _mosquitto = Agent(mosquitto.expect("mosquitto is installed: run ./scripts/test"));
    let count = "SELECT count(*) FROM outbox WHERE stream = 4";
    wait_for("what both have is not removed", || store.number(count) == 0).await;
    drop(agent);
}
