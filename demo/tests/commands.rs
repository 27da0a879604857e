//! Commands of headquarters, ordered by a program that is not ours: carried out once, answered, and refused
//! where they may not be.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene, column, count, eventually, program, python, script, until};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use storesim::port;
use storewarden_proto::v1::{CommandOutcome, envelope::Body};

/// 32 times 7; what `public` is was computed with Python's `cryptography`.
const SEED: &str = "0707070707070707070707070707070707070707070707070707070707070707";

const EQUIPMENT: &str = r#"
[[device]]
id = "freezer"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "line"
unit = 4
poll = "200ms"
set_point_range = [-24.0, -18.0]
[device.temperature_high]
limit = -30.0
delay = "1s"
delay_hold_off = "1s"

[[device]]
id = "relay"
class = "light"
profile = "waveshare-relay-8"
bus = "line"
unit = 6
poll = "200ms"

[[light]]
id = "sign"
switch = "relay/relay_1"
before_sunset = "12h"
after_sunrise = "12h"
"#;

/// Headquarters' hand.
struct Commander {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Commander {
    fn new(port: u16) -> Self {
        let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/proto");
        let mut child = Command::new(python())
            .arg(script("commander.py"))
            .args([proto, &port.to_string(), CHAIN, STORE, SEED])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Sends what protobuf's JSON form says.
    fn send(&mut self, asked: &serde_json::Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{asked}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "sent\n");
    }

