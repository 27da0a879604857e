//! The store and headquarters, over a broker that comes late, with a witness that shares no code with
//! either: paho and Google's protobuf.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::fridges::{Fridges, steady};
use parties::{CHAIN, Party, STORE, Scene, column, count, eventually, python, script, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FREEZER: &str = r#"
[[device]]
id = "freezer-1"
name = "冰淇淋柜"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 1
poll = "200ms"
points = ["air_temperature"]
temperature_high = { limit = -18.0, delay = "300ms", delay_hold_off = "300ms" }
"#;

fn scene(celsius: &Value) -> (Scene, Fridges) {
    let scene = Scene::new();
    let fridges = Fridges::start(scene.dir(), &json!({ "1": celsius }));
    scene.configure(&format!("[[bus]]\nid = \"line\"\ntcp = \"{}\"\n{FREEZER}", fridges.address()));
    (scene, fridges)
}

/// Hears everything that travels.
struct Listener {
    heard: PathBuf,
    _process: Party,
}

impl Listener {
    fn start(scene: &Scene, name: &str) -> Self {
        let heard = scene.path(&format!("{name}.jsonl"));
        let mut command = Command::new(python());
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto");
        command.arg(script("listener.py")).arg(contract).arg(scene.hq_port.to_string()).arg(&heard);
        let mut process = Party::start(scene.dir(), name, &mut command);
        until("the listener has subscribed (if its packages are missing, run ./scripts/test)", || {
            process.check();
            heard.exists()
        });
        Self { heard, _process: process }
    }

    /// Messages on a topic of the store so far, in the order in which they came.
    fn heard(&self, topic: &str) -> Vec<Value> {
        let topic = format!("storewarden/v1/{CHAIN}/{STORE}/{topic}");
        let text = std::fs::read_to_string(&self.heard).unwrap();
        // A line without its end is still being written.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["topic"] == topic.as_str()).collect()
    }
}

/// Protobuf JSON writes 64 bits as text.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn what_piled_up_without_a_broker_arrives_in_order() {
    let (scene, fridges) = scene(&json!({ "celsius": [-21.0, -12.0, 1.4] }));
    let mut agent = scene.agent();
    let telemetry_waits = || count(&scene.journal(), "outbox WHERE stream = 4") >= 3;
    until("alarms and readings pile up in the outbox", || {
        agent.check();
        count(&scene.journal(), "alarm_history") >= 5 && telemetry_waits()
    });
    fridges.tell(&json!({ "1": steady(-21.0) }));
    // The third within a minute: its clear is held back.
    let open = "alarm WHERE over_at_meter IS NULL OR pending_at_meter IS NOT NULL";
    until("the last excursion is over", || count(&scene.journal(), open) == 0);
    let waiting = count(&scene.journal(), "outbox WHERE stream = 1");
    assert_eq!(waiting, count(&scene.journal(), "alarm_history"), "every change waits for headquarters");
    let view = eventually("the console tells of all that waits", || {
        scene.view().filter(|view| view["outbox_pending"].as_i64() >= Some(waiting + 3))
    });
    assert_eq!(view["hq_online"], false);

    let _broker = scene.broker();
    let witness = Listener::start(&scene, "witness");
    let _headquarters = scene.headquarters();
    until("headquarters has acknowledged everything", || scene.outbox() == 0);

    let journal = scene.journal();
    let numbers = |sql| column::<i64>(&scene.hq_db(), sql);
    let last = count(&journal, "alarm_history");
    assert_eq!(numbers("SELECT seq FROM alert ORDER BY id"), (1..=last).collect::<Vec<_>>());
    let readings = numbers("SELECT seq FROM message WHERE stream = 4 ORDER BY seq");
    assert_eq!(readings, (1..=i64::try_from(readings.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(count(&scene.hq_db(), "refused"), 0);

    // The journal, headquarters and the witness tell of every alert the same.
    let told = witness.heard("alert");
    let first_told: Vec<_> = (1..=last)
        .map(|seq| told.iter().find(|it| number(&it["message"]["seq"]) == seq).expect("it came"))
        .map(|it| &it["message"])
        .collect();
    let mut rows = journal
        .prepare("SELECT alarm, device, condition, state, at_ms, since_ms, cause, evidence FROM alarm_history ORDER BY id")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let text = |index| row.get::<_, String>(index);
        let number = |index| row.get::<_, i64>(index);
        let state = format!("ALARM_STATE_{}", text(3)?.to_ascii_uppercase());
        let evidence: Value = serde_json::from_str(&text(7)?).unwrap();
        Ok((number(0)?, text(1)?, text(2)?, state, number(4)?, number(5)?, text(6)?, evidence))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), first_told.len());
    for ((alarm, device, condition, state, at, since, cause, evidence), message) in
        rows.into_iter().zip(first_told)
    {
        assert_eq!((&message["chain"], &message["store"]), (&json!(CHAIN), &json!(STORE)));
        assert_eq!(message["stream"], "STREAM_ALERT");
        let alert = &message["alert"];
        assert_eq!((number(&alert["alarm"]), number(&alert["at_ms"])), (alarm, at));
        assert_eq!(number(&alert["since_ms"]), since);
        assert_eq!(alert["device"], device.as_str());
        assert_eq!(alert["device_name"], "冰淇淋柜");
        assert_eq!(alert["condition"], condition.as_str());
        assert_eq!(alert["priority"], "high");
        assert_eq!(alert["state"], state.as_str());
        assert_eq!(alert["cause"], cause.as_str());
        assert_eq!(alert["by"], "");
        let facts = alert["evidence"].as_array().unwrap().iter();
        let facts: Vec<_> = facts.map(|fact| json!([fact["quantity"], fact["value"]])).collect();
        assert_eq!(json!(facts), evidence);
    }
}

/// What the broker keeps of the store's status, for whoever comes now.
fn kept_status(scene: &Scene, name: &str) -> Value {
    let listener = Listener::start(scene, name);
    eventually("the broker has a status", || {
        listener.heard("status").into_iter().find(|it| it["retained"] == true)
    })["message"]
        .take()
}

#[test]
fn headquarters_knows_who_is_there_and_who_takes_care() {
    let (scene, fridges) = scene(&steady(-21.0));
    let _broker = scene.broker();
    let _headquarters = scene.headquarters();
    let witness = Listener::start(&scene, "witness");
    let agent = scene.agent();
    let online = |expected: i64| column::<i64>(&scene.hq_db(), "SELECT online FROM store") == [expected];
    until("headquarters sees the store", || online(1));
    let status = kept_status(&scene, "while-it-runs");
    assert_eq!(status["online"], true);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    until("the two clocks agree, and headquarters is told", || {
        column::<i64>(&scene.hq_db(), "SELECT clock FROM store") == [1]
    });

    fridges.tell(&json!({ "1": steady(-10.0) }));
    let active = "alarm WHERE state = 'active_unacknowledged'";
    until("it is too warm", || count(&scene.journal(), active) == 1);
    let listed = scene.ask_agent("alarms", &["--json"]);
    let alarm: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(alarm["condition"], "temperature_high");
    let alarm = alarm["alarm"].to_string();
    scene.ask_agent("ack", &[&alarm, "--by", "王芳"]);
    let acknowledged = eventually("headquarters knows that somebody takes care", || {
        let alerts = scene.hq(&["alerts", "--json"]);
        let last: Value = serde_json::from_str(alerts.lines().last()?).unwrap();
        (last["state"] == "active_acknowledged").then_some(last)
    });
    assert_eq!(acknowledged["alarm"].to_string(), alarm);
    assert_eq!(column::<String>(&scene.hq_db(), "SELECT by FROM alert ORDER BY id"), ["", "王芳"]);

    agent.kill();
    // Nobody was there to say good-bye: this is the Last Will.
    let offline = |witness: &Listener| {
        witness.heard("status").last().is_some_and(|it| it["message"]["online"] == false)
    };
    until("the broker tells the store's Last Will", || offline(&witness));
    until("headquarters knows", || online(0));
    assert_eq!(kept_status(&scene, "after-the-kill")["online"], false);

    let agent = scene.agent();
    until("headquarters sees the store again", || online(1));
    until("headquarters has everything", || scene.outbox() == 0);
    let again = kept_status(&scene, "after-the-restart");
    assert_ne!(again["boot"], status["boot"], "another run");
    assert_eq!(again["journal"], status["journal"], "of the same journal");

    let (status, took) = agent.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(scene.outbox(), 0);
    assert_eq!(kept_status(&scene, "after-the-stop")["online"], false);
    until("headquarters knows", || online(0));
    assert_eq!(count(&scene.hq_db(), "alert"), 2, "what was acknowledged is not raised again");
    let stops: Vec<bool> =
        column(&scene.journal(), "SELECT stopped_ms IS NOT NULL FROM boot ORDER BY started_ms");
    assert_eq!(stops, [false, true], "killed, then stopped in order");
}

#[test]
fn an_alarm_whose_device_is_taken_out_of_the_config_does_not_stay_for_ever() {
    let (scene, fridges) = scene(&steady(-12.0));
    let _broker = scene.broker();
    let _headquarters = scene.headquarters();
    let agent = scene.agent();
    let latest =
        || column::<String>(&scene.journal(), "SELECT state FROM alarm_history ORDER BY id DESC LIMIT 1");
    until("the freezer is too warm", || latest() == ["active_unacknowledged"]);
    agent.terminate();
    let other = FREEZER.replace("freezer-1", "freezer-9");
    scene.configure(&format!("[[bus]]\nid = \"line\"\ntcp = \"{}\"\n{other}", fridges.address()));
    let _agent = scene.agent();
    until("headquarters hears that it is over, and why", || {
        count(&scene.hq_db(), "alert WHERE device = 'freezer-1' AND state = 1 AND by = 'config'") == 1
    });
}
