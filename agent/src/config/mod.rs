//! The configuration of a store: read whole, checked whole, or refused with every fault named.

mod check;
mod fault;
mod file;
pub mod settings;

pub use check::bus::{SERIAL, is_host_port, key_of, parse_parity};
pub use fault::Faults;

use crate::journal::outbox::Budget;
use crate::label::{Display, Templates};
use crate::signed::PublicKey;
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storewarden_drivers::esl::openepaperlink;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::device::{BusDevice, Polls, Safe};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::load::Load;
use storewarden_drivers::mqtt::client::LanBroker;
use storewarden_drivers::mqtt::tls::TlsFiles;
use storewarden_drivers::profile::{Pace, Profile};
use storewarden_prices::Jurisdiction;
use storewarden_rules::cabinet::CabinetConfig;
use storewarden_rules::detect::{DemandConfig, LightDarkConfig, NoResponseConfig, TemperatureLimitConfig};
use storewarden_rules::expression::Program;
use storewarden_rules::schedule::LightScheduleConfig;
use storewarden_rules::{AlarmPolicy, Class, Millis, PointId};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// SHA-256 of the file's bytes, followed by those of the policy's if it names one.
    pub digest: [u8; 32],
    /// Which store this is.
    pub store: Store,
    /// What the chain decided about alarms as such.
    pub alarm_policy: AlarmPolicy,
    /// Where a value of it comes from that is not the program's own, by key.
    pub alarm_origins: BTreeMap<&'static str, String>,
    /// The journal's file and bounds.
    pub journal: Journal,
    /// After this long a reading is reported even if it did not change; 0: every reading is.
    pub heartbeat: Millis,
    /// The link to headquarters; none: the store works alone.
    pub hq: Option<Hq>,
    /// The server that readings are written to, beside or instead of headquarters.
    pub timeseries: Option<TimeSeries>,
    /// The page on the store's LAN.
    pub console: Console,
    /// Keys whose price batches are accepted.
    pub price_keys: Vec<PublicKey>,
    /// Keys that may say whose keys may sign prices; where there is one, `price_keys` is empty.
    pub root_keys: Vec<PublicKey>,
    /// Keys whose commands are carried out.
    pub command_keys: Vec<PublicKey>,
    /// Lines to equipment.
    pub buses: Vec<Bus>,
    /// Brokers on the store's LAN that equipment talks to.
    pub brokers: Vec<EquipmentBroker>,
    /// Ids of the profiles of the store's folder that stand in for shipped ones.
    pub own_profiles: Vec<String>,
    /// Equipment.
    pub devices: Vec<Device>,
    /// Lights that follow a schedule.
    pub lights: Vec<Light>,
    /// Circuits of the distribution board.
    pub circuits: Vec<Circuit>,
    /// Rules that the chain and the store wrote themselves.
    pub user_rules: Vec<UserRule>,
    /// Label gateways.
    pub gateways: Vec<Gateway>,
    /// Shelf labels.
    pub labels: Vec<Label>,
    /// How long after its minute a label may show another price before it is an alarm.
    pub label_deadline: Millis,
    /// What labels look like.
    pub templates: Arc<Templates>,
}

/// Which store this is.
#[derive(Clone, Debug)]
pub struct Store {
    /// Id of the chain, as in topics.
    pub chain: String,
    /// Id of the store, as in topics.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The store's time zone.
    pub timezone: Tz,
    /// By whose law prices are judged; none: by that which a batch names.
    pub jurisdiction: Option<Jurisdiction>,
}

/// The journal's file and bounds.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The SQLite file.
    pub path: PathBuf,
    /// Telemetry kept while headquarters is away; the oldest gives way beyond.
    pub telemetry: Budget,
}

/// Who says that a message is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckBy {
    /// Headquarters, once it is committed there.
    Hq,
    /// The broker's PUBACK: weaker, for chains without a Storewarden service at headquarters.
    Broker,
}

/// The link to headquarters.
#[derive(Clone, Debug)]
pub struct Hq {
    /// Where its broker listens.
    pub broker: Broker,
    /// Who acknowledges.
    pub ack: AckBy,
    /// How often a telemetry message is closed.
    pub telemetry_every: Millis,
}

