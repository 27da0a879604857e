//! The shape of the file, key by key.

use super::Gateway;
use crate::{
    fault::{Fault, Kind},
    world::World,
};
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

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
    pub listen: String,
    pub unit: Vec<UnitFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitFile {
    pub unit: u8,
    pub profile: String,
    pub id: String,
    pub model: ModelFile,
    pub watch_limit: Option<f64>,
}

/// One of `cabinet`, `recording`, `meter`, `relay`, with what belongs to it.
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
}

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
}

impl FaultFile {
    pub fn check(self, world: &World) -> Result<Fault, (&'static str, String)> {
        let Some(index) = world.devices().iter().position(|device| device.id == self.device) else {
            return Err(("device", format!("there is no device `{}`; write the `id` of one", self.device)));
        };
        if !world.can_break(index, self.kind) {
            return Err((
                "kind",
                format!("cannot happen to `{}`; write one that fits its model", self.device),
            ));
        }
        if self.channel.is_some() && self.kind != Kind::LampBroken {
            return Err(("channel", "only `lamp_broken` has one; leave it out".into()));
        }
        if self.channel.is_some_and(|channel| !(1..=8).contains(&channel)) {
            return Err(("channel", "must be 1 to 8".into()));
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
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayFile {
    ap: String,
    broker: String,
    username: Option<String>,
    password: Option<String>,
    labels: Vec<String>,
    #[serde(default = "airtime_ms")]
    airtime_ms: u64,
    #[serde(default = "heartbeat", deserialize_with = "span")]
    heartbeat: Duration,
    #[serde(default = "queue_max")]
    queue_max: usize,
}

impl GatewayFile {
    pub fn check(self) -> Result<Gateway, (&'static str, String)> {
        if self.ap.len() != 4 || !self.ap.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(("ap", "must be four letters or digits".into()));
        }
        let address = self.broker.strip_prefix("mqtt://").and_then(|rest| rest.rsplit_once(':'));
        let broker = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let Some((host, port)) = broker else {
            return Err(("broker", "must look like \"mqtt://127.0.0.1:1883\"".into()));
        };
        // A label's id becomes the name of a file.
        let is_tag = |label: &String| {
            (4..=16).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if let Some(label) = self.labels.iter().find(|label| !is_tag(label)) {
            return Err(("labels", format!("`{label}` is not a tag id; write 4 to 16 hex digits")));
        }
        if self.queue_max == 0 {
            return Err(("queue_max", "must be above 0".into()));
        }
        if self.heartbeat.is_zero() {
            return Err(("heartbeat", "must be above 0; real access points allow 15 s or more".into()));
        }
        let login = match (self.username, self.password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            _ => return Err(("username", "`username` and `password` go together".into())),
        };
        Ok(Gateway {
            ap: self.ap,
            host,
            port,
            login,
            labels: self.labels,
            airtime_ms: self.airtime_ms,
            heartbeat_ms: millis(self.heartbeat),
            queue_max: self.queue_max,
        })
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format!("`{text}` is no time span ({error}); write \"40s\" or \"6h\""))
    })
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
fn airtime_ms() -> u64 {
    300
}
fn heartbeat() -> Duration {
    Duration::from_secs(15)
}
/// The lower of the two limits that the vendor's manual states.
fn queue_max() -> usize {
    10_000
}
