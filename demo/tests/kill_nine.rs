//! The agent is killed with `kill -9` twenty times at any moment while alarms come and go, and so are
//! headquarters and its broker. Whatever the store decided, headquarters has once, and by its numbers in
//! the store's order.
//!
//! `STOREWARDEN_SEED` repeats the moments of an earlier run. The line of JSON is for the figures.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::fridges::{Fridges, steady};
use parties::{Party, Scene, column, count, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use storewarden_proto::v1::AlarmState;

const KILLS: u64 = 20;
/// Cabinets, each on its own rhythm. Many: one that comes thrice a minute is held back as chattering.
const CABINETS: u8 = 16;
/// Who acknowledges in between.
const PERSON: &str = "Li Wei";

/// An alarm's change of state, as the journal and headquarters both tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    alarm: i64,
    device: String,
    condition: String,
    state: String,
    at_ms: i64,
    since_ms: i64,
    cause: String,
    by: String,
}

/// What came of it.
#[derive(serde::Serialize)]
struct Account {
    kills: u64,
    changes: usize,
    /// Changes of the journal that headquarters has not.
    lost: usize,
    /// Rows at headquarters beyond one for each number.
    doubled: usize,
    /// Changes that came after one with a higher number: a broker that was killed has forgotten for
    /// whom to keep them, so the store had to send them again.
    late: usize,
    seed: u64,
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    let seed = match std::env::var("STOREWARDEN_SEED") {
        Ok(text) => text.parse().expect("STOREWARDEN_SEED is a number"),
        Err(_) => fastrand::u64(..1_000_000),
    };
    eprintln!("STOREWARDEN_SEED={seed}");
    let account = kill_nine(seed);
    println!("{}", serde_json::to_string(&account).unwrap());
    assert_eq!((account.lost, account.doubled), (0, 0));
}

fn kill_nine(seed: u64) -> Account {
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene::new();
    let fridges = Fridges::start(scene.dir(), &swinging());
    scene.configure(&format!("[policy]\nfile = \"policy.toml\"\n{}", devices(fridges.address())));
    // More goes wrong here in ten minutes than people could act on.
    std::fs::write(scene.path("policy.toml"), "[alarms]\nflood = false\n").unwrap();
    let mut broker = Some(scene.broker());
    let mut headquarters = Some(scene.headquarters());
    let mut acknowledged = BTreeSet::new();

    for kill in 1..=KILLS {
        let agent = scene.agent();
        let life = 0.1 + 2.4 * random.f64();
        let before = life * random.f64();
        std::thread::sleep(Duration::from_secs_f64(before));
        acknowledged.extend(acknowledge(&scene));
        // Their own deaths; they come back while the agent is dead, or after it has come back.
        match random.u8(..5) {
            0 => headquarters.take().into_iter().for_each(Party::kill),
            1 => broker.take().into_iter().for_each(Party::kill),
            _ => {}
        }
        std::thread::sleep(Duration::from_secs_f64(life - before));
        agent.kill();
        if random.bool() || kill == KILLS {
            broker.get_or_insert_with(|| scene.broker());
            headquarters.get_or_insert_with(|| scene.headquarters());
        }
    }

    let agent = scene.agent();
    until("alarms came and went", || count(&scene.journal(), "alarm_history") >= 2 * KILLS.cast_signed());
    // All excursions end, so every alarm must return, also those of a life that was cut off.
    fridges.tell(&cabinets(|_| steady(-21.0)));
    let open = "alarm WHERE state LIKE 'active%' OR pending_at_meter IS NOT NULL";
    until("every alarm has returned", || count(&scene.journal(), open) == 0);
    until("headquarters has everything", || scene.outbox() == 0);
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(scene.outbox(), 0, "after an orderly stop");

    let (journal, hq) = (scene.journal(), scene.hq_db());
    let changes = changes(&journal, "alarm_history", "id");
    life_of_each_alarm_is_legal(&changes);
    for (alarm, by) in acknowledged {
        let kept = changes.iter().any(|change| change.alarm == alarm && change.by == by);
        assert!(kept, "alarm {alarm} was acknowledged, and the journal does not know");
    }
    let twice = "(SELECT 1 FROM sample GROUP BY point, at_ms HAVING count(*) > 1)";
    assert_eq!(count(&hq, twice), 0, "readings that headquarters has twice");

    let numbers: Vec<i64> = column(&hq, "SELECT seq FROM alert ORDER BY id");
    let distinct: BTreeSet<i64> = numbers.iter().copied().collect();
    let lost = (1..=changes.len()).filter(|n| !distinct.contains(&i64::try_from(*n).unwrap())).count();
    let doubled = numbers.len() - distinct.len();
    if (lost, doubled) == (0, 0) {
        streams_have_no_gap(&journal, &hq);
        assert_eq!(self::changes(&hq, "alert", "seq"), changes, "word for word");
    }
    let late = numbers.iter().enumerate().filter(|(n, number)| numbers[..*n].iter().any(|it| it > number));
    Account { kills: KILLS, changes: changes.len(), lost, doubled, late: late.count(), seed }
}

