//! The program as a process: judged by an independent Modbus implementation, and by its own record
//! of what truly happened.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

struct Store {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Store {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let child = Command::new(env!("CARGO_BIN_EXE_storesim"))
            .arg("run")
            .arg(tests().join("store.toml"))
            .arg("--ready")
            .arg(dir.path().join("ready.json"))
            .arg("--events")
            .arg(dir.path().join("events.jsonl"))
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        Self { child, dir }
    }

    fn address(&self) -> String {
        let path = self.dir.path().join("ready.json");
        wait_for("everything listens", || path.exists());
        let text = std::fs::read_to_string(path).expect("reads");
        let ready: serde_json::Value = serde_json::from_str(&text).expect("written whole");
        ready["buses"][0].as_str().expect("an address").to_owned()
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir.path().join("events.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn pymodbus_reads_every_table_and_switches_a_lamp() {
    let store = Store::start();
    let python = std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(&python)
        .arg(tests().join("modbus_pymodbus.py"))
        .arg(store.address())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python:?} ({error}): run ./scripts/test"));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_record_tells_when_a_fault_began_and_when_it_could_be_seen() {
    let mut store = Store::start();
    store.address();
    let crossed = |events: &[serde_json::Value]| {
        events.iter().position(|event| event["event"] == "limit_crossed" && event["above"] == true)
    };
    wait_for("the freezer is warm", || crossed(&store.events()).is_some());
    let events = store.events();
    let seen = &events[crossed(&events).expect("just seen")];
    let begun = events
        .iter()
        .find(|event| event["event"] == "fault_begin" && event["device"] == "freezer-2")
        .expect("the fault began");
    assert_eq!(begun["kind"], "compressor_stopped");
    assert_eq!(seen["device"], "freezer-2");
    assert!(seen["value"].as_f64().expect("a number") > -18.0);
    assert!(seen["at_ms"].as_u64() > begun["at_ms"].as_u64());

    let asked = Command::new("kill").arg(store.child.id().to_string()).status().expect("kill");
    assert!(asked.success());
    assert!(store.child.wait().expect("ends").success(), "SIGTERM ends it without an error");
}

#[test]
fn a_bad_config_is_refused_with_its_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sim.toml");
    std::fs::write(&path, "speed = 2\n").expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_storesim")).arg("run").arg(&path).output().expect("starts");
    assert!(!output.status.success());
    assert!(said(&output).contains("unknown field `speed`"), "{}", said(&output));
}
