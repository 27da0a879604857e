//! The shape of `store.toml`, before anything is checked. Unknown keys are errors.
//!
//! `docs/configuration.md` explains every key for people.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A value that remembers where in the file it stood.
pub type At<T> = Spanned<T>;

/// Settings of one rule.
pub type Table = BTreeMap<At<String>, At<toml::Value>>;
/// Settings of the rules of a cabinet.
pub type Rules = BTreeMap<At<String>, Table>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub store: Store,
    #[serde(default)]
    pub journal: Journal,
    #[serde(default)]
    pub telemetry: Telemetry,
    pub hq: Option<Hq>,
    pub timeseries: Option<TimeSeries>,
    #[serde(default)]
    pub profiles: Profiles,
    #[serde(default)]
    pub console: Console,
    pub policy: Option<PolicyFile>,
    #[serde(default)]
    pub root_key: Vec<PublicKey>,
    #[serde(default)]
    pub price_key: Vec<PublicKey>,
    #[serde(default)]
    pub command_key: Vec<PublicKey>,
    #[serde(default)]
    pub bus: Vec<Bus>,
    #[serde(default)]
    pub broker: Vec<EquipmentBroker>,
    #[serde(default)]
    pub device: Vec<Device>,
    #[serde(default)]
    pub light: Vec<Light>,
    #[serde(default)]
    pub rule: Vec<UserRule>,
    #[serde(default)]
    pub circuit: Vec<Circuit>,
    #[serde(default)]
    pub gateway: Vec<Gateway>,
    #[serde(default)]
    pub label: Vec<Label>,
    #[serde(default)]
    pub labels: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub chain: At<String>,
    pub id: At<String>,
    pub name: Option<String>,
    pub timezone: At<String>,
    pub jurisdiction: Option<At<String>>,
    pub latitude: Option<At<f64>>,
    pub longitude: Option<At<f64>>,
    pub ambient: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub path: Option<String>,
    pub telemetry_max_mb: Option<At<u64>>,
    pub telemetry_messages_max: Option<At<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub heartbeat: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hq {
    pub broker: At<String>,
    pub username: Option<String>,
    pub password_file: Option<At<String>>,
    pub ca_file: Option<At<String>>,
    pub cert_file: Option<At<String>>,
    pub key_file: Option<At<String>>,
    #[serde(default)]
    pub plaintext: bool,
    pub ack: Option<At<String>>,
    pub telemetry_every: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSeries {
    pub url: At<String>,
    pub org: At<String>,
    pub bucket: At<String>,
    pub token_file: Option<At<String>>,
    #[serde(default)]
    pub plaintext: bool,
    pub every: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    pub listen: Option<At<String>>,
    pub language: Option<At<String>>,
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    pub id: At<String>,
    pub public: At<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    pub folder: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    pub file: At<String>,
}

/// The shape of the chain's policy, a file of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Settings by class and rule.
    #[serde(default)]
    pub class: BTreeMap<At<String>, Rules>,
    #[serde(default)]
    pub alarms: Alarms,
    /// Lowest and highest set point that headquarters may order, °C, by class.
    #[serde(default)]
    pub set_point: BTreeMap<At<String>, At<[f64; 2]>>,
    #[serde(default)]
    pub rule: Vec<UserRule>,
}

/// A rule that the chain or the store wrote itself.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRule {
    pub id: At<String>,
    pub device: Option<At<String>>,
    pub class: Option<At<String>>,
    pub when: At<String>,
    pub hysteresis: Option<At<f64>>,
    pub delay: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    pub escalate_high: Option<At<String>>,
    pub escalate_medium: Option<At<String>>,
    pub escalate_low: Option<At<String>>,
    pub repair_max: Option<At<String>>,
    pub inspection_interval: Option<At<String>>,
    pub chatter_quiet: Option<At<String>>,
    pub flood: Option<At<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub id: At<String>,
    pub tcp: Option<At<String>>,
    pub rtu_over_tcp: Option<At<String>>,
    pub serial: Option<At<String>>,
    pub baud: Option<At<i64>>,
    pub parity: Option<At<String>>,
    pub stop_bits: Option<At<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EquipmentBroker {
    pub id: At<String>,
    pub url: At<String>,
    pub username: Option<String>,
    pub password_file: Option<At<String>>,
    pub ca_file: Option<At<String>>,
    pub cert_file: Option<At<String>>,
    pub key_file: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub id: At<String>,
    pub name: Option<String>,
    pub class: At<String>,
    pub profile: At<String>,
    pub bus: Option<At<String>>,
    pub unit: Option<At<i64>>,
    pub broker: Option<At<String>>,
    pub topic: Option<At<String>>,
    pub poll: Option<At<String>>,
    pub poll_fast: Option<At<String>>,
    pub poll_slow: Option<At<String>>,
    pub timeout: Option<At<String>>,
    /// `after` and the outputs by their names.
    pub safe: Option<At<BTreeMap<At<String>, At<toml::Value>>>>,
    pub points: Option<Vec<At<String>>>,
    #[serde(default)]
    pub deadband: BTreeMap<At<String>, At<f64>>,
    pub temperature_high: Option<TemperatureLimit>,
    pub temperature_low: Option<TemperatureLimit>,
    pub power: Option<At<String>>,
    pub ambient: Option<At<String>>,
    #[serde(default)]
    pub rules: Rules,
    pub no_response: Option<NoResponse>,
    pub demand: Option<Demand>,
    pub set_point_range: Option<At<[f64; 2]>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureLimit {
    pub limit: At<f64>,
    pub hysteresis: Option<At<f64>>,
    pub delay: Option<At<String>>,
    pub delay_hold_off: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoResponse {
    pub delay: At<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    pub point: Option<At<String>>,
    pub limit_watts: At<f64>,
    pub window: Option<At<String>>,
    pub hysteresis: Option<At<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Light {
    pub id: At<String>,
    pub name: Option<String>,
    pub switch: At<String>,
    pub power: Option<At<String>>,
    pub watts_min: Option<At<f64>>,
    pub dark_delay: Option<At<String>>,
    pub before_sunset: Option<At<String>>,
    pub after_sunrise: Option<At<String>>,
    pub open: Option<At<String>>,
    pub close: Option<At<String>>,
    pub min_on: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circuit {
    pub id: At<String>,
    pub name: Option<String>,
    pub devices: Vec<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub id: At<String>,
    pub driver: Option<At<String>>,
    pub ap: Option<At<String>>,
    pub broker: Option<At<String>>,
    pub url: Option<At<String>>,
    pub username: Option<String>,
    pub password_file: Option<At<String>>,
    pub ca_file: Option<At<String>>,
    pub cert_file: Option<At<String>>,
    pub key_file: Option<At<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    pub deadline: Option<At<String>>,
    pub templates: Option<At<String>>,
    pub language: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub id: At<String>,
    pub gateway: At<String>,
    pub item: At<String>,
    #[serde(default)]
    pub place: String,
    pub size: Option<At<[u16; 2]>>,
}
