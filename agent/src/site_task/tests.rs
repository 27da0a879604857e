//! The site task with a real journal and readings by hand.

use super::*;
use crate::assemble::assemble;
use crate::config::Config;
use crate::console::{Act, RequestError};
use crate::journal::{Identity, open_read_only};
use std::path::Path;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::Envelope;
use storewarden_proto::v1::Stream;
use storewarden_rules::cabinet::LEARNT;
use storewarden_rules::{BadReason, Mono, Sample};

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
        Self::start(tempfile::tempdir().unwrap()).await
    }

    /// The agent dies and another goes on from the journal.
    async fn restart(self) -> Self {
        let Self { mut running, directory } = self;
        running.keeping.settle().await.unwrap();
        drop(running);
        Self::start(directory).await
    }

    async fn start(directory: tempfile::TempDir) -> Self {
        let config = Config::parse(Path::new("store.toml"), STORE).unwrap();
        let identity =
            Identity { chain: "kaixin".into(), store: "0042".into(), boot: 7, journal: 0, reports: true };
        let journal = Journal::open(&directory.path().join("journal.sqlite"), identity, Utc(0)).unwrap();
        let task = SiteTask {
            assembled: assemble(&config, |device, pace| Some(device.interval(pace))).unwrap(),
            journal,
            clock: Clock::start(),
            timezone: config.store.timezone,
            commands: HashMap::new(),
            heartbeat: config.heartbeat,
            telemetry_every: Millis::from_secs(10),
            telemetry_budget: outbox::Budget { bytes: 1_000_000, messages: 100 },
            view: watch::channel(Arc::default()).0,
            hq_link: watch::channel(LinkState::Offline).1,
            clock_trust: watch::channel(ClockTrust::default()).1,
            prices_held: watch::channel(false).1,
            labels_found: watch::channel(None).1,
            labels: watch::channel(Vec::new()).1,
        };
        let keeping = Keeping::new(task.journal.clone(), task.clock.clone());
        Self { running: Running::restore(task, keeping).await.unwrap(), directory }
    }

    async fn act(&mut self, act: Act) -> Result<(), RequestError> {
        self.running.act(act, "Li".into()).await.unwrap()
    }

    async fn rows<T: Send + 'static>(
        &self,
        sql: &'static str,
        read: fn(&rusqlite::Row) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let rows = move |db: &rusqlite::Connection| db.prepare(sql)?.query_map([], read)?.collect();
        self.running.task.journal.run(rows).await.unwrap()
    }

    fn state(&self) -> Vec<(Condition, AlarmState)> {
        self.running.task.assembled.site.alarms().map(|alarm| (alarm.condition, alarm.state)).collect()
    }

    /// The alerts on their way to headquarters.
    async fn alerts(&self) -> Vec<storewarden_proto::v1::Alert> {
        let payloads = self
            .rows("SELECT payload FROM outbox WHERE stream = 1 ORDER BY seq", |row| row.get::<_, Vec<u8>>(0));
        let bodies =
            payloads.await.into_iter().map(|p| Envelope::decode(p.as_slice()).unwrap().body.unwrap());
        bodies
            .map(|body| match body {
                Body::Alert(alert) => alert,
                other => panic!("{other:?}"),
            })
            .collect()
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
        self.running.close_telemetry().unwrap();
        self.running.keeping.settle().await.unwrap();
        let db = open_read_only(&self.directory.path().join("journal.sqlite")).unwrap();
        let rows = outbox::rows_after(&db, Stream::Telemetry, 0, 100).unwrap();
        let series = rows.into_iter().flat_map(|row| {
            match Envelope::decode(row.payload.as_slice()).unwrap().body.unwrap() {
                Body::Telemetry(telemetry) => {
                    storewarden_proto::telemetry::unpack(&telemetry.packed).unwrap()
                }
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
    assert_eq!(bench.running.known, [false, false], "neither the freezer nor the store");
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
    assert_eq!(first(bench.running.counting.as_mut()).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_repair_is_traced_from_the_alarm_to_its_end_over_restarts() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Good(-10.0)).await;
    let repair = Act::Repair { alarm: 1, reference: "R-12".into() };
    assert_eq!(bench.act(Act::Repaired { alarm: 1 }).await, Err(RequestError::NotNow), "nobody repairs it");
    assert_eq!(bench.act(Act::Acknowledge { alarm: 1 }).await, Ok(()));
    assert_eq!(bench.act(repair.clone()).await, Ok(()));
    assert_eq!(bench.act(repair).await, Err(RequestError::NotNow), "one at a time");
    assert_eq!(
        bench.act(Act::Repair { alarm: 9, reference: String::new() }).await,
        Err(RequestError::UnknownAlarm)
    );

    let mut bench = bench.restart().await;
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::ActiveAcknowledged)]);
    let view = bench.running.alarm_views();
    assert_eq!(view[0].repair.as_ref().unwrap().reference, "R-12");
    assert_eq!(view[0].by, "Li", "who acknowledged, not lost by the repair");
    bench.judge(2, Sample::Good(-22.0)).await;
    bench.judge(3, Sample::Good(-10.0)).await;
    // The alarm has another number now; the repair is that of the first.
    assert_eq!(bench.running.alarm_views()[0].alarm, 2);
    let mut bench = bench.restart().await;
    assert_eq!(bench.act(Act::Repaired { alarm: 1 }).await, Ok(()));
    assert!(bench.running.alarm_views()[0].repair.is_none());
    assert_eq!(bench.restart().await.running.alarm_views()[0].repair, None);
}