    /// Orders `act` under `id`.
    fn order(&mut self, id: &str, act: &serde_json::Value) {
        self.send(&serde_json::json!({ "command": command(id, act) }));
    }
}

impl Drop for Commander {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(id: &str, act: &serde_json::Value) -> serde_json::Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let mut command = serde_json::json!({
        "chain": CHAIN, "store": STORE, "id": id, "by": "Wang",
        "issuedMs": now.to_string(), "deadlineMs": (now + 600_000).to_string(),
    });
    command.as_object_mut().unwrap().extend(act.as_object().unwrap().clone());
    command
}

/// What headquarters heard of commands, oldest first.
fn outcomes(scene: &Scene) -> Vec<CommandOutcome> {
    let bodies = scene.messages(3).into_iter().filter_map(|envelope| envelope.body);
    let outcome = |body| if let Body::CommandOutcome(outcome) = body { Some(outcome) } else { None };
    bodies.filter_map(outcome).filter(|outcome| !outcome.id.is_empty()).collect()
}

/// Waits for the `nth` outcome of `id`.
fn outcome(scene: &Scene, id: &str, nth: usize) -> CommandOutcome {
    eventually(&format!("headquarters hears of {id}"), || {
        outcomes(scene).into_iter().filter(|outcome| outcome.id == id).nth(nth)
    })
}

fn point(scene: &Scene, device: &str, name: &str) -> Option<f64> {
    let view = scene.view()?;
    let devices = view["devices"].as_array()?;
    let device = devices.iter().find(|it| it["id"] == device)?;
    device["points"].as_array()?.iter().find(|it| it["name"] == name)?["value"].as_f64()
}

/// A store with a freezer and a sign that takes commands of the Python program, and the equipment behind it.
fn store(scene: &Scene) -> (Party, Party, Party) {
    // Of `SEED`.
    let public = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    store_that_trusts(scene, &format!("[[command_key]]\nid = \"hq-1\"\npublic = \"{public}\"\n"))
}

fn store_that_trusts(scene: &Scene, keys: &str) -> (Party, Party, Party) {
    let port = port::free();
    let simulator = format!(
        r#"seed = 3
[[bus]]
listen = "127.0.0.1:{port}"
[[bus.unit]]
unit = 4
profile = "danfoss-ekc-202d"
id = "freezer"
model = {{ cabinet = "freezer", first_defrost = "5h" }}
[[bus.unit]]
unit = 6
profile = "waveshare-relay-8"
id = "relay"
model = {{ relay = {{ lamps = [{{ channel = 1, watts = 180.0 }}] }} }}
"#
    );
    std::fs::write(scene.path("sim.toml"), simulator).unwrap();
    scene.configure(&format!("[[bus]]\nid = \"line\"\ntcp = \"127.0.0.1:{port}\"\n{keys}{EQUIPMENT}"));
    let text = std::fs::read_to_string(scene.path("store.toml")).unwrap();
    std::fs::write(
        scene.path("store.toml"),
        text.replacen("[hq]", "latitude = 31.23\nlongitude = 121.47\n\n[hq]", 1),
    )
    .unwrap();
    let simulator =
        Party::start(scene.dir(), "storesim", program("storesim").arg("run").arg(scene.path("sim.toml")));
    (scene.broker(), scene.headquarters(), simulator)
}

#[test]
fn a_command_is_done_once_and_answered_as_often_as_it_comes() {
    let scene = Scene::new();
    let _others = store(&scene);
    let agent = scene.agent();
    let mut commander = Commander::new(scene.hq_port);
    until("the freezer is read", || point(&scene, "freezer", "set_point").is_some());

    // A set point, within the store's limits and beyond.
    let set = |celsius: f64| serde_json::json!({ "setPoint": { "device": "freezer", "celsius": celsius } });
    commander.order("c-1", &set(-21.5));
    let done = outcome(&scene, "c-1", 0);
    assert!(done.done && done.by == "Wang", "{}", done.reason);
    until("the controller has it", || point(&scene, "freezer", "set_point") == Some(-21.5));
    commander.order("c-2", &set(-10.0));
    let refused = outcome(&scene, "c-2", 0);
    assert!(!refused.done && refused.reason.contains("outside -24 to -18"), "{}", refused.reason);

    // An alarm, by its number and journal.
    let alarm = eventually("the freezer is too warm", || {
        scene.view()?["alarms"].as_array()?.iter().find(|a| a["condition"] == "temperature_high").cloned()
    });
    let number = alarm["alarm"].as_u64().unwrap();
    let journal = scene.messages(1)[0].journal;
    let acknowledge = |journal: u64| serde_json::json!({ "acknowledge": { "journal": journal.to_string(), "alarm": number.to_string() } });
    commander.order("c-3", &acknowledge(journal));
    assert!(outcome(&scene, "c-3", 0).done);
    let by = "SELECT by FROM alert WHERE state = 3";
    assert_eq!(column::<String>(&scene.hq_db(), by), ["Wang (headquarters)"]);
    commander.order("c-4", &acknowledge(journal ^ 1));
    assert!(outcome(&scene, "c-4", 0).reason.contains("another journal"));

    // A defrost, once at a time.
    let defrost = serde_json::json!({ "defrost": { "device": "freezer" } });
    commander.order("d-1", &defrost);
    let done = outcome(&scene, "d-1", 0);
    assert!(done.done, "{}", done.reason);
    until("the freezer defrosts", || point(&scene, "freezer", "defrost") == Some(1.0));
    commander.order("d-2", &defrost);
    assert!(outcome(&scene, "d-2", 0).reason.contains("defrosting already"));

    // A light against its schedule.
    until("the sign shines by its schedule", || point(&scene, "relay", "relay_1") == Some(1.0));
    commander.order("c-5", &serde_json::json!({ "light": { "light": "sign", "on": false, "minutes": 5 } }));
    assert!(outcome(&scene, "c-5", 0).done);
    until("it is dark", || point(&scene, "relay", "relay_1") == Some(0.0));

    // The same again changes nothing, and is answered again; so it is after a restart.
    let again = command("c-6", &set(-19.0));
    let again = serde_json::json!({ "command": again });
    commander.send(&again);
    assert!(outcome(&scene, "c-6", 0).done);
    commander.order("c-7", &set(-20.0));
    assert!(outcome(&scene, "c-7", 0).done);
    commander.send(&again);
    assert!(outcome(&scene, "c-6", 1).done);
    agent.kill();
    let _agent = scene.agent();
    until("it is back", || scene.view().is_some());
    commander.send(&again);
    assert_eq!(outcome(&scene, "c-6", 2).at_ms, outcome(&scene, "c-6", 0).at_ms);
    until("it reads", || point(&scene, "freezer", "set_point").is_some());
    assert_eq!(point(&scene, "freezer", "set_point"), Some(-20.0), "c-6 was not done again");
    // Another content under a known id.
    commander.order("c-6", &set(-22.0));
    assert!(outcome(&scene, "c-6", 3).reason.contains("another command has this id"));

    // Whoever may not.
    let mut asked = serde_json::json!({ "command": command("c-8", &set(-22.0)), "spoil": true });
    commander.send(&asked);
    assert!(outcome(&scene, "c-8", 0).reason.contains("does not match"));
    asked = serde_json::json!({ "command": command("c-9", &set(-22.0)), "key_id": "stranger" });
    commander.send(&asked);
    assert!(outcome(&scene, "c-9", 0).reason.contains("no signature by a key"));
    let mut late = command("c-10", &set(-22.0));
    late["deadlineMs"] = late["issuedMs"].clone();
    commander.send(&serde_json::json!({ "command": late }));
    assert!(outcome(&scene, "c-10", 0).reason.contains("deadline"));
    assert_eq!(point(&scene, "freezer", "set_point"), Some(-20.0));
    assert_eq!(count(&scene.journal(), "audit WHERE what = 'command-refused'"), 4);
    assert_eq!(count(&scene.journal(), "command WHERE done IS NULL"), 0);
}

fn push(text: &str, base: &str) -> serde_json::Value {
    use std::fmt::Write as _;
    let base64 = |bytes: &[u8]| {
        // protobuf's JSON form wants base64; the alphabet is all that is needed of it here.
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for place in 0..4 {
                let symbol = char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]);
                let _ = write!(out, "{}", if place <= chunk.len() { symbol } else { '=' });
            }
        }
        out
    };
    serde_json::json!({
        "config": { "toml": base64(text.as_bytes()), "baseDigest": base64(&Sha256::digest(base.as_bytes())) }
    })
}

