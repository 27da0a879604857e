//! The shape of the file, key by key.

use super::{
    Port,
    labels::{GatewayFile, OpenEpaperLinkFile},
    span::{millis, span},
};
use crate::{
    fault::{Fault, Kind, Place},
    world::World,
};
use serde::{Deserialize, Deserializer};
use std::{path::PathBuf, time::Duration};
use storewarden_drivers::modbus::serial::{Parity, Serial};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub seed: u64,
    #[serde(default = "real_time")]
    pub acceleration: f64,
    #[serde(default = "morning")]
    pub start_hour: u32,
    #[serde(default = "shop_c")]
    pub ambient_c: f64,
    #[serde(default)]
    pub bus: Vec<BusFile>,
    #[serde(default)]
    pub fault: Vec<FaultFile>,
    #[serde(default)]
    pub gateway: Vec<GatewayFile>,
    #[serde(default)]
    pub openepaperlink: Vec<OpenEpaperLinkFile>,
}

/// A file of faults alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeline {
    #[serde(default)]
    pub fault: Vec<FaultFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BusFile {
    listen: Option<String>,
    #[serde(default)]
    framing: Framing,
    max_connections: Option<usize>,
    pty: Option<PathBuf>,
    baud: Option<u32>,
    parity: Option<ParityFile>,
    stop_bits: Option<u8>,
    #[serde(default, deserialize_with = "span_or_none")]
    turnaround: Option<Duration>,
    pub unit: Vec<UnitFile>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Framing {
    #[default]
    Tcp,
    Rtu,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ParityFile {
    Even,
    Odd,
    None,
}

pub(super) const NO_LINE: &str = "only a serial line has one; write `baud` too";
pub(super) const TURNAROUND_MAX: Duration = Duration::from_secs(10);
pub(super) const TOO_LONG: &str = "must be 0 to 10 s";

impl BusFile {
    /// Where its master comes in, and the turnaround of its units.
    pub fn port(&self) -> Result<(Port, Duration), (&'static str, String)> {
        let has_line = self.baud.is_some() || self.pty.is_some() || self.framing == Framing::Rtu;
        let others = [
            ("parity", self.parity.is_some()),
            ("stop_bits", self.stop_bits.is_some()),
            ("turnaround", self.turnaround.is_some()),
        ];
        if let Some((name, _)) = others.into_iter().find(|(_, is_set)| *is_set && !has_line) {
            return Err((name, NO_LINE.into()));
        }
        let baud = self.baud.unwrap_or(9600);
        if !(1200..=115_200).contains(&baud) {
            return Err(("baud", "must be 1200 to 115200".into()));
        }
        let stop_bits = self.stop_bits.unwrap_or(1);
        if !(1..=2).contains(&stop_bits) {
            return Err(("stop_bits", "must be 1 or 2".into()));
        }
        let parity = match self.parity {
            Some(ParityFile::Even) | None => Parity::Even,
            Some(ParityFile::Odd) => Parity::Odd,
            Some(ParityFile::None) => Parity::None,
        };
        let serial = Serial { baud, parity, stop_bits };
        let turnaround = self.turnaround.unwrap_or(Duration::from_millis(5));
        if turnaround > TURNAROUND_MAX {
            return Err(("turnaround", TOO_LONG.into()));
        }
        let max_connections = self.max_connections;
        if max_connections == Some(0) {
            return Err(("max_connections", "must be above 0".into()));
        }
        let port = match (&self.listen, &self.pty, self.framing) {
            (Some(listen), None, Framing::Tcp) => {
                let serial = has_line.then_some(serial);
                Port::Tcp { listen: listen.clone(), max_connections, serial }
            }
            (_, _, _) if max_connections.is_some() => {
                let what = "only Modbus TCP has it; a serial line has one master, leave it out";
                return Err(("max_connections", what.into()));
            }
            (Some(listen), None, Framing::Rtu) => Port::RtuOverTcp { listen: listen.clone(), serial },
            (None, Some(path), Framing::Tcp) => Port::Pty { path: path.clone(), serial },
            (None, Some(_), Framing::Rtu) => {
                return Err(("framing", "a `pty` has no other; leave it out".into()));
            }
            _ => return Err(("listen", "write exactly one of `listen`, `pty`".into())),
        };
        Ok((port, turnaround))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitFile {
    pub unit: u8,
    pub profile: Option<String>,
    pub id: String,
    pub model: ModelFile,
    pub watch_limit: Option<f64>,
    #[serde(default, deserialize_with = "span_or_none")]
    pub turnaround: Option<Duration>,
}

/// One of `cabinet`, `recording`, `meter`, `relay`, `pattern`, with what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub cabinet: Option<String>,
    #[serde(default, deserialize_with = "span_or_none")]
    pub first_defrost: Option<Duration>,
    pub recording: Option<String>,
    pub column: Option<String>,
    pub point: Option<String>,
    pub meter: Option<MeterFile>,
    pub relay: Option<RelayFile>,
    pub pattern: Option<PatternFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternFile {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeterFile {
    pub base_watts: f64,
    #[serde(default)]
    pub cabinets: Vec<String>,
    #[serde(default)]
    pub lamps: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayFile {
    #[serde(default)]
    pub lamps: Vec<LampFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LampFile {
    pub channel: usize,
    pub watts: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    #[serde(deserialize_with = "span")]
    at: Duration,
    #[serde(default, deserialize_with = "span_or_none")]
    until: Option<Duration>,
    device: String,
    kind: Kind,
    channel: Option<usize>,
    #[serde(default, deserialize_with = "span_or_none")]
    delay: Option<Duration>,
    share: Option<f64>,
}

impl FaultFile {
    pub fn check(self, world: &World) -> Result<Fault, (&'static str, String)> {
        let Some(index) = world.devices().iter().position(|device| device.id == self.device) else {
            return Err(("device", format!("there is no device `{}`; write the `id` of one", self.device)));
        };
        if !world.can_break(index, self.kind) {
            let fitting = match self.kind.place() {
                Place::SerialAnswer | Place::SerialLine => "one that Modbus TCP knows",
                Place::TcpAnswer => "one that a serial line knows",
                _ => "one that fits its model",
            };
            return Err(("kind", format!("cannot happen to `{}`; write {fitting}", self.device)));
        }
        if self.channel.is_some() && self.kind != Kind::LampBroken {
            return Err(("channel", "only `lamp_broken` has one; leave it out".into()));
        }
        if self.channel.is_some_and(|channel| !(1..=8).contains(&channel)) {
            return Err(("channel", "must be 1 to 8".into()));
        }
        if self.kind.has_delay() != self.delay.is_some() {
            return Err(("delay", "`late` and `slow` need one, the others have none".into()));
        }
        let longest = Duration::from_secs(60);
        if self.delay.is_some_and(|delay| !(Duration::from_millis(1)..=longest).contains(&delay)) {
            return Err(("delay", "must be 1 ms to 60 s".into()));
        }
        let is_answer = matches!(self.kind.place(), Place::Answer | Place::SerialAnswer | Place::TcpAnswer);
        if self.share.is_some() && !is_answer {
            return Err(("share", "only a fault of answers has one; leave it out".into()));
        }
        let share = self.share.unwrap_or(1.0);
        if !(share > 0.0 && share <= 1.0) {
            return Err(("share", "must be above 0 and at most 1".into()));
        }
        if self.until.is_some_and(|until| until <= self.at) {
            return Err(("until", "must be later than `at`".into()));
        }
        Ok(Fault {
            at_ms: millis(self.at),
            until_ms: self.until.map(millis),
            device: self.device,
            kind: self.kind,
            channel: self.channel,
            delay: self.delay.unwrap_or_default(),
            share,
        })
    }
}

fn span_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    span(deserializer).map(Some)
}

fn real_time() -> f64 {
    1.0
}
fn morning() -> u32 {
    8
}
fn shop_c() -> f64 {
    22.0
}