#[tokio::test]
async fn headquarters_hears_of_the_repair_and_the_audit_trail_of_the_person() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Good(-10.0)).await;
    bench.act(Act::Repair { alarm: 1, reference: "R-12".into() }).await.unwrap();
    bench.act(Act::Repaired { alarm: 1 }).await.unwrap();
    let alerts = bench.alerts().await;
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| {
            alert.repair.as_ref().map(|r| (r.reference.as_str(), r.by.as_str(), r.fixed_by.as_str()))
        })
        .collect();
    assert_eq!(told, [None, Some(("R-12", "Li", "")), Some(("R-12", "Li", "Li"))]);
    assert!(alerts.iter().all(|alert| alert.alarm == 1 && alert.state == alerts[0].state));
    let audit =
        bench.rows("SELECT by || ': ' || detail FROM audit ORDER BY id", |row| row.get::<_, String>(0)).await;
    assert_eq!(audit, ["Li: alarm 1: repair R-12 is ordered", "Li: alarm 1: repair is finished"]);
}

#[tokio::test]
async fn maintenance_and_out_of_service_outlive_a_restart_and_their_end_does_too() {
    let mut bench = Bench::new().await;
    let device = || "freezer".to_owned();
    assert_eq!(
        bench.act(Act::Maintain { device: "oven".into(), minutes: 5 }).await,
        Err(RequestError::UnknownDevice)
    );
    assert_eq!(bench.act(Act::ReturnToService { device: device() }).await, Err(RequestError::NotNow));
    assert_eq!(bench.act(Act::Maintain { device: device(), minutes: 60 }).await, Ok(()));
    bench.judge(1, Sample::Good(-10.0)).await;
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::SuppressedByDesign)]);
    let mut bench = bench.restart().await;
    bench.running.tick().await.unwrap();
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::SuppressedByDesign)]);
    let now = bench.running.task.clock.now();
    let view = bench.running.device_view(now, DeviceId(0));
    assert_eq!((view.service, view.service_by.as_str()), ("maintenance", "Li"));
    assert!(view.service_until_ms.is_some());

    assert_eq!(bench.act(Act::RemoveFromService { device: device() }).await, Ok(()));
    let mut bench = bench.restart().await;
    bench.running.tick().await.unwrap();
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::OutOfService)]);
    assert_eq!(bench.act(Act::ReturnToService { device: device() }).await, Ok(()));
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
    assert_eq!(bench.restart().await.running.service_by.len(), 0);
}

#[tokio::test]
async fn a_shelf_keeps_its_end_though_a_repair_is_ordered_beneath_it() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Good(-10.0)).await;
    bench.act(Act::Shelve { alarm: 1, minutes: 30 }).await.unwrap();
    bench.act(Act::Repair { alarm: 1, reference: "R-12".into() }).await.unwrap();
    let mut bench = bench.restart().await;
    bench.running.tick().await.unwrap();
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::Shelved)]);
    assert_eq!(bench.act(Act::Unshelve { alarm: 1 }).await, Ok(()));
    assert_eq!(bench.state(), [(Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged)]);
}

