//! The simulated store as a TOML file: read, checked whole, and built.
//!
//! ```toml
//! seed = 7                    # decides every door opening; 0 if left out
//! acceleration = 60.0         # simulated seconds per real second, 0.01 to 100000; 1 if left out
//! start_hour = 8              # hour of the simulated day at the start, 0 to 23; 8 if left out
//! ambient_c = 22.0            # the shop, °C; 22 if left out
//!
//! [[bus]]
//! listen = "127.0.0.1:0"      # Modbus TCP; port 0 takes a free one
//! # max_connections = 1       # one more is accepted and closed at once; if left out, 32, one more waits
//! # framing = "rtu"           # RTU frames over TCP, as a transparent gateway has them: it keeps the
//! #   silence between frames; one connection, one more is accepted and closed at once
//! # pty = "/tmp/line-1"       # in place of `listen`: RTU on a pseudo terminal. This link to it is made
//! #   at the start and goes at the end
//! #
//! # The serial line of `pty` and of `framing = "rtu"`, whose characters take their true time. With
//! # `baud` and plain `listen`: that of a gateway, which takes one request after the other; its times
//! # are true to about a millisecond, and it waits a second for a unit that is silent.
//! # baud = 9600               # 1200 to 115200; a `pty` whose reader sets another hears nothing
//! # parity = "even"           # or "odd", "none": decides a character's length; never checked, as the
//! #   kernel keeps none for a `pty` (some readers refuse to set one there: they write "none")
//! # stop_bits = 1             # or 2
//! # turnaround = "5ms"        # from the request's end to the answer's begin, never less than 3.5
//! #   characters; up to 10 s
//! [[bus.unit]]
//! unit = 1
//! # turnaround = "50ms"       # of this unit
//! profile = "danfoss-ekc-202d"
//! id = "freezer-2"
//! model = { cabinet = "freezer", first_defrost = "3h" }   # or "chiller"; simulated time
//! watch_limit = -18.0         # °C; its crossing is recorded in --events
//! # model = { recording = "file.csv", column = "Tfre", point = "air_temperature" }
//! #   beside this file, or "builtin:solarplus"; looped, at the acceleration
//! # model = { meter = { base_watts = 900.0, cabinets = ["freezer-2"], lamps = ["relay-1/relay_1"] } }
//! # model = { relay = { lamps = [{ channel = 1, watts = 120.0 }] } }
//! # model = { pattern = {} }  # registers that say where they were read, see `crate::pattern`; `profile`
//! #   may be left out
//!
//! [[fault]]
//! at = "5s"                   # real time since the start
//! until = "40s"               # for ever if left out
//! device = "freezer-2"
//! kind = "compressor_stopped" # see `crate::fault::Kind`
//! # channel = 1               # of `lamp_broken`; all lamps if left out
//! # delay = "700ms"           # of `late`; of `slow`, from byte to byte; 1 ms to 60 s
//! # share = 0.3               # of the answers that a fault of the line strikes, decided by `seed`; all
//! #   of them if left out. Not of `illegal_gap` and `echo`
//!
//! [[gateway]]
//! ap = "0001"
//! broker = "mqtt://127.0.0.1:1883"
//! labels = ["3A0001F2"]
//! # username and password; airtime_ms = 300; heartbeat = "15s"; queue_max = 10000
//! # nature = { channels = 2, wake_ms = 1000, lost_results = 0.01 }  # see `crate::estation::nature`
//! # [[gateway.odd]]           # a label that is not like the others
//! # tag = "3A0001F2"
//! # rf_dbm = -96; battery_mv = 2300; temperature_c = -20; key = "00112233445566778899AA"
//! # [[gateway.incident]]
//! # at = "30s"                # real time since the start
//! # kind = "reset"            # or "stranger", "silent", "audible" with a `label`; "restart", "disk_full"
//! # label = "3A0001F2"
//!
//! [[openepaperlink]]
//! listen = "127.0.0.1:0"      # HTTP and WebSocket; port 0 takes a free one
//! labels = ["00000218CEDD3B10"]
//! size = [296, 152]           # pixels of its labels
//! # nature = { checkin_ms = 60000, broken = 0.01 }  # see `crate::openepaperlink::nature`
//! # [[openepaperlink.incident]]
//! # at = "30s"
//! # kind = "faded"            # or "reset", "stranger", "silent", "audible" with a `label`; "restart",
//! #   "table_lost", "busy", "idle"
//! # label = "00000218CEDD3B10"
//! ```