#[test]
fn a_pushed_configuration_holds_only_if_headquarters_is_still_reached() {
    let scene = Scene::new();
    let _others = store(&scene);
    let start = || {
        let mut command = scene.agent_command("run", &[]);
        Party::start(scene.dir(), "storewarden", command.env("STOREWARDEN_TRIAL_SECONDS", "4"))
    };
    let file = || std::fs::read_to_string(scene.path("store.toml")).unwrap();
    let agent = start();
    let mut commander = Commander::new(scene.hq_port);
    until("the freezer is read", || point(&scene, "freezer", "set_point").is_some());

    // Faults and another base are refused, and nothing is touched.
    let first = file();
    commander.order("p-1", &push(&first.replace("class = \"freezer\"", "class = \"oven\""), &first));
    let refused = outcome(&scene, "p-1", 0);
    assert!(!refused.done && refused.reason.contains("oven"), "{}", refused.reason);
    commander.order("p-2", &push(&first, "something else"));
    assert!(outcome(&scene, "p-2", 0).reason.contains("another configuration"));
    assert_eq!(file(), first);

    // Only rules: in force at once.
    let rules = first.replace("limit = -30.0", "limit = -31.0");
    commander.order("p-3", &push(&rules, &first));
    assert!(outcome(&scene, "p-3", 0).done);
    assert_eq!(file(), rules);
    assert_eq!(std::fs::read_to_string(scene.path("store.toml.before")).unwrap(), first);

    // More than rules: the agent ends, and the next start tries it.
    let more = rules.replace("timezone = \"Asia/Shanghai\"", "timezone = \"Asia/Tokyo\"");
    commander.order("p-4", &push(&more, &rules));
    agent.ended();
    let agent = start();
    assert!(outcome(&scene, "p-4", 0).done);
    assert_eq!(file(), more);
    until("the trial is over", || !scene.path("store.toml.trial").exists());

    // One that reaches nobody: put back, and headquarters hears why.
    let mute = more.replace(
        &format!("mqtt://127.0.0.1:{}", scene.hq_port),
        &format!("mqtt://127.0.0.1:{}", port::free()),
    );
    commander.order("p-5", &push(&mute, &more));
    agent.ended();
    let agent = start();
    agent.ended();
    assert_eq!(file(), more, "the one before is in place again");
    let _agent = start();
    let failed = outcome(&scene, "p-5", 0);
    assert!(!failed.done && failed.reason.contains("headquarters was not reached"), "{}", failed.reason);
    until("the trial is over", || !scene.path("store.toml.trial").exists());
}

