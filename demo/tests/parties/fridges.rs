//! Cabinets served by pymodbus: equipment that shares no line of code with ours.

use super::{Party, eventually, python, script, until};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Modbus TCP gateway with units that do what they are told; see `fridges.py`.
pub struct Fridges {
    _process: Party,
    told: PathBuf,
    asked: PathBuf,
    address: String,
    version: Cell<u64>,
}

impl Fridges {
    /// Starts the gateway. `units` is as [`Fridges::tell`] takes it; units not named here do not exist.
    pub fn start(dir: &Path, units: &Value) -> Self {
        let (told, asked) = (dir.join("fridges.json"), dir.join("asked.json"));
        write(&told, 1, units);
        let mut command = Command::new(python());
        command.arg(script("fridges.py")).arg(&told).arg(&asked);
        let mut process = Party::start(dir, "fridges", &mut command);
        let address = eventually("pymodbus listens (if it is missing, run ./scripts/test)", || {
            process.check();
            let port = state(&asked)?["port"].as_u64()?;
            Some(format!("127.0.0.1:{port}"))
        });
        Self { _process: process, told, asked, address, version: Cell::new(1) }
    }

    /// `host:port` for the agent's configuration.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes what units do, and waits until they do.
    pub fn tell(&self, units: &Value) {
        let version = self.version.get() + 1;
        self.version.set(version);
        write(&self.told, version, units);
        until("the units do as they are told", || {
            state(&self.asked).is_some_and(|state| state["version"] == version)
        });
    }

    /// How often a unit has been asked.
    pub fn asked(&self, unit: u8) -> u64 {
        let state = state(&self.asked).expect("it is written as a whole");
        state["asked"][unit.to_string()].as_u64().unwrap_or(0)
    }
}

/// A freezer that stands at `celsius`.
pub fn steady(celsius: f64) -> Value {
    json!({ "celsius": [celsius, celsius, 1.0] })
}

fn state(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

fn write(path: &Path, version: u64, units: &Value) {
    let part = path.with_extension("part");
    std::fs::write(&part, json!({ "version": version, "units": units }).to_string()).unwrap();
    std::fs::rename(&part, path).unwrap();
}