mod file;
mod labels;
mod span;

use crate::{
    estation::nature::{Incident, LabelNature, Nature},
    fault::{Fault, Line},
    openepaperlink,
    pattern::Pattern,
    physics::{
        cabinet::Parameters,
        controller::{Controller, Settings},
        meter::Meter,
        recording::{Recording, SOLARPLUS},
        relay::{CHANNELS, Relay},
    },
    world::{Device, Model, World},
};
use file::{FaultFile, File, ModelFile, Timeline, UnitFile};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use storewarden_drivers::{
    modbus::serial::Serial,
    profile::{self, Profile},
};
use storewarden_rules::Class;

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML of the right shape; the message has line and column.
    #[error("{path}: {source}")]
    Shape {
        /// Which file.
        path: PathBuf,
        /// What and where.
        source: toml::de::Error,
    },
    /// The right shape, but it cannot be.
    #[error("{path}: {key}: {what}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// The key, as `bus[0].unit[1].model`.
        key: String,
        /// What is wrong and what to write instead.
        what: String,
    },
}

/// A store, ready to run.
#[derive(Debug)]
pub struct Config {
    /// Simulated seconds per real second.
    pub acceleration: f64,
    /// Its lines.
    pub buses: Vec<Bus>,
    /// Its devices.
    pub world: World,
    /// Limits whose crossing is an event: (device's index, °C).
    pub watch: Vec<(usize, f64)>,
    /// Its faults.
    pub faults: Vec<Fault>,
    /// Its label gateways.
    pub gateways: Vec<Gateway>,
    /// Its OpenEPaperLink access points.
    pub access_points: Vec<openepaperlink::Config>,
    /// Decides what chance decides.
    pub seed: u64,
}

/// A line.
#[derive(Debug)]
pub struct Bus {
    /// Where the master comes in.
    pub port: Port,
    /// Who answers.
    pub units: Vec<Unit>,
}

/// Where a master comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Modbus TCP.
    Tcp {
        /// Where to listen, `host:port`; port 0 takes a free one.
        listen: String,
        /// Most connections, if one more is to be closed at once.
        max_connections: Option<usize>,
        /// The line behind it, if it is a gateway that has one.
        serial: Option<Serial>,
    },
    /// RTU frames over TCP.
    RtuOverTcp {
        /// Where to listen, `host:port`; port 0 takes a free one.
        listen: String,
        /// The line.
        serial: Serial,
    },
    /// RTU frames on a pseudo terminal.
    Pty {
        /// The link to it.
        path: PathBuf,
        /// The line.
        serial: Serial,
    },
}

/// One unit of a bus.
#[derive(Debug)]
pub struct Unit {
    /// Its Modbus unit identifier.
    pub number: u8,
    /// Its register map; a pattern may have none.
    pub profile: Option<Arc<Profile>>,
    /// Index of its device in the world.
    pub device: usize,
    /// From the request's end to the answer's begin on a serial line.
    pub turnaround: Duration,
}

/// A simulated eStation access point.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its id, four characters.
    pub ap: String,
    /// Broker's host.
    pub host: String,
    /// Broker's port.
    pub port: u16,
    /// Name and password at the broker, if it asks for them.
    pub login: Option<(String, String)>,
    /// The authority that signed the broker's certificate; none: plain MQTT.
    pub ca_file: Option<PathBuf>,
    /// Tags bound to it.
    pub labels: Vec<String>,
    /// Radio time of one label, real ms.
    pub airtime_ms: u64,
    /// Time between heartbeats, real ms.
    pub heartbeat_ms: u64,
    /// Most tasks waiting.
    pub queue_max: usize,
    /// How it behaves.
    pub nature: Nature,
    /// Labels that are not like the others.
    pub odd: Vec<LabelNature>,
    /// What happens to it, and when, real ms since the start; in this order.
    pub incidents: Vec<(u64, Incident)>,
}

