//! Equipment that is not ours, served by pymodbus: good values with their scale, three ways to be
//! broken with their reasons, and a neighbour that does not suffer.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::fridges::{Fridges, steady};
use parties::{Scene, eventually, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often the neighbour is to be asked.
const POLL: Duration = Duration::from_millis(250);
/// How long its polls are counted.
const WATCHED: Duration = Duration::from_secs(20);

const DEVICES: &str = r#"
[[device]]
id = "neighbour"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 1
poll = "250ms"
points = ["air_temperature"]

[[device]]
id = "set-point"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 2
poll = "1s"
points = ["air_temperature", "set_point_in_force"]

[[device]]
id = "chiller"
class = "chiller"
profile = "carel-ir33"
bus = "line"
unit = 3
poll = "1s"
points = ["air_temperature"]

[[device]]
id = "meter"
class = "meter"
profile = "eastron-sdm630"
bus = "line"
unit = 4
poll = "1s"
points = ["power_total"]

[[device]]
id = "refuses"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 5
poll = "1s"
points = ["air_temperature"]
no_response = { delay = "4s" }

[[device]]
id = "lacks-it"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 6
poll = "1s"
points = ["air_temperature"]

[[device]]
id = "garbles"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 7
poll = "1s"
points = ["air_temperature"]

[[device]]
id = "silent"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 8
poll = "1s"
points = ["air_temperature"]
no_response = { delay = "4s" }
"#;

fn units() -> Value {
    json!({
        "1": steady(-21.5),
        // The vendors' own scales: 0.1 K in 16 bits with sign, and IEEE 754 in two registers.
        "2": { "holding": { "2575": -183, "2545": -220 } },
        "3": { "input": { "403": 34 } },
        "4": { "input_f32": { "52": 1234.5 } },
        "5": { "exception": 4 },
        "6": { "exception": 2 },
        "7": { "garbled": true, "celsius": [-20.0, -20.0, 1.0] },
        "8": { "silent": true },
    })
}

/// Value and quality of a point.
fn point(view: &Value, device: &str, point: &str) -> (Option<f64>, String) {
    let devices = view["devices"].as_array().unwrap();
    let device = devices.iter().find(|it| it["id"] == device).unwrap();
    let point = device["points"].as_array().unwrap().iter().find(|it| it["name"] == point).unwrap();
    (point["value"].as_f64(), point["quality"].as_str().unwrap().to_owned())
}

/// Device, condition and whether it is active, of every alarm.
fn alarms(view: &Value) -> Vec<(&str, &str, bool)> {
    let alarms = view["alarms"].as_array().unwrap().iter();
    let mut alarms: Vec<_> = alarms
        .map(|alarm| {
            let text = |key: &str| alarm[key].as_str().unwrap();
            (text("device"), text("condition"), text("state").starts_with("active"))
        })
        .collect();
    alarms.sort_unstable();
    alarms
}

#[test]
fn a_broken_device_costs_only_itself() {
    let scene = Scene::new();
    let fridges = Fridges::start(scene.dir(), &units());
    scene.configure(&format!("[[bus]]\nid = \"line\"\ntcp = \"{}\"\n{DEVICES}", fridges.address()));
    let mut agent = scene.agent();
    let started = Instant::now();

    let good = |value| (Some(value), "good".to_owned());
    until("the good ones show their values", || {
        agent.check();
        let Some(view) = scene.view() else { return false };
        point(&view, "neighbour", "air_temperature") == good(-21.5)
            && point(&view, "set-point", "air_temperature") == good(-18.3)
            && point(&view, "set-point", "set_point_in_force") == good(-22.0)
            && point(&view, "chiller", "air_temperature") == good(3.4)
            && point(&view, "meter", "power_total") == good(1234.5)
    });
    let bad = |reason: &str| (None, reason.to_owned());
    until("the bad ones show why, and no value", || {
        let Some(view) = scene.view() else { return false };
        point(&view, "refuses", "air_temperature") == bad("exception")
            && point(&view, "lacks-it", "air_temperature") == bad("exception")
            && point(&view, "garbles", "air_temperature") == bad("garbled")
            && point(&view, "silent", "air_temperature") == bad("no_response")
    });
    let expected = [("refuses", "no_response", true), ("silent", "no_response", true)];
    eventually("loss of sight is an alarm where it was to be one so soon, and nowhere else", || {
        let view = scene.view()?;
        assert!(alarms(&view).iter().all(|alarm| expected.contains(alarm)), "{:?}", alarms(&view));
        (alarms(&view) == expected).then_some(())
    });
    assert!(started.elapsed() > Duration::from_secs(4), "not before the delay is over");

    let (since, before) = (Instant::now(), fridges.asked(1));
    std::thread::sleep(WATCHED);
    let polls = fridges.asked(1) - before;
    let expected = since.elapsed().as_secs_f64() / POLL.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let share = polls as f64 / expected;
    assert!(share >= 0.8, "the neighbour was asked {polls} times of {expected:.0}");
    assert!(share <= 1.1, "the neighbour was asked {polls} times of {expected:.0}");
    assert!(fridges.asked(8) < fridges.asked(1) / 10, "a silent one is asked ever more seldom");

    fridges.tell(&json!({ "5": steady(-20.5), "7": steady(-20.0) }));
    until("what is mended is seen again, and its alarm returns", || {
        let Some(view) = scene.view() else { return false };
        point(&view, "refuses", "air_temperature") == good(-20.5)
            && point(&view, "garbles", "air_temperature") == good(-20.0)
            && alarms(&view) == [("refuses", "no_response", false), ("silent", "no_response", true)]
    });
}
