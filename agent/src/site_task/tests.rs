//! The site task with a real journal and readings by hand.

use super::*;
use crate::assemble::assemble;
use crate::config::Config;
use crate::journal::{Identity, open_read_only};
use std::path::Path;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::Envelope;
use storewarden_rules::{BadReason, Sample};

/// A freezer whose temperature is hardly ever reported, and alarms at once above −18 °C.
const STORE: &str = r#"
[store]
chain = "kaixin"
id = "0042"
timezone = "Asia/Shanghai"
[telemetry]
heartbeat = "1h"
[hq]
broker = "mqtt://127.0.0.1:1883"
[[bus]]
id = "cold"
tcp = "127.0.0.1:502"
[[device]]
id = "freezer"
class = "freezer"
profile = "carel-ir33"
bus = "cold"
unit = 1
points = ["air_temperature"]
deadband = { air_temperature = 40.0 }
temperature_high = { limit = -18.0, delay = "0s", delay_hold_off = "0s" }
"#;

const AIR: PointId = PointId(0);

struct Bench {
    running: Running,
    directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::parse(Path::new("store.toml"), STORE).unwrap();
        let identity =
            Identity { chain: "kaixin".into(), store: "0042".into(), boot: 7, journal: 0, reports: true };
        let journal = Journal::open(&directory.path().join("journal.sqlite"), identity).unwrap();
        let task = SiteTask {
            assembled: assemble(&config, |device, pace| Some(device.interval(pace))).unwrap(),
            journal,
            clock: Clock::start(),
            timezone: config.store.timezone,
            commands: HashMap::new(),
            heartbeat: config.heartbeat,
            telemetry_every: Millis::from_secs(10),
            telemetry_messages_max: 100,
            view: watch::channel(Arc::default()).0,
            hq_online: watch::channel(false).1,
            labels: watch::channel(Vec::new()).1,
        };
        Self { running: Running::restore(task).await.unwrap(), directory }
    }

    async fn judge(&mut self, at: i64, sample: Sample) {
        let mut blocks = vec![vec![Reading { point: AIR, at: Utc(at), sample }]];
        self.running.judge(&mut blocks).await.unwrap();
    }

    /// The air temperature as the rules see it.
    fn seen(&self) -> Sample {
        self.running.task.assembled.site.sample(self.running.task.clock.now(), AIR)
    }

    /// The readings on their way to headquarters: value and time.
    async fn reported(&mut self) -> Vec<(f64, i64)> {
        self.running.close_telemetry().await.unwrap();
        self.running.telemetry_committed(0).await.unwrap();
        let db = open_read_only(&self.directory.path().join("journal.sqlite")).unwrap();
        let rows = outbox::rows_after(&db, Stream::Telemetry, 0, 100).unwrap();
        let series = rows.into_iter().flat_map(|row| {
            match Envelope::decode(row.payload.as_slice()).unwrap().body.unwrap() {
                Body::Telemetry(telemetry) => telemetry.series,
                other => panic!("{other:?}"),
            }
        });
        series
            .flat_map(|series| {
                let mut at = series.first_ms;
                let steps = std::iter::once(0).chain(series.step_ms);
                series.value.into_iter().zip(steps).map(move |(value, step)| {
                    at += step;
                    (value, at)
                })
            })
            .collect()
    }
}

#[tokio::test]
async fn the_rules_see_every_poll_of_which_headquarters_gets_the_exceptions() {
    let mut bench = Bench::new().await;
    for (at, celsius) in [(1, -21.0), (2, -21.0), (3, -20.9), (4, -17.9)] {
        bench.judge(at, Sample::Good(celsius)).await;
        assert_eq!(bench.seen(), Sample::Good(celsius));
        assert_eq!(bench.running.read_at, [Utc(at)]);
    }
    let alarms: Vec<_> = bench.running.task.assembled.site.alarms().collect();
    assert_eq!(alarms.len(), 1, "the limit was crossed within the deadband");
    assert_eq!(alarms[0].condition, Condition::TemperatureHigh);
    bench.judge(5, Sample::Bad(BadReason::NoResponse)).await;
    assert_eq!(bench.running.readings, 5);
    assert_eq!(bench.reported().await, [(-21.0, 1), (0.0, 5)]);
}

#[tokio::test]
async fn a_device_that_answered_is_known_after_a_restart_and_a_silent_one_is_not() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Bad(BadReason::NoResponse)).await;
    assert_eq!(bench.running.known, [false]);
    bench.judge(2, Sample::Good(-21.0)).await;
    let known = |db: &rusqlite::Connection| alarms::knows_device(db, "freezer");
    assert!(bench.running.task.journal.run(known).await.unwrap());
}

#[tokio::test]
async fn a_tick_does_not_wait_for_the_journals_disk() {
    let mut bench = Bench::new().await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let job = move |_: &rusqlite::Connection| {
        let _ = held.recv();
        Ok(())
    };
    let slow = bench.running.task.journal.begin(job).await.unwrap();
    let ticked = tokio::time::timeout(Duration::from_secs(5), bench.running.tick()).await;
    ticked.expect("the count of the outbox stands behind the slow commit").unwrap();
    assert!(bench.running.counting.is_some());
    drop(release);
    slow.await.unwrap();
    assert_eq!(answered(&mut bench.running.counting).await.unwrap().unwrap(), 0);
}
