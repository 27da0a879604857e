//! A bus of the drivers on a serial line with true byte times in a storm: of twelve units three are
//! dead, one answers late every other time, one garbles. No value is ever another register's.
//!
//! What that costs the good ones is measured by `cargo figures bus`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use storesim::pattern;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::device::{BusDevice, Polls};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_drivers::modbus::task::{BusConfig, run};
use storewarden_drivers::profile::Profile;
use storewarden_rules::{BadReason, PointId, Reading, Sample};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const LINE: Serial = Serial { baud: 9600, parity: Parity::Even, stop_bits: 1 };
const UNITS: u8 = 12;
/// Units 1 to 7 are good.
const GOOD: u8 = 7;
const LATE: u8 = 8;
const GARBLING: u8 = 9;
/// A time-out of 300 ms and an answer 450 ms late: it comes when others are asked.
const TIMEOUT_MS: u16 = 300;
const LATE_MS: u16 = 450;
/// Two reads whose answers look alike, and one of another length.
const BLOCKS: [(u16, u16); 3] = [(0, 5), (100, 5), (200, 8)];
/// How long the storm lasts at least: some 20 polls of each good unit.
const STORM: Duration = Duration::from_secs(15);
/// Only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

struct Simulator(Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the line; its port.
fn start(dir: &Path) -> (Simulator, String) {
    let mut text = format!(
        "seed = 7\n[[bus]]\npty = \"{}\"\nbaud = 9600\nparity = \"even\"\nstop_bits = 1\nturnaround = \"5ms\"\n",
        dir.join("line").display()
    );
    for unit in 1..=UNITS {
        writeln!(text, "[[bus.unit]]\nunit = {unit}\nid = \"unit-{unit}\"\nmodel = {{ pattern = {{}} }}")
            .unwrap();
    }
    for unit in GOOD + 1..=UNITS {
        let kind = match unit {
            LATE => format!("kind = \"late\"\ndelay = \"{LATE_MS}ms\"\nshare = 0.5"),
            GARBLING => "kind = \"bit_flips\"".into(),
            _ => "kind = \"no_response\"".into(),
        };
        writeln!(text, "[[fault]]\nat = \"0s\"\ndevice = \"unit-{unit}\"\n{kind}").unwrap();
    }
    std::fs::write(dir.join("sim.toml"), text).unwrap();
    let ready = dir.join("ready.json");
    let child = Command::new(env!("CARGO_BIN_EXE_storesim"))
        .arg("run")
        .arg(dir.join("sim.toml"))
        .arg("--ready")
        .arg(&ready)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let simulator = Simulator(child);
    let began = Instant::now();
    while !ready.exists() {
        assert!(began.elapsed() < PATIENCE, "it never listened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
    (simulator, ready["buses"][0].as_str().unwrap().to_owned())
}

fn addresses() -> Vec<u16> {
    BLOCKS.into_iter().flat_map(|(start, count)| start..start + count).collect()
}

fn devices() -> Vec<BusDevice> {
    let mut text = format!(
        "maker = 'x'\nmodel = 'x'\nclasses = ['chiller']\nsource = 'x'\nverified = false\n[modbus]\n\
         timeout_ms = {TIMEOUT_MS}\n"
    );
    for address in addresses() {
        let name = format!("r{address}");
        writeln!(
            text,
            "[[point]]\nname = '{name}'\nfunction = 3\naddress = {address}\nkind = 'u16'\nunit = '1'"
        )
        .unwrap();
    }
    // What the class requires; nobody reads it.
    text.push_str("[[point]]\nname='air_temperature'\nfunction=4\naddress=9\nkind='s16'\nunit='°C'\n");
    let profile = Profile::parse("x", &text).unwrap();
    (1..=UNITS)
        .map(|unit| BusDevice {
            name: format!("unit-{unit}"),
            unit,
            modbus: profile.modbus().unwrap().clone(),
            points: profile.points.clone(),
            polls: Polls::every(Duration::ZERO),
            timeout: None,
            safe: None,
            wanted: addresses().into_iter().enumerate().map(|(n, _)| (id(unit, n), n)).collect(),
        })
        .collect()
}

fn id(unit: u8, number: usize) -> PointId {
    PointId(u16::from(unit) * 100 + u16::try_from(number).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_storm_no_value_is_wrong_the_good_are_read_and_the_bad_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (_simulator, port) = start(dir.path());
    let (sender, mut readings) = mpsc::channel(256);
    let (_commands, commands) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let transport = Transport::Serial { port, serial: LINE };
    let config = BusConfig { name: "storm".into(), transport, cost: LineCost::Rtu(LINE), devices: devices() };
    let bus = tokio::spawn(run(config, sender, commands, Clock::start(), stop.clone()));

    let addresses = addresses();
    // Good and bad readings of each point, and the last reason.
    let mut seen: HashMap<PointId, (u32, u32, Option<BadReason>)> = HashMap::new();
    let known = |seen: &HashMap<_, (u32, u32, Option<BadReason>)>| {
        (1..=UNITS).all(|unit| {
            (0..addresses.len()).all(|number| {
                let (good, bad, reason) = seen.get(&id(unit, number)).copied().unwrap_or_default();
                match unit {
                    1..=GOOD => good > 0,
                    LATE => good > 0 && bad > 0,
                    GARBLING => good == 0 && reason == Some(BadReason::Garbled),
                    _ => good == 0 && reason == Some(BadReason::NoResponse),
                }
            })
        })
    };
    let began = Instant::now();
    while began.elapsed() < STORM || !known(&seen) {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let block = tokio::time::timeout(left, readings.recv()).await;
        let Ok(Some(block)) = block else { panic!("not all is known of: {seen:?}") };
        for Reading { point, sample, .. } in block {
            let (unit, number) = (u8::try_from(point.0 / 100).unwrap(), usize::from(point.0 % 100));
            let (good, bad, reason) = seen.entry(point).or_default();
            match sample {
                Sample::Good(value) => {
                    let address = addresses[number];
                    let expected = f64::from(pattern::word(unit, address));
                    assert_eq!(value, expected, "unit {unit}, register {address}");
                    *good += 1;
                }
                Sample::Bad(why) => (*bad, *reason) = (*bad + 1, Some(why)),
                Sample::Stale(_) => panic!("a bus tells what it reads"),
            }
        }
    }
    stop.cancel();
    bus.await.unwrap();
}