/// Signed commands, checked and decoded by Python.
fn read_by_another(public: &str, payloads: &[Vec<u8>]) -> Vec<serde_json::Value> {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/proto");
    let hex = |payload: &Vec<u8>| payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let arguments = [proto.to_owned(), public.to_owned()].into_iter().chain(payloads.iter().map(hex));
    let output = Command::new(python()).arg(script("read_commands.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Headquarters' own program: makes the key, signs, sends, waits, and shows what became of it.
#[test]
fn headquarters_orders_waits_and_shows() {
    let scene = Scene::new();
    let keys = scene.path("keys");
    let keys = keys.to_str().unwrap();
    let lines = scene.hq(&["command", "keygen", "--out", keys, "--id", "team-1"]);
    assert!(lines.starts_with("[[command_key]]\nid = \"team-1\"\n"), "{lines}");
    let _others = store_that_trusts(&scene, &lines);
    let _agent = scene.agent();
    until("the freezer is read", || point(&scene, "freezer", "set_point").is_some());
    let key = format!("{keys}/team-1.pem");
    let order = ["--chain", CHAIN, "--store", STORE, "--by", "Zhao", "--key", &key, "--key-id", "team-1"];
    let ask = |what: &[&str]| {
        let arguments = ["command"].iter().chain(what).chain(&order).chain(&["--wait", "60"]);
        let arguments: Vec<_> = arguments.copied().collect();
        scene.hq_command(&arguments).output().unwrap()
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let set = ask(&["set-point", "--device", "freezer", "--celsius", "-20.5"]);
    assert!(set.status.success() && said(&set).trim_end().ends_with("by Zhao: done"), "{set:?}");
    until("the controller has it", || point(&scene, "freezer", "set_point") == Some(-20.5));
    let too_warm = ask(&["set-point", "--device", "freezer", "--celsius", "-5"]);
    assert_eq!(too_warm.status.code(), Some(1));
    assert!(said(&too_warm).contains("not done: -5 °C is outside -24 to -18 °C"), "{too_warm:?}");

    let alarm = eventually("the freezer is too warm", || {
        scene.view()?["alarms"].as_array()?.iter().find(|a| a["condition"] == "temperature_high")?["alarm"]
            .as_u64()
    });
    assert!(ask(&["acknowledge", "--alarm", &alarm.to_string()]).status.success());
    assert!(ask(&["light", "--light", "sign", "off", "--minutes", "5"]).status.success());
    assert!(ask(&["defrost", "--device", "freezer"]).status.success());

    // Rules only, made from what the store says it uses.
    let text = std::fs::read_to_string(scene.path("store.toml")).unwrap();
    let new = scene.path("new.toml");
    std::fs::write(&new, text.replace("limit = -30.0", "limit = -29.0")).unwrap();
    let pushed = ask(&["config", new.to_str().unwrap()]);
    assert!(pushed.status.success(), "{pushed:?}");
    assert!(std::fs::read_to_string(scene.path("store.toml")).unwrap().contains("limit = -29.0"));

    let list = scene.hq(&["command", "status", "--json"]);
    let list: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done: Vec<_> = list.iter().map(|status| status["done"].as_bool()).collect();
    assert_eq!(done, [true, false, true, true, true, true].map(Some));
    // What it signed, read by libraries that are not ours.
    let payloads: Vec<Vec<u8>> = column(&scene.hq_db(), "SELECT payload FROM command ORDER BY issued_ms, id");
    let public = lines.split('"').nth(3).unwrap();
    let read = read_by_another(public, &payloads);
    assert_eq!(read[0]["setPoint"], serde_json::json!({ "device": "freezer", "celsius": -20.5 }));
    assert_eq!(read[3]["light"], serde_json::json!({ "light": "sign", "minutes": 5 }), "false is left out");
    assert!(read.iter().all(|command| command["by"] == "Zhao" && command["store"] == STORE), "{read:?}");
    // Wrong arguments queue nothing.
    let wrong =
        scene.hq_command(&["command", "defrost", "--device", "f", "--chain", CHAIN]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(count(&scene.hq_db(), "command"), 6);
}