/// A server of the InfluxDB v2 write API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeSeries {
    /// `http://HOST:PORT`.
    pub url: String,
    /// The organisation.
    pub org: String,
    /// The bucket.
    pub bucket: String,
    /// The access token; empty: none is sent.
    pub token: String,
    /// How often a telemetry message is closed in a store without headquarters.
    pub every: Millis,
}

/// An MQTT broker and how to log in.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// Of a TLS connection; none: plain text.
    pub tls: Option<TlsFiles>,
}

impl Broker {
    /// As drivers of the store's LAN take it, by that MQTT client id.
    pub fn on_lan(&self, client_id: String) -> LanBroker {
        let Self { host, port, login, tls } = self.clone();
        LanBroker { host, port, login, tls, client_id }
    }
}

/// The page on the store's LAN.
#[derive(Clone, Debug)]
pub struct Console {
    /// Address and port.
    pub listen: SocketAddr,
    /// Language when the browser does not say.
    pub language: crate::texts::Language,
    /// Host names besides loopback under which the page may be asked for.
    pub allowed_hosts: Vec<String>,
}

/// One line with one master.
#[derive(Clone, Debug)]
pub struct Bus {
    /// Id.
    pub id: String,
    /// How it is reached.
    pub transport: Transport,
    /// What a request costs on it: the serial line's time, also of one behind a Modbus TCP gateway
    /// where the file says how fast that is.
    pub cost: LineCost,
}

/// A broker on the store's LAN that equipment talks to.
#[derive(Clone, Debug)]
pub struct EquipmentBroker {
    /// Id.
    pub id: String,
    /// Where it listens.
    pub broker: Broker,
}

/// Where a device is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a Modbus bus.
    Bus {
        /// Index into [`Config::buses`].
        bus: usize,
        /// Unit address on the bus.
        unit: u8,
    },
    /// At a broker.
    Broker {
        /// Index into [`Config::brokers`].
        broker: usize,
        /// What stands for `{topic}` in the profile's topics.
        topic: String,
    },
}

/// The rules of a cabinet.
#[derive(Clone, Debug, PartialEq)]
pub struct CabinetRules {
    /// Every setting.
    pub config: CabinetConfig,
    /// Where a value comes from that is not the class's own.
    pub origins: Origins,
}

/// Where values were written, as `store.toml:45`, by rule and key; of the others there is none.
pub type Origins = BTreeMap<(&'static str, &'static str), String>;

impl CabinetRules {
    /// What the class brings by itself; none for what is no cabinet.
    pub fn for_class(class: Class) -> Option<Self> {
        Some(Self { config: CabinetConfig::for_class(class)?, origins: BTreeMap::new() })
    }
}

/// The origin of a value that stands beside `temperature_high.limit` and moves with it.
pub const FOLLOWS: &str = "follows temperature_high.limit";

/// One piece of equipment.
#[derive(Clone, Debug)]
pub struct Device {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it is for.
    pub class: Class,
    /// Its register map, reduced to the points that are read.
    pub profile: Arc<Profile>,
    /// Where it is reached.
    pub place: Place,
    /// How often its points are read, by their pace.
    pub polls: Polls,
    /// Longest wait for an answer, in place of the profile's.
    pub timeout: Option<Millis>,
    /// What its outputs do when nobody talks to it any more.
    pub safe: Option<Safe>,
    /// From which change on a value is reported, for each of the profile's points, in its unit.
    pub deadbands: Vec<f64>,
    /// The rules of a cabinet; none where it is no cabinet, or its air is not read.
    pub cabinet: Option<CabinetRules>,
    /// What measures the power of this cabinet alone, if it is another device.
    pub power: Option<PointAt>,
    /// What measures the room around this cabinet, if it is another device.
    pub ambient: Option<PointAt>,
    /// Rules over the air temperature of what is no cabinet.
    pub temperature_limits: Vec<TemperatureLimitConfig>,
    /// When its silence is an alarm.
    pub no_response: NoResponseConfig,
    /// Contracted power, and the point that measures it (index into the profile's points).
    pub demand: Option<(usize, DemandConfig)>,
    /// Lowest and highest set point that headquarters may order, °C; none: it may order none.
    pub set_point_range: Option<(f64, f64)>,
    /// Where the settings of its rules were written, but for those of a cabinet.
    pub origins: Origins,
}

