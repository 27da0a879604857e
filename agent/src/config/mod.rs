//! The configuration of a store: read whole, checked whole, or refused with every fault named.

mod check;
mod fault;
mod file;

pub use fault::Faults;

use crate::price::PriceKey;
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storewarden_drivers::profile::Profile;
use storewarden_rules::detect::{DemandConfig, LightDarkConfig, NoResponseConfig, TemperatureLimitConfig};
use storewarden_rules::schedule::LightScheduleConfig;
use storewarden_rules::{Class, Millis};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// SHA-256 of the file's bytes.
    pub digest: [u8; 32],
    /// Which store this is.
    pub store: Store,
    /// The journal's file and bounds.
    pub journal: Journal,
    /// After this long a reading is reported even if it did not change; 0: every reading is.
    pub heartbeat: Millis,
    /// The link to headquarters; none: the store works alone.
    pub hq: Option<Hq>,
    /// The page on the store's LAN.
    pub console: Console,
    /// Keys whose price batches are accepted.
    pub price_keys: Vec<PriceKey>,
    /// Lines to equipment.
    pub buses: Vec<Bus>,
    /// Brokers on the store's LAN that equipment talks to.
    pub brokers: Vec<EquipmentBroker>,
    /// Equipment.
    pub devices: Vec<Device>,
    /// Lights that follow a schedule.
    pub lights: Vec<Light>,
    /// Label gateways.
    pub gateways: Vec<Gateway>,
    /// Shelf labels.
    pub labels: Vec<Label>,
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
}

/// The journal's file and bounds.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The SQLite file.
    pub path: PathBuf,
    /// Telemetry messages kept while headquarters is away; the oldest give way beyond.
    pub telemetry_messages_max: u64,
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
    /// Certificate authority (PEM) of a TLS connection; none: plain text.
    pub ca: Option<Vec<u8>>,
    /// Who acknowledges.
    pub ack: AckBy,
    /// How often a telemetry message is closed.
    pub telemetry_every: Millis,
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
    /// `host:port` of a Modbus TCP device or gateway.
    pub tcp: String,
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
    /// How often it is read.
    pub poll: Millis,
    /// From which change on a value is reported, for each of the profile's points, in its unit.
    pub deadbands: Vec<f64>,
    /// Rules over its air temperature.
    pub temperature_limits: Vec<TemperatureLimitConfig>,
    /// When its silence is an alarm.
    pub no_response: NoResponseConfig,
    /// Contracted power, and the point that measures it (index into the profile's points).
    pub demand: Option<(usize, DemandConfig)>,
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
}

/// A label gateway (eStation access point).
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Id.
    pub id: String,
    /// The access point's id, four characters.
    pub ap: String,
    /// The broker on the store's LAN.
    pub broker: Broker,
}

/// A shelf label.
#[derive(Clone, Debug)]
pub struct Label {
    /// Tag id; its first two hex digits are the model.
    pub id: String,
    /// Index into [`Config::gateways`].
    pub gateway: usize,
    /// The item whose price it shows.
    pub item: String,
    /// Width and height of the model, pixels.
    pub size: (u16, u16),
}

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let text = std::fs::read_to_string(path).map_err(|error| Faults::unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Checks `text`, which was read from `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Faults> {
        let mut faults = Faults::new(path, text);
        let digest = Sha256::digest(text).into();
        match toml::from_str(text) {
            Ok(file) => check::check(file, path, digest, faults),
            Err(error) => {
                faults.add_toml(&error);
                Err(faults)
            }
        }
    }
}