#[tokio::test]
async fn a_check_by_hand_is_recorded_whether_it_was_due_or_not() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.act(Act::Inspected { note: "all cold".into() }).await, Ok(()));
    let kept = bench.rows("SELECT by || ': ' || note FROM inspection", |row| row.get::<_, String>(0)).await;
    assert_eq!(kept, ["Li: all cold"]);
    let audit = bench.rows("SELECT what FROM audit", |row| row.get::<_, String>(0)).await;
    assert_eq!(audit, ["inspection"]);
}

#[tokio::test]
async fn what_was_learnt_is_kept_over_a_restart() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Good(-22.0)).await;
    bench.running.keep_learnt().unwrap();
    let kept =
        bench.rows("SELECT length(numbers) FROM learnt WHERE device = 'freezer'", |row| row.get::<_, i64>(0));
    assert_eq!(kept.await, [i64::try_from(4 * LEARNT).unwrap()]);
    bench.restart().await;
}

fn rules(text: &str) -> Assembled {
    let config = Config::parse(Path::new("store.toml"), text).unwrap();
    assemble(&config, |device, pace| Some(device.interval(pace))).unwrap()
}

/// A store whose limit has a delay, with a rule of its own.
fn delayed(own: &str) -> String {
    STORE.replace("delay = \"0s\", delay_hold_off = \"0s\"", "delay = \"1h\", delay_hold_off = \"1h\"") + own
}

const OWN: &str = "\n[[rule]]\nid = \"warm\"\ndevice = \"freezer\"\nwhen = \"air_temperature > -20.0\"\n";

impl Bench {
    /// The agent takes over other rules.
    async fn reload(self, text: &str) -> Self {
        let Self { running, directory } = self;
        Self { running: running.reload(rules(text)).await.unwrap(), directory }
    }

    async fn pending(&self) -> Vec<(String, Option<i64>)> {
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
        self.rows("SELECT condition, pending_at_meter FROM alarm WHERE condition = 'temperature_high'", read)
            .await
    }
}

#[tokio::test]
async fn a_delay_that_runs_an_alarm_and_what_was_learnt_go_on_over_a_reload() {
    let bench = Bench::new().await;
    let mut bench = bench.reload(&delayed(OWN)).await;
    for at in 1..4 {
        bench.judge(at, Sample::Good(-10.0)).await;
    }
    bench.running.tick().await.unwrap();
    let before = bench.pending().await;
    assert!(before[0].1.is_some(), "{before:?}");
    let own = Condition::User(0);
    assert!(bench.state().contains(&(own, AlarmState::ActiveUnacknowledged)), "{:?}", bench.state());
    let readings = bench.running.readings;

    // Another rule changes: this one's delay and the own rule's alarm stay as they were.
    let door = "\n[device.rules.door]\ndelay = \"3m\"\n";
    let mut bench = bench.reload(&delayed(&[door, OWN].concat())).await;
    bench.judge(5, Sample::Good(-10.0)).await;
    bench.running.tick().await.unwrap();
    assert_eq!(bench.pending().await, before, "the delay did not begin anew");
    assert!(bench.state().contains(&(own, AlarmState::ActiveUnacknowledged)));
    assert_eq!(bench.running.readings, readings + 1);
    let alerts = bench.alerts().await;
    let told: Vec<_> =
        alerts.iter().map(|alert| (alert.condition.as_str(), alert.priority.as_str())).collect();
    assert_eq!(told, [("warm", "medium")], "told once, by its own name");
    let learnt = bench.rows("SELECT count(*) FROM learnt", |row| row.get::<_, i64>(0));
    assert_eq!(learnt.await, [1]);

    // The own rule goes: its alarm is over.
    let bench = bench.reload(&delayed("")).await;
    let last = bench.alerts().await.pop().unwrap();
    assert_eq!(
        (last.condition.as_str(), last.state),
        ("warm", storewarden_proto::v1::AlarmState::Normal.into())
    );
    assert!(bench.state().iter().all(|(_, state)| *state == AlarmState::Normal));
    assert_eq!(bench.pending().await, before);
}

