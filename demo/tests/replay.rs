//! Five recorded days of a convenience store through the rules. What must come out was counted from the
//! recording alone.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::Scene;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/recordings/solarplus-replay.csv")
}

/// A store with the recorded freezer and fridge.
fn store(freezer: &str, chiller: &str) -> Scene {
    let scene = Scene::new();
    let device = |id: &str, class: &str, unit: u8, rule: &str| {
        format!(
            r#"
[[device]]
id = "{id}"
class = "{class}"
profile = "danfoss-ekc-202d"
bus = "line"
unit = {unit}
temperature_high = {{ {rule} }}
"#
        )
    };
    scene.configure(&format!(
        "[[bus]]\nid = \"line\"\ntcp = \"127.0.0.1:9\"\n{}{}",
        device("freezer-1", "freezer", 1, freezer),
        device("chiller-1", "chiller", 2, chiller)
    ));
    scene
}

/// Replays the recording; gives its lines of JSON.
fn replay(scene: &Scene) -> Vec<Value> {
    let csv = recording();
    let printed = scene.ask_agent("replay", &["--csv", csv.to_str().unwrap(), "--json"]);
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn raised<'a>(lines: &'a [Value], device: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["device"] == device && line["state"] == "active_unacknowledged").collect()
}

/// How often a column is above `limit`, and how often for longer than `minutes`, by the rows alone:
/// begin at the first row above, end at the first that is not.
fn excursions(column: usize, limit: f64, minutes: i64) -> usize {
    let text = std::fs::read_to_string(recording()).unwrap();
    let mut since = None;
    let mut found = 0;
    // The recording is of one June; day, hour and minute tell its rows apart.
    for line in text.lines().skip(1) {
        let number = |from: usize| line[from..from + 2].parse::<i64>().unwrap();
        let minute = (number(8) * 24 + number(11)) * 60 + number(14);
        let value: f64 = line.split(',').nth(column).unwrap().parse().unwrap();
        if value > limit {
            since.get_or_insert(minute);
        } else if let Some(since) = since.take() {
            found += usize::from(minute - since > minutes);
        }
    }
    found
}

#[test]
fn without_delay_every_defrost_of_the_freezer_is_an_alarm() {
    assert_eq!(excursions(1, -18.0, 0), 21);
    let naive = r#"limit = -18.0, hysteresis = 0.0, delay = "0s", delay_hold_off = "0s""#;
    let lines = replay(&store(naive, "limit = 50.0"));
    let raised = raised(&lines, "freezer-1");
    assert_eq!(raised.len(), 21);
    assert!(lines.iter().all(|line| line["device"] == "freezer-1"), "the fridge has no such limit");

    let first = raised[0];
    assert_eq!(first["condition"], "temperature_high");
    assert!(first["cause"].is_string());
    assert!(first["time"].as_str().unwrap().starts_with("2018-06-0"));
    let worst = &first["evidence"]["worst_temperature"];
    assert!(worst["value"].as_f64().unwrap() > -18.0, "{worst}");
    assert_eq!(worst["unit"], "°C");
}

#[test]
fn with_half_an_hour_of_delay_the_healthy_freezer_is_quiet() {
    assert_eq!(excursions(1, -18.0, 30), 0);
    let patient = r#"limit = -18.0, hysteresis = 0.0, delay = "30m", delay_hold_off = "30m""#;
    assert_eq!(raised(&replay(&store(patient, "limit = 50.0")), "freezer-1"), Vec::<&Value>::new());
}

#[test]
fn the_fridge_is_too_warm_for_half_an_hour_seventeen_times() {
    assert_eq!(excursions(2, 5.0, 30), 17);
    // Without a defrost flag nothing tells a defrost from a fault.
    let rule = r#"limit = 5.0, hysteresis = 0.0, delay = "30m", delay_hold_off = "30m""#;
    let lines = replay(&store("limit = 50.0", rule));
    assert_eq!(raised(&lines, "chiller-1").len(), 17);
}