fn cabinets(unit: impl Fn(u8) -> Value) -> Value {
    (1..=CABINETS).map(|number| (number.to_string(), unit(number))).collect::<serde_json::Map<_, _>>().into()
}

/// Too warm for half of each period, which differ.
fn swinging() -> Value {
    cabinets(|number| json!({ "celsius": [-21.0, -12.0, 31.0 + 0.7 * f64::from(number)] }))
}

fn devices(bus: &str) -> String {
    let mut text = format!("[[bus]]\nid = \"cabinets\"\ntcp = \"{bus}\"\n");
    for number in 1..=CABINETS {
        text += &format!(
            r#"
[[device]]
id = "freezer-{number}"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "cabinets"
unit = {number}
poll = "100ms"
points = ["air_temperature"]
temperature_high = {{ limit = -18.0, delay = "200ms", delay_hold_off = "200ms" }}
"#
        );
    }
    text
}

/// Acknowledges an active alarm if the agent answers and there is one.
fn acknowledge(scene: &Scene) -> Option<(i64, String)> {
    let view = scene.view()?;
    let alarms = view["alarms"].as_array()?;
    let active = alarms.iter().find(|alarm| alarm["state"] == "active_unacknowledged")?;
    let alarm = active["alarm"].as_i64()?;
    let url = format!("http://127.0.0.1:{}/api/alarms/{alarm}/ack", scene.console);
    let body = json!({ "by": PERSON }).to_string();
    let answer = ureq::post(&url).header("content-type", "application/json").send(&body);
    answer.is_ok().then(|| (alarm, PERSON.to_owned()))
}

fn changes(db: &Connection, table: &str, order: &str) -> Vec<Change> {
    let sql = format!(
        "SELECT alarm, device, condition, state, at_ms, since_ms, cause, by FROM {table} ORDER BY {order}"
    );
    let mut statement = db.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let state = match row.get(3)? {
            rusqlite::types::Value::Integer(number) => state_name(number),
            rusqlite::types::Value::Text(name) => name,
            other => panic!("no state: {other:?}"),
        };
        Ok(Change {
            alarm: row.get(0)?,
            device: row.get(1)?,
            condition: row.get(2)?,
            state,
            at_ms: row.get(4)?,
            since_ms: row.get(5)?,
            cause: row.get(6)?,
            by: row.get(7)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn state_name(number: i64) -> String {
    let state = AlarmState::try_from(i32::try_from(number).unwrap()).unwrap();
    state.as_str_name().trim_start_matches("ALARM_STATE_").to_ascii_lowercase()
}

/// Each alarm goes only ways that ISA-18.2 knows, so raise and return alternate; an occurrence keeps its
/// number until it is normal; and no excursion is raised twice.
fn life_of_each_alarm_is_legal(changes: &[Change]) {
    let mut last: HashMap<(&str, &str), &Change> = HashMap::new();
    let mut raised_since: HashMap<(&str, &str), i64> = HashMap::new();
    let mut highest = 0;
    for change in changes {
        let key = (change.device.as_str(), change.condition.as_str());
        let before = last.insert(key, change);
        let from = before.map_or("normal", |before| before.state.as_str());
        let legal = matches!(
            (from, change.state.as_str()),
            ("normal" | "returned_unacknowledged", "active_unacknowledged")
                | ("active_unacknowledged", "active_acknowledged" | "returned_unacknowledged")
                | ("active_acknowledged" | "returned_unacknowledged", "normal")
        );
        assert!(legal, "from {from} to {change:?}");
        if from == "normal" {
            assert!(change.alarm > highest, "a new occurrence has a new number: {change:?}");
            highest = change.alarm;
        } else {
            assert_eq!(Some(change.alarm), before.map(|before| before.alarm), "{change:?}");
        }
        if change.state == "active_unacknowledged" {
            let earlier = raised_since.insert(key, change.since_ms);
            assert!(earlier.is_none_or(|earlier| earlier < change.since_ms), "raised twice: {change:?}");
        }
    }
}

/// Both sides agree on the last number of every stream, and headquarters lacks none below.
fn streams_have_no_gap(journal: &Connection, hq: &Connection) {
    let last: Vec<i64> = column(journal, "SELECT last FROM stream ORDER BY stream");
    let acknowledged: Vec<i64> = column(journal, "SELECT acked FROM stream ORDER BY stream");
    assert_eq!(acknowledged, last);
    assert_eq!(column::<i64>(hq, "SELECT seq FROM contiguous ORDER BY stream"), last);
    assert_eq!(count(hq, "(SELECT DISTINCT journal FROM message)"), 1, "one journal all the time");
}