/// Reads the store at `path`; `faults` may name one more file with `[[fault]]` entries.
pub fn load(path: &Path, faults: Option<&Path>) -> Result<Config, ConfigError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
    };
    let mut config = parse(path, &read(path)?)?;
    if let Some(path) = faults {
        let text = read(path)?;
        let timeline: Timeline =
            toml::from_str(&text).map_err(|source| ConfigError::Shape { path: path.to_owned(), source })?;
        config.faults.extend(check_faults(path, timeline.fault, &config.world)?);
    }
    Ok(config)
}

/// Reads a store from `text`; `path` is for messages and for recordings beside it.
pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let file: File =
        toml::from_str(text).map_err(|source| ConfigError::Shape { path: path.to_owned(), source })?;
    let fault =
        |key: &str, what: String| ConfigError::Value { path: path.to_owned(), key: key.to_owned(), what };
    if !file.acceleration.is_finite() || !(0.01..=100_000.0).contains(&file.acceleration) {
        return Err(fault("acceleration", "must be 0.01 to 100000".into()));
    }
    if file.start_hour > 23 {
        return Err(fault("start_hour", "must be 0 to 23".into()));
    }
    if !(-30.0..=50.0).contains(&file.ambient_c) {
        return Err(fault("ambient_c", "must be -30 to 50 (°C)".into()));
    }
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (bus_index, bus) in file.bus.iter().enumerate() {
        for (unit_index, unit) in bus.unit.iter().enumerate() {
            let index = ids.len();
            if ids.insert(unit.id.clone(), index).is_some() {
                let key = format!("bus[{bus_index}].unit[{unit_index}].id");
                return Err(fault(&key, format!("`{}` is used twice; give each device its own", unit.id)));
            }
        }
    }
    let mut buses = Vec::new();
    let mut devices = Vec::new();
    let mut watch = Vec::new();
    for (bus_index, bus) in file.bus.into_iter().enumerate() {
        let (port, turnaround) =
            bus.port().map_err(|(name, what)| fault(&format!("bus[{bus_index}].{name}"), what))?;
        let is_serial = !matches!(port, Port::Tcp { .. });
        let has_line = !matches!(port, Port::Tcp { serial: None, .. });
        let mut units: Vec<Unit> = Vec::new();
        for (unit_index, unit) in bus.unit.into_iter().enumerate() {
            let key = format!("bus[{bus_index}].unit[{unit_index}]");
            let wrong = |name: &str, what: String| fault(&format!("{key}.{name}"), what);
            let profile = unit
                .profile
                .as_ref()
                .map(|name| {
                    profile::built_in(name).ok_or_else(|| {
                        let known: Vec<_> = profile::built_in_ids().collect();
                        wrong("profile", format!("`{name}` is unknown; write one of {}", known.join(", ")))
                    })
                })
                .transpose()?;
            let range = match profile.as_ref().map(Profile::modbus) {
                None => 1..=247,
                Some(Some(modbus)) => modbus.units.clone(),
                Some(None) => {
                    return Err(wrong("profile", "does not speak Modbus; write one that does".into()));
                }
            };
            if !range.contains(&unit.unit) {
                return Err(wrong("unit", format!("must be {} to {}", range.start(), range.end())));
            }
            if units.iter().any(|other| other.number == unit.unit) {
                return Err(wrong("unit", format!("{} is used twice on this bus", unit.unit)));
            }
            let turnaround = match unit.turnaround {
                None => turnaround,
                Some(_) if !has_line => return Err(wrong("turnaround", file::NO_LINE.into())),
                Some(span) if span > file::TURNAROUND_MAX => {
                    return Err(wrong("turnaround", file::TOO_LONG.into()));
                }
                Some(span) => span,
            };
            let device = devices.len();
            watch.extend(unit.watch_limit.map(|limit| (device, limit)));
            let builder =
                Builder { path, key: &key, ids: &ids, profile: profile.as_ref(), seed: file.seed, device };
            let model = builder.model(&unit)?;
            // Dice apart from those of the physics: a bad line changes no temperature.
            let line = Line::new(builder.dice().rotate_left(32));
            let mut equipment = Device::new(unit.id, model);
            (equipment.line, equipment.is_serial) = (line, is_serial);
            devices.push(equipment);
            units.push(Unit { number: unit.unit, profile: profile.map(Arc::new), device, turnaround });
        }
        buses.push(Bus { port, units });
    }
    let world = World::new(devices, file.start_hour, file.ambient_c);
    if let Some((device, _)) = watch.iter().find(|(device, _)| world.register_air_c(*device).is_none()) {
        let key = format!("device {}: watch_limit", world.devices()[*device].id);
        return Err(fault(&key, "only a device with an air temperature has one; leave it out".into()));
    }
    for (index, device) in world.devices().iter().enumerate() {
        if let Err(what) = world.check_links(index) {
            return Err(fault(&format!("device {}: model.meter", device.id), what));
        }
    }
    let faults = check_faults(path, file.fault, &world)?;
    let gateways = file
        .gateway
        .into_iter()
        .enumerate()
        .map(|(index, gateway)| {
            gateway.check().map_err(|(name, what)| fault(&format!("gateway[{index}].{name}"), what))
        })
        .collect::<Result<_, _>>()?;
    let access_points = file
        .openepaperlink
        .into_iter()
        .enumerate()
        .map(|(index, ap)| {
            ap.check().map_err(|(name, what)| fault(&format!("openepaperlink[{index}].{name}"), what))
        })
        .collect::<Result<_, _>>()?;
    Ok(Config {
        access_points,
        acceleration: file.acceleration,
        buses,
        world,
        watch,
        faults,
        gateways,
        seed: file.seed,
    })
}