#[tokio::test]
async fn while_the_disk_is_full_the_store_is_judged_and_shown_and_all_is_told_when_there_is_room() {
    let mut bench = Bench::new().await;
    bench.judge(1, Sample::Good(-21.0)).await;
    bench.running.keeping.settle().await.unwrap();
    let is_full = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let still = is_full.clone();
    let disk = move |_: &rusqlite::Connection| {
        use rusqlite::ffi::{Error, SQLITE_FULL};
        if still.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(rusqlite::Error::SqliteFailure(Error::new(SQLITE_FULL), None));
        }
        Ok(())
    };
    let waiting = bench.running.task.journal.begin(disk).await.unwrap();
    bench.judge(2, Sample::Good(-10.0)).await;
    let high = (Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged);
    assert_eq!(bench.state(), [high]);
    bench.running.close_telemetry().unwrap();
    assert!(!bench.running.keeping.is_stopped());
    bench.running.keeping.next().await.unwrap().unwrap();
    assert!(bench.running.keeping.is_stopped(), "the telemetry was refused");
    bench.running.tick().await.unwrap();
    bench.running.tick().await.unwrap();
    let stopped = (Condition::JournalStopped, AlarmState::ActiveUnacknowledged);
    assert_eq!(bench.state(), [high, stopped]);
    let shown: Vec<_> = bench.running.task.view.borrow().alarms.iter().map(|a| a.condition.clone()).collect();
    assert_eq!(shown, ["temperature_high", "journal_stopped"]);
    // Far more than the journal's queue holds: of each alarm the last is.
    let (mut answers, mut told) = (Vec::new(), 0);
    while let Ok(answer) = bench.running.task.journal.hand_over(|_| Ok(())) {
        answers.push(answer);
    }
    assert!(answers.len() > 1000);
    for (at, celsius) in (3..).zip([-25.0, -10.0, -25.0, -10.0, -25.0]) {
        bench.judge(at, Sample::Good(celsius)).await;
        told += 1;
    }
    let (held, lost) = bench.running.keeping.held_and_lost();
    assert!(told > 1 && held == 1 && lost > 0);
    bench.judge(9, Sample::Good(-10.0)).await;

    is_full.store(false, std::sync::atomic::Ordering::SeqCst);
    waiting.await.unwrap();
    for answer in answers {
        answer.await.unwrap();
    }
    bench.running.close_telemetry().unwrap();
    bench.running.keeping.settle().await.unwrap();
    bench.running.tick().await.unwrap();
    bench.running.keeping.settle().await.unwrap();
    let alerts: Vec<_> =
        bench.alerts().await.into_iter().map(|alert| (alert.condition.clone(), alert.state())).collect();
    let ended = bench.state().into_iter().find(|(condition, _)| *condition == Condition::TemperatureHigh);
    assert_eq!(ended, Some(high));
    use storewarden_proto::v1::AlarmState as Wire;
    let of = |name: &str| alerts.iter().filter(|(c, _)| c == name).map(|(_, s)| *s).collect::<Vec<_>>();
    assert_eq!(of("temperature_high").first(), Some(&Wire::ActiveUnacknowledged));
    assert_eq!(of("temperature_high").last(), Some(&Wire::ActiveUnacknowledged), "the last of each is told");
    assert_eq!(of("journal_stopped"), [Wire::ActiveUnacknowledged, Wire::ReturnedUnacknowledged]);
    assert_eq!(bench.running.keeping.held_and_lost(), (0, 0));
    let audit = bench.rows("SELECT detail FROM audit", |row| row.get::<_, String>(0)).await;
    assert!(audit.iter().any(|detail| detail.contains("facts were not recorded")), "{audit:?}");
    let telemetry = bench.rows("SELECT payload FROM outbox WHERE stream = 4 ORDER BY seq", |row| row.get(0));
    let bodies = telemetry.await.into_iter().map(|payload: Vec<u8>| {
        let envelope = Envelope::decode(payload.as_slice()).unwrap();
        match envelope.body.unwrap() {
            Body::Gap(gap) => (envelope.seq, Some(gap.first_seq)),
            _ => (envelope.seq, None),
        }
    });
    let bodies: Vec<_> = bodies.collect();
    let gaps: Vec<_> = bodies.iter().filter(|(_, gap)| gap.is_some()).collect();
    assert_eq!((gaps.len(), bodies.len()), (1, 1), "{bodies:?}");
    assert!(gaps.iter().all(|(seq, first)| *first == Some(*seq)), "the gap is its own number alone");
}