impl Device {
    /// The point (its index in the profile) without which the device is as good as lost: what its rules
    /// judge. A controller that answers everything but the temperature has lost its cabinet.
    pub fn vital(&self) -> Option<usize> {
        let air = || self.profile.points.iter().position(|point| point.name == "air_temperature");
        if self.cabinet.is_some() || !self.temperature_limits.is_empty() {
            air()
        } else {
            self.demand.map(|(index, _)| index)
        }
    }

    /// The interval at which the points of this pace are read.
    pub fn interval(&self, pace: Pace) -> Millis {
        Millis(i64::try_from(self.polls.of(pace).as_millis()).unwrap_or(i64::MAX))
    }

    /// As the task of its bus takes it; none if it is not on a bus. Its points are numbered from
    /// `first` on.
    pub fn on_bus(&self, first: PointId) -> Option<BusDevice> {
        let (Place::Bus { unit, .. }, Some(modbus)) = (&self.place, self.profile.modbus()) else {
            return None;
        };
        Some(BusDevice {
            name: self.id.clone(),
            unit: *unit,
            modbus: modbus.clone(),
            points: self.profile.points.clone(),
            polls: self.polls,
            timeout: self.timeout,
            safe: self.safe.clone(),
            wanted: (first.0..).map(PointId).zip(0..self.profile.points.len()).collect(),
        })
    }
}

/// A point of a device: indices into [`Config::devices`] and the profile's points.
pub type PointAt = (usize, usize);

/// A light that follows a schedule.
#[derive(Clone, Debug)]
pub struct Light {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What switches it.
    pub switch: PointAt,
    /// What measures its circuit, if something does.
    pub power: Option<PointAt>,
    /// When darkness is an alarm.
    pub dark: LightDarkConfig,
    /// When it is on.
    pub schedule: LightScheduleConfig,
    /// Where its settings were written.
    pub origins: Origins,
}

/// A circuit of the distribution board with what hangs on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Indices into [`Config::devices`], two or more.
    pub devices: Vec<usize>,
}

/// A rule that the chain or the store wrote itself.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRule {
    /// Its name, in the place of a condition's.
    pub id: String,
    /// Indices into [`Config::devices`], and for each what is to be true there. Points are numbered over
    /// all devices, as [`crate::assemble`] does it.
    pub programs: Vec<(usize, Program)>,
    /// As it was written.
    pub when: String,
    /// How far inside its limits it clears, in the unit of what it compares.
    pub hysteresis: f64,
    /// For how long it must be true.
    pub delay: Millis,
    /// Where it was written, as `policy.toml:12`.
    pub origin: String,
}

/// A label gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Id.
    pub id: String,
    /// How it is spoken to.
    pub driver: LabelDriver,
}

/// How a label gateway is spoken to.
#[derive(Clone, Debug)]
pub enum LabelDriver {
    /// An eStation access point.
    Estation {
        /// Its id, four characters.
        ap: String,
        /// The broker on the store's LAN.
        broker: Broker,
    },
    /// An OpenEPaperLink access point: for the laboratory only.
    OpenEpaperLink {
        /// Its host name or address.
        host: String,
        /// Its port.
        port: u16,
    },
}

/// A shelf label.
#[derive(Clone, Debug)]
pub struct Label {
    /// Tag id; of an eStation's label, its first two hex digits are the model.
    pub id: String,
    /// Index into [`Config::gateways`].
    pub gateway: usize,
    /// The item whose price it shows.
    pub item: String,
    /// What its model can show.
    pub display: Display,
    /// Where it hangs, for people; may be empty.
    pub place: String,
}