/// The freezer of the recording as a first look takes it.
fn freezer_alone(scene: &Scene) -> PathBuf {
    let text = std::fs::read_to_string(recording()).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split(',').collect();
        format!("{},{}\n", cells[0], cells[1])
    });
    let path = scene.path("freezer.csv");
    std::fs::write(&path, format!("time,air_temperature\n{}", rows.collect::<String>())).unwrap();
    path
}

/// The agent's `replay` without a configuration.
fn first_look(arguments: &[&OsStr]) -> std::process::Output {
    let mut command = parties::program("storewarden");
    command.arg("replay").args(arguments).output().unwrap()
}

#[test]
fn a_class_alone_is_enough_for_a_first_look() {
    let scene = Scene::new();
    let csv = freezer_alone(&scene);
    let words = ["--class", "freezer", "--json", "--csv"].map(OsStr::new);
    let output = first_look(&[words[0], words[1], words[2], words[3], csv.as_os_str()]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for line in said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for key in ["time", "device", "condition", "state", "cause", "probability", "evidence"] {
            assert!(!line[key].is_null(), "{key} is missing: {line}");
        }
        assert_ne!(line["condition"], "temperature_high", "{line}");
        assert_ne!(line["condition"], "goods_warm", "{line}");
    }

    let moment = OsStr::new("freezer@2018-06-03T01:20:00Z");
    let output =
        first_look(&[words[0], words[1], OsStr::new("--explain"), moment, words[3], csv.as_os_str()]);
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["air_temperature: -17.4 °C", "usual between defrosts", "temperature_high: normal", "next:"]
    {
        assert!(said.contains(words), "`{words}` is not said:\n{said}");
    }
}

#[test]
fn a_first_look_refuses_what_it_does_not_know() {
    let scene = Scene::new();
    let csv = scene.path("odd.csv");
    for (text, words) in [
        ("time,temp\n2018-06-01T07:00:00Z,-20\n", "write one of air_temperature"),
        ("time,power\n2018-06-01T07:00:00Z,20\n", "no column `air_temperature`"),
    ] {
        std::fs::write(&csv, text).unwrap();
        let output = first_look(
            &["--class", "freezer", "--csv"]
                .map(OsStr::new)
                .into_iter()
                .chain([csv.as_os_str()])
                .collect::<Vec<_>>(),
        );
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "`{words}` is not said:\n{said}");
    }
}

/// Runs a bad recording; it must be refused with these words.
#[track_caller]
fn refused(csv: &str, words: &[&str]) {
    let scene = store("limit = -18.0", "limit = 5.0");
    let path = scene.path("bad.csv");
    std::fs::write(&path, csv).unwrap();
    let arguments = [OsStr::new("--csv"), path.as_os_str(), OsStr::new("--json")];
    let output = scene.agent_command("replay", &arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(output.stdout, b"", "nothing is judged of a recording that is refused");
    for word in words.iter().chain([&"bad.csv"]) {
        assert!(said.contains(word), "`{word}` is not said:\n{said}");
    }
}

#[test]
fn a_column_that_is_no_point() {
    let csv = "time,freezer-9/air_temperature\n2018-06-01T07:00:00Z,-20\n";
    refused(csv, &["line 1", "freezer-9/air_temperature", "freezer-1/air_temperature"]);
}

#[test]
fn rows_that_are_not_sorted() {
    let csv = "time,freezer-1/air_temperature\n2018-06-01T07:05:00Z,-20\n2018-06-01T07:00:00Z,-20\n";
    refused(csv, &["line 3", "not later than the row before"]);
}

#[test]
fn a_value_that_is_no_number() {
    let csv = "time,freezer-1/air_temperature\n2018-06-01T07:00:00Z,-20\n2018-06-01T07:05:00Z,cold\n";
    refused(csv, &["line 3", "`cold` is no number"]);
    let csv = "time,freezer-1/air_temperature\n2018-06-01T07:00:00Z,NaN\n";
    refused(csv, &["line 2", "`NaN` is no number"]);
}

#[test]
fn a_time_that_is_none() {
    refused("time,freezer-1/air_temperature\nyesterday,-20\n", &["line 2", "`yesterday` is no time"]);
}