#[tokio::test]
async fn a_disk_that_does_not_answer_keeps_nobody_waiting_and_an_alarm_says_so() {
    let mut bench = Bench::new().await;
    let (answer, hung) = std::sync::mpsc::channel::<()>();
    let hang = move |_: &rusqlite::Connection| {
        let _ = hung.recv();
        Ok(())
    };
    let waiting = bench.running.task.journal.begin(hang).await.unwrap();
    bench.judge(1, Sample::Good(-10.0)).await;
    let high = (Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged);
    bench.running.tick().await.unwrap();
    assert_eq!(bench.state(), [high]);
    // As if the oldest fact had waited that long.
    bench.running.keeping.age();
    bench.running.tick().await.unwrap();
    bench.running.tick().await.unwrap();
    assert_eq!(bench.state(), [high, (Condition::JournalStopped, AlarmState::ActiveUnacknowledged)]);
    assert_eq!(bench.running.task.view.borrow().alarms.len(), 2, "and it is shown");
    let (reply, mut told) = oneshot::channel();
    let act = Act::Inspected { note: String::new() };
    bench.running.request(SiteRequest { act, by: "Li".into(), reply }).await.unwrap();
    assert_eq!(told.try_recv().unwrap(), Ok(()), "a person does not wait for it either");
    drop(answer);
    waiting.await.unwrap();
    bench.running.keeping.settle().await.unwrap();
    bench.running.tick().await.unwrap();
    bench.running.keeping.settle().await.unwrap();
    let states: Vec<_> =
        bench.alerts().await.iter().map(|alert| (alert.condition.clone(), alert.at_ms)).collect();
    let names: Vec<_> = states.iter().map(|(condition, _)| condition.as_str()).collect();
    assert_eq!(names, ["temperature_high", "journal_stopped", "journal_stopped"], "in their order");
}

impl Bench {
    /// Another agent goes on by a clock that is `days` ahead of the one before, which ran `minutes` longer.
    async fn restart_under_another_clock(mut self, days: i64, minutes: i64) -> Self {
        self.running.keeping.settle().await.unwrap();
        let (ahead, ran) = (days * 86_400_000, minutes * 60_000);
        let stamps = format!(
            "UPDATE alarm SET changed_ms = changed_ms - {ahead}, since_ms = since_ms - {ahead},
                 shelved_until_ms = shelved_until_ms - {ahead};
             UPDATE alarm_history SET at_ms = at_ms - {ahead}, since_ms = since_ms - {ahead};
             UPDATE inspection SET at_ms = at_ms - {ahead};
             UPDATE meter SET shown_ms = shown_ms + {ran};"
        );
        self.running.task.journal.run(move |db| db.execute_batch(&stamps)).await.unwrap();
        let mut next = self.restart().await;
        next.running.tick().await.unwrap();
        next
    }

    /// How often it was said that nobody acknowledges.
    fn escalation(&self) -> u8 {
        self.running.task.assembled.site.alarms().next().unwrap().escalation
    }
}

#[tokio::test]
async fn what_waits_over_a_restart_is_told_by_how_long_the_agent_ran_whatever_the_clock_shows() {
    for days in [-400, -1, 1, 400] {
        let mut bench = Bench::new().await;
        bench.judge(1, Sample::Good(-10.0)).await;
        let high = (Condition::TemperatureHigh, AlarmState::ActiveUnacknowledged);
        assert_eq!(bench.state(), [high]);
        let bench = bench.restart_under_another_clock(days, 14).await;
        assert_eq!((bench.state(), bench.escalation()), (vec![high], 0), "{days} d: neither early");
        let mut bench = bench.restart_under_another_clock(-days, 1).await;
        assert_eq!((bench.state(), bench.escalation()), (vec![high], 1), "{days} d: nor never");

        let alarm = bench.running.alarm_views()[0].alarm;
        bench.act(Act::Shelve { alarm, minutes: 60 }).await.unwrap();
        let shelved = (Condition::TemperatureHigh, AlarmState::Shelved);
        let bench = bench.restart_under_another_clock(days, 59).await;
        assert_eq!(bench.state(), [shelved], "{days} d");
        let mut bench = bench.restart_under_another_clock(-days, 1).await;
        assert_eq!(bench.state(), [high], "{days} d: the shelf is over");

        bench.act(Act::Maintain { device: "freezer".into(), minutes: 60 }).await.unwrap();
        let suppressed = (Condition::TemperatureHigh, AlarmState::SuppressedByDesign);
        let bench = bench.restart_under_another_clock(days, 59).await;
        assert_eq!(bench.state(), [suppressed], "{days} d");
        let bench = bench.restart_under_another_clock(-days, 1).await;
        assert_eq!(bench.state(), [high], "{days} d: the maintenance is over");
    }
}

