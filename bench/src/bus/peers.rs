//! What is measured: how each program is started.

use super::REGISTERS;
use super::agent::configure;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// A program that polls the devices and publishes what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The whole agent.
    Agent,
    /// The bare loop, with a quality of service of 0 or 1.
    Bare { qos: u8 },
    /// `bench/peers/poll.py`: pymodbus and paho-mqtt.
    Python,
    /// `bench/peers/poll.js`: modbus-serial and mqtt.
    Node,
    /// Node-RED with node-red-contrib-modbus.
    NodeRed,
    /// modpoll: one process has one connection, so all devices are behind the first.
    Modpoll,
}

/// Where everything is.
pub struct Place {
    /// The agent's executable.
    pub agent: PathBuf,
    /// Addresses of the devices.
    pub devices: Vec<String>,
    /// Port of the broker.
    pub mqtt: u16,
    /// From one poll of a device to the next, ms; 0: as often as the program can.
    pub every_ms: u32,
    /// A folder for what the program writes.
    pub folder: PathBuf,
}

impl Program {
    /// What it is, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "whole agent",
            Self::Bare { qos: 0 } => "bare loop, QoS 0",
            Self::Bare { .. } => "bare loop, QoS 1",
            Self::Python => "Python script (pymodbus, paho-mqtt)",
            Self::Node => "Node script (modbus-serial, mqtt)",
            Self::NodeRed => "Node-RED (contrib-modbus)",
            Self::Modpoll => "modpoll",
        }
    }

    /// How it is started; none if it is not installed.
    pub fn command(self, place: &Place) -> io::Result<Option<Command>> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/peers");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let (mqtt, devices) = (place.mqtt.to_string(), place.devices.join(","));
        let every_ms = match self {
            // It takes no 0.
            Self::NodeRed => place.every_ms.max(1),
            _ => place.every_ms,
        };
        let every = every_ms.to_string();
        let mut command = match self {
            Self::Agent => {
                let mut command = Command::new(&place.agent);
                command.args(["run", "--config"]).arg(configure(
                    &place.folder,
                    &place.devices,
                    place.every_ms,
                    place.mqtt,
                )?);
                return Ok(Some(command));
            }
            Self::Bare { qos } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bare-loop", "--devices", &devices, "--mqtt", &mqtt, "--every-ms", &every]);
                command.args(["--qos", &qos.to_string()]);
                return Ok(Some(command));
            }
            Self::Python => {
                let mut command = Command::new(peers.join("python/bin/python"));
                command.arg(scripts.join("poll.py"));
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", peers.join("node_modules")).arg(scripts.join("poll.js"));
                command
            }
            Self::NodeRed => {
                let mut command = Command::new("node");
                command.env("PEERS", &peers).arg(scripts.join("node-red.js")).arg(&place.folder);
                command
            }
            Self::Modpoll => {
                let devices = place.folder.join("devices.csv");
                std::fs::write(&devices, modpoll_devices(place.devices.len()))?;
                let (host, port) = place.devices[0].split_once(':').unwrap_or_default();
                let rate = (f64::from(every_ms) / 1000.0).max(0.001).to_string();
                let mut command = Command::new(peers.join("modpoll/bin/modpoll"));
                command.args(["-d", "-r", &rate, "--interval", "0", "--delay", "0", "--loglevel", "ERROR"]);
                command.args(["--tcp", host, "--tcp-port", port]).arg("-f").arg(devices);
                command.args(["--mqtt-version", "5.0", "--mqtt-host", "127.0.0.1", "--mqtt-port", &mqtt]);
                command.args(["--mqtt-publish-topic-pattern", "modpoll/{{device_name}}"]);
                return Ok(peers.join("modpoll").exists().then_some(command));
            }
        };
        command.args([&mqtt, &every, &REGISTERS.to_string()]).args(&place.devices);
        let part = match self {
            Self::Python => "python",
            _ => "node_modules",
        };
        Ok(peers.join(part).exists().then_some(command))
    }
}

/// So many devices of 40 registers, in modpoll's format.
fn modpoll_devices(count: usize) -> String {
    let mut text = String::new();
    for unit in 1..=count {
        text += &format!("device,device{unit:02},{unit},,,,\npoll,holding_register,0,{REGISTERS},BE_BE,,\n");
        for address in 0..REGISTERS {
            text += &format!("ref,value{address:02},{address},int16,r,,\n");
        }
    }
    text
}