impl Gateway {
    /// Whether its labels keep images on pages.
    pub fn keeps_pages(&self) -> bool {
        match self.driver {
            LabelDriver::Estation { .. } => true,
            LabelDriver::OpenEpaperLink { .. } => openepaperlink::gateway::STAGES,
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        Self::parse(path, &read(path)?)
    }

    /// Checks `text`, which was read from `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Faults> {
        let (config, overloads) = Self::parse_whatever_load(path, text)?;
        if overloads.is_empty() { Ok(config) } else { Err(overloads) }
    }

    /// As [`Config::load`], and takes a file whose only faults are lines with too much to do: the
    /// second of the pair has those.
    pub fn load_whatever_load(path: &Path) -> Result<(Self, Faults), Faults> {
        Self::parse_whatever_load(path, &read(path)?)
    }

    fn parse_whatever_load(path: &Path, text: &str) -> Result<(Self, Faults), Faults> {
        let mut faults = Faults::new(path, text);
        let digest = Sha256::new_with_prefix(text);
        match toml::from_str(text) {
            Ok(file) => check::check(file, path, digest, faults),
            Err(error) => {
                faults.add_toml(&error);
                Err(faults)
            }
        }
    }

    /// Whether nothing but rules is different in `other`: what a running agent can take over.
    pub fn differs_in_rules_only(&self, other: &Self) -> bool {
        format!("{:?}", self.without_rules()) == format!("{:?}", other.without_rules())
    }

    fn without_rules(&self) -> Self {
        let mut rest = Self {
            digest: [0; 32],
            alarm_policy: AlarmPolicy::default(),
            alarm_origins: BTreeMap::new(),
            circuits: Vec::new(),
            user_rules: Vec::new(),
            ..self.clone()
        };
        for device in &mut rest.devices {
            device.cabinet = None;
            (device.power, device.ambient) = (None, None);
            device.temperature_limits.clear();
            device.no_response = NoResponseConfig::default();
            device.demand = None;
            device.origins.clear();
        }
        for light in &mut rest.lights {
            light.origins.clear();
        }
        rest
    }

    /// The devices of the bus of that index, with their index in [`Config::devices`].
    pub fn devices_of(&self, bus: usize) -> impl Iterator<Item = (usize, &Device)> {
        let here =
            move |device: &Device| matches!(device.place, Place::Bus { bus: other, .. } if other == bus);
        self.devices.iter().enumerate().filter(move |(_, device)| here(device))
    }

    /// Lines that may die with all that hang on them: the ids of buses and brokers with two devices or
    /// more, and indices of those.
    pub fn lines(&self) -> Vec<(&str, Vec<usize>)> {
        let on = |wanted: &dyn Fn(&Place) -> bool| {
            let all = self.devices.iter().enumerate();
            all.filter(|(_, device)| wanted(&device.place)).map(|(index, _)| index).collect::<Vec<_>>()
        };
        let buses = self.buses.iter().enumerate().map(|(index, bus)| {
            (bus.id.as_str(), on(&|place| matches!(place, Place::Bus { bus, .. } if *bus == index)))
        });
        let brokers = self.brokers.iter().enumerate().map(|(index, broker)| {
            (
                broker.id.as_str(),
                on(&|place| matches!(place, Place::Broker { broker, .. } if *broker == index)),
            )
        });
        buses.chain(brokers).filter(|(_, devices)| devices.len() >= 2).collect()
    }

    /// What the devices of the bus of that index ask of its line. Devices are numbered as
    /// [`Config::devices_of`] gives them.
    pub fn load_of(&self, bus: usize) -> Load {
        let devices: Vec<_> =
            self.devices_of(bus).filter_map(|(_, device)| device.on_bus(PointId(0))).collect();
        Load::of(self.buses[bus].cost, &devices)
    }
}

fn read(path: &Path) -> Result<String, Faults> {
    std::fs::read_to_string(path).map_err(|error| Faults::unreadable(path, &error))
}

/// `span` as people write it.
pub fn written(span: Millis) -> String {
    humantime::format_duration(std::time::Duration::from_millis(span.0.unsigned_abs())).to_string()
}
