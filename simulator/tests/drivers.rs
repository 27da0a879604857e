//! The drivers' Modbus task against the simulated store: each point reads as it truly is, and each
//! fault comes out with its own reason.

use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use storewarden_drivers::{
    clock::Clock,
    modbus::{
        cost::LineCost,
        device::{BusDevice, Polls},
        line::Transport,
        task,
    },
    profile::built_in,
};
use storewarden_rules::{BadReason, Millis, PointId, Reading, Sample};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

const DEVICES: [(&str, u8, &str); 8] = [
    ("freezer-1", 1, "danfoss-ekc-202d"),
    ("chiller-1", 3, "carel-ir33"),
    ("meter-1", 4, "eastron-sdm630"),
    ("relay-1", 5, "waveshare-relay-8"),
    ("silent", 7, "waveshare-relay-8"),
    ("refusing", 8, "waveshare-relay-8"),
    ("garbled", 9, "waveshare-relay-8"),
    ("probe-cut", 10, "danfoss-ekc-202d"),
];

struct Store(Child);

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path) -> (Store, String) {
    let ready = dir.join("ready.json");
    let child = Command::new(env!("CARGO_BIN_EXE_storesim"))
        .arg("run")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store.toml"))
        .arg("--ready")
        .arg(&ready)
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let store = Store(child);
    let start = Instant::now();
    while !ready.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never listened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ready).expect("reads")).expect("JSON");
    (store, ready["buses"][0].as_str().expect("an address").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_reads_every_point_and_tells_every_fault_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, address) = start(dir.path());
    let mut names: Vec<String> = Vec::new();
    let devices = DEVICES
        .map(|(name, unit, profile)| {
            let profile = built_in(profile).expect("shipped");
            let modbus = profile.modbus().expect("Modbus").clone();
            let wanted = (0..profile.points.len())
                .map(|index| {
                    names.push(format!("{name}/{}", profile.points[index].name));
                    (PointId(u16::try_from(names.len() - 1).expect("few points")), index)
                })
                .collect();
            let polls = Polls::every(Duration::from_millis(200));
            BusDevice {
                name: name.into(),
                unit,
                modbus,
                points: profile.points,
                polls,
                timeout: None,
                safe: None,
                wanted,
            }
        })
        .to_vec();
    let id = |name: &str| {
        let index = names.iter().position(|known| known == name).expect("a point");
        PointId(u16::try_from(index).expect("few points"))
    };
    let (sender, mut readings) = mpsc::channel(64);
    let (commands, command_receiver) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let transport = Transport::Tcp { address };
    let config = task::BusConfig { name: "bus".into(), transport, cost: LineCost::Tcp, devices };
    tokio::spawn(task::run(config, sender, command_receiver, Clock::start(), stop.clone()));

    let (reply, outcome) = oneshot::channel();
    let command = task::Command { point: id("relay-1/relay_1"), value: 1.0, deadline: Millis(20_000), reply };
    commands.send(command).await.expect("the bus listens");
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await;
    outcome.expect("in time").expect("an outcome").expect("the coil was switched");

    let expected = |name: &str, sample: Sample| match name.split('/').next() {
        Some("silent") => sample == Sample::Bad(BadReason::NoResponse),
        Some("refusing") => sample == Sample::Bad(BadReason::Exception(4)),
        Some("garbled") => sample == Sample::Bad(BadReason::Garbled),
        _ if name == "probe-cut/air_temperature" => sample == Sample::Bad(BadReason::OutOfRange),
        _ if name == "relay-1/relay_1" => sample == Sample::Good(1.0),
        _ if name == "meter-1/power_3" => sample.good().is_some_and(|watts| (watts - 120.0).abs() < 0.01),
        _ if name == "freezer-1/air_temperature" => {
            sample.good().is_some_and(|air_c| (-26.0..-12.0).contains(&air_c))
        }
        _ => sample.good().is_some(),
    };
    let mut latest: HashMap<PointId, Sample> = HashMap::new();
    let read = tokio::time::timeout(Duration::from_secs(60), async {
        while let Some(batch) = readings.recv().await {
            latest.extend(batch.into_iter().map(|Reading { point, sample, .. }| (point, sample)));
            if names.iter().all(|name| latest.get(&id(name)).is_some_and(|sample| expected(name, *sample))) {
                return;
            }
        }
    });
    let done = read.await.is_ok();
    let wrong: Vec<_> = names
        .iter()
        .map(|name| (name, latest.get(&id(name))))
        .filter(|(name, sample)| !sample.is_some_and(|sample| expected(name, *sample)))
        .collect();
    assert!(done && wrong.is_empty(), "not as they are: {wrong:?}");
    stop.cancel();
}