#[tokio::test]
async fn a_check_by_hand_is_due_by_how_long_the_agent_ran() {
    for days in [-400, 400] {
        let mut bench = Bench::new().await;
        bench.act(Act::Inspected { note: String::new() }).await.unwrap();
        let bench = bench.restart_under_another_clock(days, 10 * 24 * 60 - 1).await;
        assert_eq!(bench.state(), [], "{days} d");
        let bench = bench.restart_under_another_clock(-days, 1).await;
        let due = (Condition::InspectionDue, AlarmState::ActiveUnacknowledged);
        assert_eq!(bench.state(), [due], "{days} d");
    }
}

/// A clock of which one says so at `now`.
fn trusted(now: Now, trust: Trust) -> ClockTrust {
    let mut clock = ClockTrust::default();
    let hours_ago = |hours: i64| Now {
        mono: Mono(now.mono.0 - hours * 3_600_000),
        utc: Utc(now.utc.0 - hours * 3_600_000),
    };
    match trust {
        Trust::Unknown => {}
        Trust::Wrong => clock.heard(now, Utc(now.utc.0 + 60_000)),
        Trust::Synchronised => clock.heard(now, now.utc),
        Trust::Holdover => clock.heard(hours_ago(2), hours_ago(2).utc),
    }
    assert_eq!(clock.at(now), trust);
    clock
}

#[tokio::test]
async fn a_clock_that_nobody_vouches_for_is_an_alarm_once_a_price_waits_for_it() {
    let mut bench = Bench::new().await;
    let now = bench.running.task.clock.now();
    let mut find = async |minute, is_held| {
        bench.running.task.prices_held = watch::channel(is_held).1;
        let now = now.after(Millis::from_mins(minute));
        bench.running.look_at_headquarters(now);
        bench.running.carry_out(now, None).await.unwrap();
        bench.state()
    };
    assert_eq!(find(0, false).await, []);
    assert_eq!(find(60, true).await, []);
    let raised = [(Condition::ClockUntrusted, AlarmState::ActiveUnacknowledged)];
    assert_eq!(find(75, true).await, raised);
}

#[tokio::test]
async fn a_broker_that_refuses_and_a_clock_that_disagrees_are_alarms_of_the_store_and_told() {
    let mut bench = Bench::new().await;
    let now = bench.running.task.clock.now();
    let mut find = async |minute, link, trust| {
        bench.running.task.hq_link = watch::channel(link).1;
        let now = now.after(Millis::from_mins(minute));
        bench.running.task.clock_trust = watch::channel(trusted(now, trust)).1;
        bench.running.look_at_headquarters(now);
        bench.running.carry_out(now, None).await.unwrap();
        bench.state()
    };
    let raised = |condition| (condition, AlarmState::ActiveUnacknowledged);
    let over = |condition| (condition, AlarmState::ReturnedUnacknowledged);
    assert_eq!(find(0, LinkState::Refused, Trust::Wrong).await, []);
    let refused = [raised(Condition::LinkRefused)];
    assert_eq!(find(5, LinkState::Refused, Trust::Wrong).await, refused);
    assert_eq!(find(6, LinkState::Offline, Trust::Unknown).await, refused);
    let both = [raised(Condition::LinkRefused), raised(Condition::ClockUntrusted)];
    assert_eq!(find(15, LinkState::Refused, Trust::Wrong).await, both);
    let ended = [over(Condition::LinkRefused), over(Condition::ClockUntrusted)];
    assert_eq!(find(16, LinkState::Online, Trust::Holdover).await, ended);
    let told: Vec<_> = bench.alerts().await.into_iter().map(|alert| alert.condition).collect();
    assert_eq!(told, ["link_refused", "clock_untrusted", "link_refused", "clock_untrusted"]);
}