/// What it takes to build one device's model.
struct Builder<'a> {
    path: &'a Path,
    key: &'a str,
    ids: &'a HashMap<String, usize>,
    profile: Option<&'a Profile>,
    seed: u64,
    device: usize,
}

impl Builder<'_> {
    fn fault(&self, name: &str, what: impl Into<String>) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_owned(),
            key: format!("{}.model{name}", self.key),
            what: what.into(),
        }
    }

    fn model(&self, unit: &UnitFile) -> Result<Model, ConfigError> {
        if unit.model.cabinet.is_none() && unit.model.first_defrost.is_some() {
            return Err(self.fault(".first_defrost", "only a `cabinet` has one; leave it out"));
        }
        let ModelFile { cabinet, recording, meter, relay, pattern, .. } = &unit.model;
        match (cabinet, recording, meter, relay, pattern) {
            (Some(kind), None, None, None, None) => self.cabinet(kind, unit.model.first_defrost),
            (None, Some(file), None, None, None) => self.recording(file, &unit.model),
            (None, None, Some(meter), None, None) => {
                self.needs(|class| class == Class::Meter, ".meter")?;
                let cabinets = meter
                    .cabinets
                    .iter()
                    .map(|id| self.index(".meter.cabinets", id))
                    .collect::<Result<_, _>>()?;
                let lamps = meter.lamps.iter().map(|lamp| self.lamp(lamp)).collect::<Result<_, _>>()?;
                if !(0.0..=1e6).contains(&meter.base_watts) {
                    return Err(self.fault(".meter.base_watts", "must be 0 to 1000000 (W)"));
                }
                Ok(Model::Meter { meter: Meter::default(), base_w: meter.base_watts, cabinets, lamps })
            }
            (None, None, None, Some(relay), None) => {
                self.needs(|class| class == Class::Light, ".relay")?;
                for lamp in &relay.lamps {
                    if !(1..=CHANNELS).contains(&lamp.channel) || !(0.0..=1e5).contains(&lamp.watts) {
                        return Err(
                            self.fault(".relay.lamps", "`channel` must be 1 to 8 and `watts` 0 to 100000")
                        );
                    }
                }
                Ok(Model::Relay(Relay::new(relay.lamps.iter().map(|lamp| (lamp.channel, lamp.watts)))))
            }
            (None, None, None, None, Some(_)) => Ok(Model::Pattern(Pattern::new(unit.unit))),
            _ => {
                let what = "write exactly one of `cabinet`, `recording`, `meter`, `relay`, `pattern`";
                Err(self.fault("", what))
            }
        }
    }

    fn profile(&self) -> Result<&Profile, ConfigError> {
        self.profile.ok_or_else(|| self.fault("", "needs a `profile`; only a `pattern` does without one"))
    }

    /// Each device has dice of its own, so that one more device changes nothing for the others.
    fn dice(&self) -> u64 {
        let number = u64::try_from(self.device).unwrap_or(u64::MAX);
        self.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Refuses a model that the unit's profile cannot serve.
    fn needs(&self, serves: impl Fn(Class) -> bool, name: &str) -> Result<(), ConfigError> {
        let profile = self.profile()?;
        if profile.classes.iter().any(|class| serves(*class)) {
            return Ok(());
        }
        let what = format!("{} is not a profile of such a device; write another `profile`", profile.id);
        Err(self.fault(name, what))
    }

    fn cabinet(&self, kind: &str, first_defrost: Option<Duration>) -> Result<Model, ConfigError> {
        let (parameters, settings) = match kind {
            "freezer" => (Parameters::freezer(), Settings::freezer()),
            "chiller" => (Parameters::chiller(), Settings::chiller()),
            _ => {
                let what = format!("`{kind}` is unknown; write \"freezer\" or \"chiller\"");
                return Err(self.fault(".cabinet", what));
            }
        };
        self.needs(Class::is_refrigeration, ".cabinet")?;
        // Defrosts are spread as an installer would, 40 minutes apart.
        let number = u32::try_from(self.device).unwrap_or(u32::MAX);
        let spread_s = 3.0 * 3600.0 + f64::from(number % 8) * 2400.0;
        let first_defrost_s = first_defrost.map_or(spread_s, |span| span.as_secs_f64());
        Ok(Model::Cabinet(Box::new(Controller::new(parameters, settings, self.dice(), first_defrost_s))))
    }

    fn recording(&self, file: &str, model: &ModelFile) -> Result<Model, ConfigError> {
        let (Some(column), Some(point)) = (&model.column, &model.point) else {
            return Err(
                self.fault("", "a recording needs `column` (of the file) and `point` (of the profile)")
            );
        };
        let profile = self.profile()?;
        if profile.point(point).is_none() {
            return Err(self.fault(".point", format!("{} has no point `{point}`", profile.id)));
        }
        let text = match file {
            "builtin:solarplus" => SOLARPLUS.to_owned(),
            _ => {
                let path = self.path.parent().unwrap_or(Path::new(".")).join(file);
                std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path, source })?
            }
        };
        let recording = Recording::parse(&text, column)
            .map_err(|error| self.fault(".recording", format!("{file} {error}")))?;
        Ok(Model::Recording { recording, point: point.clone() })
    }

    fn index(&self, name: &str, id: &str) -> Result<usize, ConfigError> {
        let missing = || self.fault(name, format!("there is no device `{id}`; write the `id` of one"));
        self.ids.get(id).copied().ok_or_else(missing)
    }

    fn lamp(&self, lamp: &str) -> Result<(usize, String), ConfigError> {
        let name = ".meter.lamps";
        let (id, point) = lamp
            .split_once('/')
            .ok_or_else(|| self.fault(name, format!("`{lamp}` is not a lamp; write \"relay-1/relay_1\"")))?;
        Ok((self.index(name, id)?, point.to_owned()))
    }
}

fn check_faults(path: &Path, faults: Vec<FaultFile>, world: &World) -> Result<Vec<Fault>, ConfigError> {
    faults
        .into_iter()
        .enumerate()
        .map(|(index, fault)| {
            fault.check(world).map_err(|(name, what)| ConfigError::Value {
                path: path.to_owned(),
                key: format!("fault[{index}].{name}"),
                what,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
