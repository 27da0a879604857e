//! The whole configuration or no start: every fault names file and line, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::Scene;
use std::net::TcpStream;

const GOOD: &str = r#"[[bus]]
id = "line"
tcp = "127.0.0.1:9"

[[device]]
id = "freezer-1"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 1
points = ["air_temperature", "defrost"]
temperature_high = { limit = -18.0, hysteresis = 0.5 }
temperature_low = { limit = -30.0 }

[[device]]
id = "chiller-1"
class = "chiller"
profile = "carel-ir33"
bus = "line"
unit = 2
"#;

/// Writes the good configuration with `line` changed to `wrong`; runs `storewarden NAME`; checks that it
/// refuses, naming the file, the line and each of `words`, and that nothing was started.
#[track_caller]
fn refused(name: &str, line: &str, wrong: &str, words: &[&str]) {
    let scene = Scene::new();
    let lines = GOOD.lines().filter(|it| *it == line).count();
    assert_eq!(lines, 1, "`{line}` stands once in the configuration");
    scene.configure(&GOOD.replace(&format!("{line}\n"), &format!("{wrong}\n")));
    let file = scene.path("store.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    // Of several new lines the last is the wrong one.
    let wrong = wrong.lines().last().unwrap();
    let number = text.lines().position(|it| it == wrong).unwrap() + 1;

    let output = scene.agent_command(name, &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let place = format!("{}:{number}: ", file.display());
    assert!(said.contains(&place), "{place} is not named:\n{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not said:\n{said}");
    }
    assert!(said.contains("1 fault; nothing was started"), "{said}");
    let left: Vec<_> = std::fs::read_dir(scene.dir()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["store.toml"], "no journal, nothing else");
    assert!(TcpStream::connect(("127.0.0.1", scene.console)).is_err(), "nothing listens");
}

#[test]
fn the_unchanged_configuration_is_good() {
    let scene = Scene::new();
    scene.configure(GOOD);
    assert!(scene.ask_agent("check", &[]).starts_with("ok: store kaixin/0042: 2 devices on 1 buses"));
}

#[test]
fn an_unknown_key() {
    refused(
        "run",
        "unit = 2",
        "unit = 2\npoints_max = 3",
        &["unknown field `points_max`", "expected one of"],
    );
}

#[test]
fn an_id_twice() {
    refused("run", r#"id = "chiller-1""#, r#"id = "freezer-1" # again"#, &["`freezer-1` is there twice"]);
}

#[test]
fn a_unit_twice_on_one_bus() {
    refused("run", "unit = 2", "unit = 1 # again", &["unit 1 on bus `line` is already `freezer-1`"]);
}

#[test]
fn a_unit_outside_the_profile() {
    refused(
        "run",
        "unit = 2",
        "unit = 248",
        &["unit 248 is outside the addresses of carel-ir33", "write 1 to"],
    );
}

#[test]
fn a_point_outside_the_profile() {
    let line = r#"points = ["air_temperature", "defrost"]"#;
    let wrong = r#"points = ["air_temperature", "humidity"]"#;
    refused("run", line, wrong, &["has no point `humidity`", "it has air_temperature, "]);
}

#[test]
fn a_limit_within_the_hysteresis_of_the_other() {
    let wrong = "temperature_low = { limit = -18.4 }";
    refused("run", "temperature_low = { limit = -30.0 }", wrong, &["within each other's hysteresis"]);
}

#[test]
fn a_hysteresis_that_no_cabinet_leaves() {
    let line = "temperature_high = { limit = -18.0, hysteresis = 0.5 }";
    let wrong = "temperature_high = { limit = -18.0, hysteresis = 11.0 }";
    refused("run", line, wrong, &["hysteresis 11 would keep an alarm for ever", "write K between 0 and"]);
}

#[test]
fn no_toml_at_all() {
    refused("run", r#"id = "line""#, r#"id = "line"#, &["string"]);
}

/// Every command reads the same configuration in the same way, and changes nothing either.
#[test]
fn other_commands_refuse_alike() {
    for name in ["check", "alarms"] {
        refused(name, "unit = 2", "unit = 300", &["unit 300 is outside"]);
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let scene = Scene::new();
    scene.configure(&GOOD.replace("unit = 2", "unit = 1").replace("class = \"chiller\"", "class = \"oven\""));
    let output = scene.agent_command("run", &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("unknown class `oven`"), "{said}");
    assert!(said.contains("is already `freezer-1`"), "{said}");
    assert!(said.contains("2 faults; nothing was started"), "{said}");
}

#[test]
fn a_file_that_is_not_there() {
    let scene = Scene::new();
    let output = scene.agent_command("run", &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("store.toml: cannot be read"), "{said}");
}
